import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { createParent, type Parent, type ParentOptions } from './parent.ts'

const repository = parseRepository('plant/app')
const from = parseRepository('plant/other')
const bytes = Buffer.from('a blob of some bytes')
const digest = digestOf(bytes)
const registrys = { 'docker-distribution-api-version': 'registry/2.0' }
const place = '/v2/plant/app/blobs/uploads/1'

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

describe('parent: writes', () => {
  const servers: http.Server[] = []
  const parents: Parent[] = []
  afterEach(async () => {
    for (const parent of parents.splice(0)) await parent.close()
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  })

  async function parentThat(
    answer: Answer,
    options: Partial<ParentOptions> = {}
  ): Promise<{ parent: Parent; lines: string[] }> {
    const lines: string[] = []
    const server = http.createServer((request, response) => {
      lines.push(`${request.method ?? ''} ${request.url ?? ''}`)
      void Promise.resolve(answer(request, response)).catch(() => response.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.push(server)
    const parent = createParent({
      origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      userAgent: 'causeway-test',
      log: new LineLog(() => undefined),
      timeouts: { connect: 5000, headers: 5000, bodyIdle: 5000 },
      ...options
    })
    parents.push(parent)
    return { parent, lines }
  }

  const chunk = (offset = 0) => ({
    offset,
    length: bytes.length,
    pieces: async function* () {
      for (const byte of bytes) yield await Promise.resolve(Buffer.from([byte]))
    }
  })

  it('sends a chunk with its place and its length, and goes on where the parent says', async () => {
    let received = Buffer.alloc(0)
    const { parent } = await parentThat(async (request, response) => {
      assert.equal(request.headers['content-range'], `100-${99 + bytes.length}`)
      assert.equal(request.headers['content-length'], String(bytes.length))
      received = await buffer(request)
      // As a registry behind a proxy that does not pass the host on.
      response.writeHead(202, { location: `http://registry:8080${place}?_state=2`, range: '0-119' }).end()
    })
    assert.deepEqual(await parent.sendChunk(repository, place, chunk(100)), {
      location: `${place}?_state=2`,
      offset: 120
    })
    assert.deepEqual(received, bytes)
  })

  it('adds the digest to what a location says already, and sends the last bytes with it', async () => {
    const { parent, lines } = await parentThat(async (request, response) => {
      assert.deepEqual(await buffer(request), bytes)
      response.writeHead(201).end()
    })
    assert.equal(await parent.finishUpload(repository, `${place}?_state=a`, digest, { last: chunk() }), true)
    assert.deepEqual(lines, [`PUT ${place}?_state=a&digest=${encodeURIComponent(digest)}`])
  })

  it('asks where an upload stands when a chunk does not fit', async () => {
    const { parent } = await parentThat((request, response) => {
      request.resume()
      response.writeHead(request.method === 'PATCH' ? 416 : 204, { location: place, range: '0-41' }).end()
    })
    assert.deepEqual(await parent.sendChunk(repository, place, chunk(100)), { location: place, offset: 42 })
  })

  for (const [status, headers, body] of [
    [404, registrys, ''],
    [400, registrys, ''],
    [404, {}, '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}'],
    [400, {}, '{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}']
  ] as const)
    it(`knows an upload that is lost (${status} ${JSON.stringify(headers)} ${body})`, async () => {
      const { parent } = await parentThat((request, response) => {
        request.resume()
        response.writeHead(status, headers).end(body)
      })
      assert.equal(await parent.findUpload(repository, place), undefined)
      assert.equal(await parent.sendChunk(repository, place, chunk()), undefined)
      assert.equal(await parent.finishUpload(repository, place, digest), false)
    })

  for (const status of [404, 400])
    it(`takes no proxy's word for an upload that is lost, or for a delete that is done (${status})`, async () => {
      const { parent } = await parentThat((request, response) => {
        request.resume()
        response.writeHead(status, { 'content-type': 'text/html', server: 'nginx' }).end('<h1>not a registry</h1>')
      })
      for (const asking of [
        () => parent.findUpload(repository, place),
        () => parent.sendChunk(repository, place, chunk()),
        () => parent.finishUpload(repository, place, digest),
        () => parent.deleteManifest(repository, parseTag('1')),
        () => parent.deleteManifest(repository, digest)
      ])
        await assert.rejects(asking(), { code: 'PARENT_PROTOCOL', message: /check the parent's endpoint/ })
    })

  it('takes a redirect for a blob that is there, and does not follow it', async () => {
    const { parent, lines } = await parentThat((_request, response) => {
      response.writeHead(307, { location: 'http://blobs.invalid/signed' }).end()
    })
    assert.equal(await parent.hasBlob(repository, digest), true)
    assert.equal(lines.length, 1)
  })

  it('asks for the source of a mount too when it proves who it is', async () => {
    const scopes: string[][] = []
    const { parent } = await parentThat(
      (request, response) => {
        const url = new URL(request.url ?? '', 'http://parent')
        if (url.pathname === '/token') {
          scopes.push(url.searchParams.getAll('scope'))
          response.end(JSON.stringify({ token: 'secret' }))
        } else if (request.headers.authorization === undefined)
          response
            .writeHead(401, {
              'www-authenticate': `Bearer realm="http://${request.headers.host ?? ''}/token",service="s",scope="repository:plant/app:pull,push"`
            })
            .end()
        else response.writeHead(201).end()
      },
      { tokenName: 'sync', password: 'right' }
    )
    assert.equal(await parent.beginUpload(repository, digest, { from }), undefined)
    assert.deepEqual(scopes, [['repository:plant/app:pull,push', 'repository:plant/other:pull']])
  })

  it('tries the other credential where the first is refused, in the middle of a push too', async () => {
    const right = `Basic ${Buffer.from('sync:new').toString('base64')}`
    const { parent } = await parentThat(
      async (request, response) => {
        const body = await buffer(request)
        if (request.headers.authorization !== right)
          response.writeHead(401, { 'www-authenticate': 'Basic realm="parent"' }).end()
        else response.writeHead(202, { location: place, range: `0-${body.length - 1}` }).end()
      },
      { tokenName: 'sync', password: 'old', otherCredentials: { tokenName: 'sync', password: 'new' } }
    )
    assert.equal((await parent.sendChunk(repository, place, chunk()))?.offset, bytes.length)
  })

  for (const [status, code, words] of [
    [403, 'PARENT_DENIED', /does not let anonymous callers push .*content\/write/],
    [405, 'PARENT_REFUSED', /refuses to push plant\/app:1 \(405: it is ReadOnly/],
    [413, 'PARENT_REFUSED', /\(413: too large/],
    [409, 'PARENT_REFUSED', /\(409: it is locked/],
    [507, 'PARENT_FAILED', /no room for plant\/app:1 \(507\)/],
    [503, 'PARENT_FAILED', /cannot answer/],
    [429, 'PARENT_THROTTLED', /less often/]
  ] as const)
    it(`says what a refusal means, and keeps its status (${status})`, async () => {
      const { parent } = await parentThat((request, response) => {
        request.resume()
        response.writeHead(status, { 'retry-after': '7' }).end()
      })
      await assert.rejects(
        parent.putManifest(repository, parseTag('1'), { bytes, mediaType: mediaTypes.ociManifest }),
        (error: Error & { code?: string; status?: number }) => {
          assert.deepEqual([error.code, error.status], [code, status])
          assert.match(error.message, words)
          return true
        }
      )
    })

  it('is content to delete what is not there, and says what a delete needs', async () => {
    let status = 404
    const { parent } = await parentThat((_request, response) => response.writeHead(status, registrys).end())
    await parent.deleteManifest(repository, parseTag('1'))
    status = 403
    await assert.rejects(parent.deleteManifest(repository, digest), /delete plant\/app@sha256.*content\/delete/)
  })

  it('gives up a body that the other side takes no more of', async () => {
    const { parent } = await parentThat((request) => request.pause(), {
      timeouts: { connect: 5000, headers: 5000, bodyIdle: 50 }
    })
    const large = { ...chunk(), length: 64 * 1024 * 1024 }
    const pieces = async function* () {
      for (let at = 0; at < 64; at += 1) yield await Promise.resolve(Buffer.alloc(1024 * 1024))
    }
    await assert.rejects(parent.sendChunk(repository, place, { ...large, pieces }), {
      code: 'PARENT_UNREACHABLE',
      message: /takes no more bytes/
    })
  })

  it('throws what reading the bytes threw, as no fault of the link', async () => {
    const { parent } = await parentThat((request) => void request.resume())
    const pieces = async function* (): AsyncGenerator<Buffer> {
      yield await Promise.resolve(bytes)
      throw new Error('the disk fails')
    }
    await assert.rejects(parent.sendChunk(repository, place, { ...chunk(), length: 1000, pieces }), /the disk fails/)
  })
})
