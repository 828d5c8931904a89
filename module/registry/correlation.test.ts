import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import type { AuditEntry } from './audit.ts'
import { createRegistry } from './registry.ts'
import { createHttpServer } from './server.ts'
import { basic, basicOf, bigLayer, portOf, useWorld, type Answer } from './world.test.ts'

const header = 'x-ms-correlation-request-id'
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

describe('registry: correlation', () => {
  const world = useWorld()
  const entries: AuditEntry[] = []
  const missing: string[] = []
  const lines: string[] = []
  let server: Server

  before(async () => {
    const log = new LineLog((line) => lines.push(line))
    log.level = 'Debug'
    const registry = createRegistry({
      content: world.storage,
      authorizer: world.access,
      tokens: world.access,
      log,
      audit: { record: (entry) => entries.push(entry) },
      onMissing: (_repository, reference, correlationId) => missing.push(`${reference} ${correlationId}`)
    })
    const breaks = ({ url }: { readonly url?: string | undefined }): boolean => {
      if (url === '/boom') throw new Error('secret insides')
      return false
    }
    server = createHttpServer([breaks, registry], log)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  beforeEach(() => {
    entries.length = 0
    lines.length = 0
    missing.length = 0
  })

  const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
    world.send('GET', path, headers, undefined, portOf(server))

  it('gives every answer the id, whatever the answer', async () => {
    for (const [path, authorization, status] of [
      ['/v2/samples/app/manifests/1.0', basic, 200],
      [`/v2/samples/app/blobs/${digestOf(bigLayer)}`, basic, 200],
      ['/v2/', undefined, 401],
      ['/v2/samples/app/manifests/9.9', basic, 404],
      ['/v2/private/app/manifests/1.0', basic, 403],
      ['/oauth2/token?service=x', basic, 200],
      ['/oauth2/token?service=x', undefined, 401],
      ['/v2/UPPER/tags/list', basic, 400],
      ['/nothing', undefined, 404],
      ['/boom', undefined, 500]
    ] as const) {
      const answer = await get(path, authorization === undefined ? {} : { authorization })
      assert.equal(answer.status, status, path)
      assert.match(String(answer.headers[header]), uuid, path)
      const given = await get(path, { [header]: 'of-the-client', ...(authorization && { authorization }) })
      assert.equal(given.headers[header], 'of-the-client', path)
    }
  })

  it('gives it to each line about the request, to the record, and to whoever looks for what is missing', async () => {
    const { headers } = await get('/v2/samples/app/manifests/1.0', { authorization: basic })
    const id = String(headers[header])
    assert.equal(entries[0]?.correlationId, id)
    assert.ok(lines.length > 0)
    for (const line of lines) assert.match(line, new RegExp(` correlationId=${id}\\n$`))
    await get('/v2/samples/app/manifests/9.9', { authorization: basic, 'x-request-id': 'of-a-proxy' })
    assert.deepEqual(missing, ['9.9 of-a-proxy'])
  })

  it('names a login that was refused', async () => {
    lines.length = world.lines.length = 0
    const { headers } = await get('/v2/', { authorization: basicOf('stranger') })
    const refused = world.lines.find((line) => line.includes('a login was refused'))
    assert.match(refused ?? '', new RegExp(` correlationId=${String(headers[header])}\\n$`))
    assert.equal(entries[0]?.correlationId, headers[header])
  })

  it('names a failure in the log and in the detail of the error, and never in its message', async () => {
    const { headers, body } = await get('/boom')
    const { errors } = JSON.parse(body.toString()) as { errors: [{ message: string; detail: unknown }] }
    assert.deepEqual(errors[0].detail, { correlationId: headers[header] })
    assert.doesNotMatch(errors[0].message, /[0-9a-f]{8}-/)
    assert.match(lines.join(''), new RegExp(`a request failed .*correlationId=${String(headers[header])}`))
  })

  it('names the transfer that broke', async () => {
    const socket = connect(portOf(server), '127.0.0.1')
    socket.write(
      `GET /v2/samples/app/blobs/${digestOf(bigLayer)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic}\r\nX-Request-Id: breaks-off\r\n\r\n`
    )
    await once(socket, 'data')
    socket.destroy()
    while (!lines.some((line) => line.includes(' request '))) await new Promise((resolve) => setImmediate(resolve))
    for (const line of lines) assert.match(line, / correlationId=breaks-off\n$/)
  })

  it('lets nothing that a client sends forge a line, a header or an answer', async () => {
    const forged = [
      'a b c d e f g h',
      'x'.repeat(5000),
      '"},{"who":"admin',
      'id-1 <3> 2026 [ERR] forged',
      'ä'.repeat(20)
    ]
    for (const id of forged) {
      const socket = connect(portOf(server), '127.0.0.1')
      socket.end(
        Buffer.from(`GET /boom HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Ms-Correlation-Request-Id: ${id}\r\n\r\n`)
      )
      const answer = await text(socket)
      assert.match(answer, /\r\nX-Ms-Correlation-Request-Id: [0-9a-f-]{36}\r\n/, id)
      assert.ok(!answer.includes(id) && !lines.join('').includes(id), id)
    }
  })
})
