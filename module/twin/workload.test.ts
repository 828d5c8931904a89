import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fetchTrustBundle } from './workload.ts'

describe('fetchTrustBundle', () => {
  let folder: string
  let server: Server
  let answer: { status: number; body: string } | undefined
  const asked: (string | undefined)[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-workload-'))
    server = createServer((request, response) => {
      asked.push(request.url, request.headers.host)
      if (answer !== undefined) response.writeHead(answer.status).end(answer.body)
    })
    server.listen(join(folder, 'workload.sock'))
    await once(server, 'listening')
  })

  after(async () => {
    server.close()
    server.closeAllConnections()
    await rm(folder, { recursive: true })
  })

  const fetchBundle = (signal: AbortSignal = AbortSignal.timeout(5_000)) =>
    fetchTrustBundle(`unix://${folder}/workload.sock`, signal)

  it('asks over a Unix socket, as on a device', async () => {
    answer = { status: 200, body: '{"certificate":"PEM"}' }
    assert.equal(await fetchBundle(), 'PEM')
    assert.deepEqual(asked, ['/trust-bundle?api-version=2018-06-28', 'localhost'])
  })

  for (const [status, body] of [
    [500, '{"message":"no"}'],
    [200, 'not JSON'],
    [200, '{}'],
    [200, '{"certificate":""}']
  ] as const)
    it(`refuses ${status} ${body}`, async () => {
      answer = { status, body }
      await assert.rejects(fetchBundle(), { code: 'WORKLOAD_UNREACHABLE' })
    })

  it('does not wait longer than it may', async () => {
    answer = undefined
    await assert.rejects(fetchBundle(AbortSignal.timeout(20)), { message: /no answer in time/ })
  })

  it('says so where nobody listens, or the address is no address', async () => {
    for (const uri of [`unix://${folder}/nobody.sock`, 'http://127.0.0.1:1/', 'workload'])
      await assert.rejects(fetchTrustBundle(uri, AbortSignal.timeout(5_000)), { code: 'WORKLOAD_UNREACHABLE' })
  })
})
