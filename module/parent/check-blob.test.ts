import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { parseRepository } from '../oci/name.ts'
import { createParent, type Parent } from './parent.ts'

const repository = parseRepository('samples/web')
const bytes = Buffer.alloc(5_000_000, 'layer')
const digest = digestOf(bytes)
const mark = { 'docker-distribution-api-version': 'registry/2.0' }

describe('parent: whether a repository has a blob', () => {
  let server: http.Server
  let parent: Parent
  let answer: (request: IncomingMessage, response: ServerResponse) => void
  let asked: string[]

  beforeEach(async () => {
    asked = []
    server = http.createServer((request, response) => {
      const { method = '', headers } = request
      asked.push([method, headers.range].filter((part) => part !== undefined).join(' '))
      answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    parent = createParent({
      origin: `http://127.0.0.1:${port}`,
      userAgent: 'causeway-test',
      log: new LineLog(() => undefined)
    })
  })
  afterEach(async () => {
    await parent.close()
    server.closeAllConnections()
    server.close()
  })

  const check = (): Promise<void> => parent.checkBlob(repository, digest)
  const absent = JSON.stringify({ errors: [{ code: 'BLOB_UNKNOWN', message: 'no such blob' }] })
  /** By HEAD in one way, and otherwise in another. */
  const byMethod =
    (head: number, get: (response: ServerResponse) => void): typeof answer =>
    (request, response) => {
      if (request.method === 'HEAD') response.writeHead(head).end()
      else get(response)
    }

  it('is told by HEAD, also by one that sends to its blob storage', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-length': bytes.length }).end()
    await check()
    answer = (_request, response) =>
      response.writeHead(307, { location: 'http://blobs.invalid/x', 'content-type': 'text/html' }).end()
    await check()
    assert.deepEqual(asked, ['HEAD', 'HEAD'])
  })

  it('is believed of a registry that has not', async () => {
    answer = (_request, response) => response.writeHead(404, mark).end()
    await assert.rejects(check(), { code: 'PARENT_NOT_FOUND', transient: false })
    assert.deepEqual(asked, ['HEAD'])
  })

  for (const head of [404, 405])
    it(`is asked for by one byte where HEAD is answered with ${head}, and no registry is known by it`, async () => {
      answer = byMethod(head, (response) => response.writeHead(206, { 'content-range': 'bytes 0-0/5000000' }).end('l'))
      await check()
      assert.deepEqual(asked, ['HEAD', 'GET bytes=0-0'])
      answer = byMethod(head, (response) => response.writeHead(404).end(absent))
      await assert.rejects(check(), { code: 'PARENT_NOT_FOUND', message: /no such blob/ })
      answer = byMethod(head, (response) => response.writeHead(404).end('<h1>nothing here</h1>'))
      await assert.rejects(check(), { code: 'PARENT_PROTOCOL' })
      answer = byMethod(head, (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('log in'))
      await assert.rejects(check(), { code: 'PARENT_PROTOCOL' })
      answer = byMethod(head, (response) => response.writeHead(416, mark).end())
      await check()
    })

  it('does not wait for the whole where that is the answer to a range', async () => {
    const closed = Promise.withResolvers<undefined>()
    answer = byMethod(405, (response) => {
      response.once('close', () => closed.resolve(undefined))
      response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 1000))
    })
    await check()
    await closed.promise
  })

  it('throws what the parent answers otherwise', async () => {
    answer = (_request, response) => response.writeHead(503).end()
    await assert.rejects(check(), { code: 'PARENT_FAILED', transient: true })
    answer = (_request, response) => response.writeHead(403, mark).end()
    await assert.rejects(check(), { code: 'PARENT_DENIED' })
  })
})
