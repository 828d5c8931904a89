import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fetchServerCertificate, fetchTrustBundle } from './workload.ts'

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

describe('fetchServerCertificate', () => {
  let folder: string
  let server: Server
  let answer: { status: number; body: string } | undefined
  const asked: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-workload-'))
    server = createServer((request, response) => {
      void text(request).then((body) => {
        asked.push(`${request.method ?? ''} ${request.url ?? ''}`, body)
        if (answer !== undefined) response.writeHead(answer.status).end(answer.body)
      })
    })
    server.listen(join(folder, 'workload.sock'))
    await once(server, 'listening')
  })

  after(async () => {
    server.close()
    server.closeAllConnections()
    await rm(folder, { recursive: true })
  })

  const fetchCertificate = (signal: AbortSignal = AbortSignal.timeout(5_000)) =>
    fetchServerCertificate(
      { workloadUri: `unix://${folder}/workload.sock`, moduleId: 'connected-registry', generationId: '1' },
      'gateway.plant.example',
      signal
    )

  it('asks in the name of the module, for the name that clients use', async () => {
    answer = { status: 201, body: '{"certificate":"PEM","privateKey":{"type":"key","bytes":"KEY"}}' }
    assert.deepEqual(await fetchCertificate(), { certificate: 'PEM', key: 'KEY' })
    assert.equal(asked[0], 'POST /modules/connected-registry/genid/1/certificate/server?api-version=2018-06-28')
    const { commonName, expiration } = JSON.parse(asked[1]!)
    assert.equal(commonName, 'gateway.plant.example')
    assert.ok(Date.parse(expiration as string) > Date.now())
  })

  for (const [status, body] of [
    [404, '{"message":"no"}'],
    [201, 'SECRET KEY'],
    [201, '{"certificate":"PEM"}'],
    [201, '{"certificate":"PEM","privateKey":{"type":"ref","ref":"SECRET KEY"}}']
  ] as const)
    it(`refuses ${status} ${body}, and repeats nothing of it`, async () => {
      answer = { status, body }
      await assert.rejects(fetchCertificate(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'WORKLOAD_UNREACHABLE')
        assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /SECRET/)
        return true
      })
    })

  it('does not wait longer than it may', async () => {
    answer = undefined
    await assert.rejects(fetchCertificate(AbortSignal.timeout(20)), { message: /no answer in time/ })
  })
})
