import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import {
  Agent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse
} from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { createAccess, type Access } from '../access/access.ts'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { settingsSchema } from '../settings/document.ts'
import { hashPassword } from '../settings/password-hash.ts'
import { putBlob } from '../storage/contract.ts'
import { openStorage } from '../storage/open-storage.ts'
import type { IndexChange, Storage } from '../storage/storage.ts'
import { createRegistry, type RegistryOptions } from './registry.ts'
import { createHttpServer } from './server.ts'

const app = parseRepository('samples/app')
const layer = randomBytes(2048)
const bigLayer = randomBytes(3_000_000)
const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: [layer, bigLayer].map((bytes) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: digestOf(bytes),
      size: bytes.length
    }))
  })
)
const basic = `Basic ${Buffer.from('reader:secret').toString('base64')}`

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

describe('registry', () => {
  let folder: string
  let storage: Storage
  let access: Access
  let server: Server
  let mode: 'ReadOnly' | 'ReadWrite' = 'ReadOnly'
  const missing: string[] = []
  const lines: string[] = []
  const log = new LineLog((line) => lines.push(line))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })

  const start = async (options: Partial<RegistryOptions> = {}): Promise<Server> => {
    const registry = createRegistry({
      content: storage,
      authorizer: access,
      tokens: access,
      log,
      mode: () => mode,
      onMissing: (repository, reference) => missing.push(`${repository} ${reference}`),
      ...options
    })
    const other = (request: IncomingMessage, response: ServerResponse): boolean => {
      if (request.url === '/boom') throw new Error('secret insides')
      if (request.url !== '/healthz') return false
      response.end('fine')
      return true
    }
    const started = createHttpServer([registry, other], log)
    started.listen(0, '127.0.0.1')
    await once(started, 'listening')
    return started
  }
  const portOf = (which: Server): number => (which.address() as AddressInfo).port

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-registry-'))
    storage = await openStorage({ folder: join(folder, 'data') })
    access = await createAccess({ folder: join(folder, 'access'), log })
    access.configure(
      settingsSchema.parse({
        schemaVersion: '1.0',
        scopeMaps: {
          reader: { actions: ['repositories/samples/*/content/read', 'repositories/samples/*/metadata/read'] }
        },
        tokens: { reader: { scopeMap: 'reader', passwords: { password1: { hash: await hashPassword('secret') } } } }
      })
    )
    for (const bytes of [layer, bigLayer, config, manifest, Buffer.alloc(0)]) await putBlob(storage, bytes)
    const link = (bytes: Buffer): IndexChange => ({ kind: 'linkBlob', repository: app, digest: digestOf(bytes) })
    await storage.index.apply([
      ...[layer, bigLayer, config, Buffer.alloc(0)].map(link),
      {
        kind: 'putManifest',
        repository: app,
        digest: digestOf(manifest),
        mediaType: mediaTypes.ociManifest,
        size: manifest.length
      },
      ...['1.0', '1.1', '2.0', 'latest'].map((tag): IndexChange => {
        return { kind: 'setTag', repository: app, tag: parseTag(tag), digest: digestOf(manifest) }
      }),
      { kind: 'linkBlob', repository: parseRepository('samples/blobs/uploads'), digest: digestOf(layer) },
      { kind: 'linkBlob', repository: parseRepository('private/app'), digest: digestOf(config) }
    ])
    server = await start()
  })
  after(async () => {
    agent.destroy()
    server.close()
    server.closeAllConnections()
    await storage.close()
    await rm(folder, { recursive: true })
  })
  beforeEach(() => {
    mode = 'ReadOnly'
    missing.length = 0
    lines.length = 0
  })

  async function send(
    method: string,
    path: string,
    headers: Record<string, string> = { authorization: basic },
    body?: string | Buffer,
    port = portOf(server)
  ): Promise<Answer> {
    const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) }
  }
  const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
    send('GET', path, { authorization: basic, ...headers })
  const codeOf = ({ headers, body }: Answer): string => {
    assert.equal(headers['content-type'], 'application/json')
    return JSON.parse(body.toString()).errors[0].code as string
  }

  describe('GET /v2/', () => {
    it('challenges everybody with the address they used', async () => {
      const host = `127.0.0.1:${portOf(server)}`
      for (const path of ['/v2/', '/v2']) {
        const answer = await send('GET', path, {})
        assert.equal(answer.status, 401)
        assert.equal(codeOf(answer), 'UNAUTHORIZED')
        assert.equal(
          answer.headers['www-authenticate'],
          `Bearer realm="http://${host}/acr/oauth2/token",service="${host}"`
        )
        assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
      }
    })

    it("takes the API proxy's word for the address, and repeats nothing that is no host", async () => {
      const proxied = { 'x-forwarded-host': 'gateway.local:8000', 'x-forwarded-proto': 'https', host: 'registry:8080' }
      assert.equal(
        (await send('GET', '/v2/', proxied)).headers['www-authenticate'],
        'Bearer realm="https://gateway.local:8000/acr/oauth2/token",service="gateway.local:8000"'
      )
      const forged = { 'x-forwarded-host': 'a",error="x', host: 'registry:8080' }
      assert.match(String((await send('GET', '/v2/', forged)).headers['www-authenticate']), /service="registry:8080"$/)
    })

    it('challenges for Basic by setting', async () => {
      const relayed = await start({ challenge: 'Basic' })
      const answer = await send('GET', '/v2/', {}, undefined, portOf(relayed))
      assert.equal(answer.headers['www-authenticate'], `Basic realm="127.0.0.1:${portOf(relayed)}", charset="UTF-8"`)
      assert.equal((await send('GET', '/v2/', { authorization: basic }, undefined, portOf(relayed))).status, 200)
      relayed.close()
      relayed.closeAllConnections()
    })

    it('lets in with Basic, and with a bearer token', async () => {
      const answer = await get('/v2/')
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
      assert.equal((await send('GET', '/v2/', { authorization: await bearer('') })).status, 200)
    })
  })

  const token = async (query: string, authorization?: string): Promise<Answer> =>
    send('GET', `/acr/oauth2/token?${query}`, authorization === undefined ? {} : { authorization })
  const bearer = async (scope: string): Promise<string> => {
    const { body } = await token(`service=x&scope=${encodeURIComponent(scope)}`, basic)
    return `Bearer ${JSON.parse(body.toString()).access_token as string}`
  }
  const form = (path: string, fields: Record<string, string>): Promise<Answer> =>
    send('POST', path, { 'content-type': 'application/x-www-form-urlencoded' }, new URLSearchParams(fields).toString())

  describe('the token endpoint', () => {
    it('answers GET with Basic at both paths', async () => {
      for (const path of ['/acr/oauth2/token', '/oauth2/token']) {
        const answer = await get(`${path}?service=x&scope=repository:samples/app:pull&account=reader&client_id=docker`)
        assert.equal(answer.status, 200)
        assert.equal(answer.headers['cache-control'], 'no-store')
        const reply = JSON.parse(answer.body.toString())
        assert.equal(reply.token, reply.access_token)
        assert.equal(reply.refresh_token, undefined)
        const pulled = await send('GET', '/v2/samples/app/manifests/1.0', { authorization: `Bearer ${reply.token}` })
        assert.equal(pulled.status, 200)
      }
      const offline = await get('/oauth2/token?offline_token=true')
      assert.ok(JSON.parse(offline.body.toString()).refresh_token)
    })

    it('answers a form with a password, then one with the refresh token', async () => {
      const scope = 'repository:samples/app:pull'
      const first = await form('/oauth2/token', {
        grant_type: 'password',
        username: 'reader',
        password: 'secret',
        service: 'x',
        scope
      })
      assert.equal(first.status, 200)
      const { refresh_token } = JSON.parse(first.body.toString())
      const second = await form('/acr/oauth2/token', {
        grant_type: 'refresh_token',
        refresh_token,
        service: 'x',
        scope
      })
      const authorization = `Bearer ${JSON.parse(second.body.toString()).access_token as string}`
      assert.equal((await send('HEAD', '/v2/samples/app/manifests/1.0', { authorization })).status, 200)
    })

    it('refuses strangers, other grants and overlong forms, without breaking the connection', async () => {
      for (const answer of [
        await token('service=x'),
        await token('service=x', `Basic ${Buffer.from('reader:wrong').toString('base64')}`),
        await form('/oauth2/token', { grant_type: 'password', username: '', service: 'x', refresh_token: '' }),
        await form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: 'nonsense' })
      ]) {
        assert.equal(answer.status, 401)
        assert.equal(codeOf(answer), 'UNAUTHORIZED')
        assert.match(String(answer.headers['www-authenticate']), /^Basic realm=/)
      }
      assert.equal((await form('/oauth2/token', { grant_type: 'authorization_code' })).status, 405)
      assert.equal((await send('PUT', '/oauth2/token', {})).status, 405)
      assert.equal((await form('/oauth2/token', { grant_type: 'password', username: 'x'.repeat(70_000) })).status, 400)
    })
  })

  describe('permission', () => {
    it('tells what scope would do', async () => {
      const scope = async (path: string, method = 'GET'): Promise<string | undefined> => {
        const answer = await send(method, path, {})
        assert.equal(answer.status, 401)
        return /scope="([^"]*)"/.exec(String(answer.headers['www-authenticate']))?.[1]
      }
      assert.equal(await scope('/v2/samples/app/manifests/1.0'), 'repository:samples/app:pull')
      assert.equal(await scope(`/v2/samples/app/blobs/${digestOf(layer)}`), 'repository:samples/app:pull')
      assert.equal(await scope('/v2/samples/app/tags/list'), 'repository:samples/app:metadata_read')
      assert.equal(await scope('/v2/_catalog'), 'registry:catalog:*')
      assert.equal(await scope('/v2/samples/app/blobs/uploads/', 'POST'), 'repository:samples/app:pull,push')
      assert.equal(await scope('/v2/samples/app/manifests/1.0', 'DELETE'), 'repository:samples/app:delete')
    })

    it('asks for another token where that helps, and denies where it does not', async () => {
      const authorization = await bearer('repository:samples/other:pull')
      const insufficient = await send('GET', '/v2/samples/app/manifests/1.0', { authorization })
      assert.equal(insufficient.status, 401)
      assert.match(
        String(insufficient.headers['www-authenticate']),
        /scope="repository:samples\/app:pull",error="insufficient_scope"$/
      )
      for (const way of [basic, authorization]) {
        const denied = await send('GET', `/v2/private/app/blobs/${digestOf(config)}`, { authorization: way })
        assert.equal(denied.status, 403)
        assert.equal(codeOf(denied), 'DENIED')
        assert.equal(denied.headers['www-authenticate'], undefined)
      }
      const invalid = await send('GET', '/v2/', { authorization: 'Bearer x' })
      assert.match(String(invalid.headers['www-authenticate']), /error="invalid_token"$/)
    })

    it('answers 429 with Retry-After when too much is being checked', async () => {
      const flood = await Promise.all(
        Array.from({ length: 30 }, (_, guess) =>
          fetch(`http://127.0.0.1:${portOf(server)}/v2/`, {
            headers: { authorization: `Basic ${Buffer.from(`reader:${guess}`).toString('base64')}` }
          })
        )
      )
      const refused = flood.filter(({ status }) => status === 429)
      assert.ok(refused.length > 0)
      for (const { headers } of refused) assert.ok(Number(headers.get('retry-after')) > 0)
      for (const response of flood) await response.body?.cancel()
    })
  })

  describe('manifests', () => {
    it('are served by tag and digest as they are, HEAD like GET', async () => {
      for (const [reference, cached] of [
        ['1.0', undefined],
        [digestOf(manifest), 'private, max-age=31536000, immutable'],
        [digestOf(manifest).replace(':', '%3A'), 'private, max-age=31536000, immutable']
      ] as const) {
        const path = `/v2/samples/app/manifests/${reference}?ns=docker.io`
        const answer = await get(path, { accept: 'application/vnd.docker.distribution.manifest.v1+json' })
        assert.equal(answer.status, 200)
        assert.ok(answer.body.equals(manifest))
        assert.equal(answer.headers['content-type'], mediaTypes.ociManifest)
        assert.equal(answer.headers['content-length'], String(manifest.length))
        assert.equal(answer.headers['docker-content-digest'], digestOf(manifest))
        assert.equal(answer.headers['etag'], `"${digestOf(manifest)}"`)
        assert.equal(answer.headers['cache-control'], cached)
        const head = await send('HEAD', path)
        assert.equal(head.body.length, 0)
        assert.deepEqual(withoutDate(head.headers), withoutDate(answer.headers))
      }
    })

    it('are not sent again to who has them', async () => {
      const etag = `"${digestOf(manifest)}"`
      for (const value of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const answer = await get('/v2/samples/app/manifests/1.0', { 'if-none-match': value })
        assert.equal(answer.status, 304)
        assert.equal(answer.body.length, 0)
        assert.equal(answer.headers['etag'], etag)
      }
      assert.equal((await get('/v2/samples/app/manifests/1.0', { 'if-none-match': '"other"' })).status, 200)
    })

    it('that are not here are 404 at once, and somebody is told', async () => {
      const absent = digestOf('absent')
      for (const [path, code] of [
        ['/v2/samples/app/manifests/9.9', 'MANIFEST_UNKNOWN'],
        [`/v2/samples/app/manifests/${absent}`, 'MANIFEST_UNKNOWN'],
        ['/v2/samples/unknown/manifests/1.0', 'NAME_UNKNOWN'],
        // A layer is no manifest.
        [`/v2/samples/app/manifests/${digestOf(layer)}`, 'MANIFEST_UNKNOWN']
      ] as const) {
        const answer = await get(path)
        assert.equal(answer.status, 404)
        assert.equal(codeOf(answer), code)
        const head = await send('HEAD', path)
        assert.equal(head.status, 404)
        assert.equal(head.headers['content-length'], answer.headers['content-length'])
      }
      assert.deepEqual(missing.slice(0, 3), ['samples/app 9.9', 'samples/app 9.9', `samples/app ${absent}`])
      missing.length = 0
      await get('/v2/private/app/manifests/9.9')
      assert.deepEqual(missing, [], 'who may not have it cannot ask for it')
    })

    it('whose bytes were lost from the disk are like those that never came', async () => {
      const bytes = Buffer.from('{"schemaVersion":2,"lost":true}')
      const digest = await putBlob(storage, bytes)
      await storage.index.apply([
        { kind: 'putManifest', repository: app, digest, mediaType: mediaTypes.ociManifest, size: bytes.length }
      ])
      await storage.blobs.remove(digest)
      assert.equal(codeOf(await get(`/v2/samples/app/manifests/${digest}`)), 'MANIFEST_UNKNOWN')
      assert.deepEqual(missing, [`samples/app ${digest}`])
      await storage.index.apply([{ kind: 'removeManifest', repository: app, digest }])
    })

    it('are 400 where the reference is neither tag nor digest', async () => {
      assert.equal(codeOf(await get('/v2/samples/app/manifests/sha256:baddigeststring')), 'DIGEST_INVALID')
      assert.equal(codeOf(await get(`/v2/samples/app/manifests/${'x'.repeat(200)}`)), 'TAG_INVALID')
      assert.equal(codeOf(await get('/v2/Samples/App/manifests/1.0')), 'NAME_INVALID')
      assert.equal(codeOf(await get('/v2/samples/app/manifests/%ff')), 'NAME_INVALID')
    })
  })

  describe('blobs', () => {
    const path = (bytes: Buffer): string => `/v2/samples/app/blobs/${digestOf(bytes)}`

    it('are served whole, HEAD like GET', async () => {
      for (const bytes of [layer, bigLayer, Buffer.alloc(0)]) {
        const answer = await get(path(bytes), { 'accept-encoding': 'zstd, gzip, deflate' })
        assert.equal(answer.status, 200)
        assert.ok(answer.body.equals(bytes))
        assert.equal(answer.headers['content-length'], String(bytes.length))
        assert.equal(answer.headers['content-type'], 'application/octet-stream')
        assert.equal(answer.headers['accept-ranges'], 'bytes')
        assert.equal(answer.headers['docker-content-digest'], digestOf(bytes))
        assert.equal(answer.headers['content-encoding'], undefined)
        const head = await send('HEAD', path(bytes))
        assert.equal(head.body.length, 0)
        assert.deepEqual(withoutDate(head.headers), withoutDate(answer.headers))
      }
      assert.equal((await get(path(layer), { 'if-none-match': `"${digestOf(layer)}"` })).status, 304)
    })

    it('are served in part', async () => {
      for (const [range, start, end] of [
        ['bytes=500-1499', 500, 1499],
        ['bytes=500-', 500, 2047],
        ['bytes=-500', 1548, 2047],
        ['bytes=2000-5000', 2000, 2047],
        ['bytes=0-0', 0, 0],
        ['bytes=-5000', 0, 2047]
      ] as const) {
        const answer = await get(path(layer), { range })
        assert.equal(answer.status, 206, range)
        assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/2048`)
        assert.equal(answer.headers['content-length'], String(end - start + 1))
        assert.ok(answer.body.equals(layer.subarray(start, end + 1)))
      }
      const tail = await get(path(bigLayer), { range: 'bytes=1000000-' })
      assert.ok(tail.body.equals(bigLayer.subarray(1_000_000)))
    })

    it('answer 416 with their size where no byte was asked for, and go on', async () => {
      for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0']) {
        const answer = await get(path(layer), { range })
        assert.equal(answer.status, 416, range)
        assert.equal(codeOf(answer), 'RANGE_INVALID')
        assert.equal(answer.headers['content-range'], 'bytes */2048')
      }
      assert.equal((await get(path(Buffer.alloc(0)), { range: 'bytes=0-' })).headers['content-range'], 'bytes */0')
    })

    it('are whole where the range may be ignored', async () => {
      for (const range of ['bytes=0-1,5-6', 'items=0-1', 'bytes=x', 'bytes=-'])
        assert.equal((await get(path(layer), { range })).status, 200, range)
      assert.equal((await get(path(layer), { range: 'bytes=0-1', 'if-range': '"other"' })).status, 200)
      assert.equal((await get(path(layer), { range: 'bytes=0-1', 'if-range': `"${digestOf(layer)}"` })).status, 206)
      assert.equal((await send('HEAD', path(layer), { authorization: basic, range: 'bytes=0-1' })).status, 200)
    })

    it('are given out only by repositories that link them', async () => {
      const path = `/v2/samples/blobs/uploads/blobs/${digestOf(bigLayer)}`
      assert.equal(codeOf(await get(path)), 'BLOB_UNKNOWN')
      assert.deepEqual(missing, [`samples/blobs/uploads ${digestOf(bigLayer)}`])
      assert.equal((await get(`/v2/samples/blobs/uploads/blobs/${digestOf(layer)}`)).status, 200)
    })

    it('that were lost from the disk are 404 before anything is promised', async () => {
      const lost = randomBytes(10)
      await putBlob(storage, lost)
      await storage.index.apply([{ kind: 'linkBlob', repository: app, digest: digestOf(lost) }])
      await storage.blobs.remove(digestOf(lost))
      assert.equal(codeOf(await get(path(lost))), 'BLOB_UNKNOWN')
      // Lost between the look at its size and the opening.
      const racing = await start({
        content: { index: storage.index, blobs: { ...blobsOf(storage), size: () => Promise.resolve(10) } }
      })
      const answer = await send('GET', path(lost), { authorization: basic }, undefined, portOf(racing))
      assert.equal(codeOf(answer), 'BLOB_UNKNOWN')
      racing.close()
      racing.closeAllConnections()
    })

    it('survive clients that go away in the middle', async () => {
      const socket = connect(portOf(server), '127.0.0.1')
      socket.write(`GET ${path(bigLayer)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic}\r\n\r\n`)
      await once(socket, 'data')
      socket.destroy()
      assert.equal((await get(path(layer))).status, 200)
    })
  })

  describe('lists', () => {
    it('give tags, in pages with a link to the next', async () => {
      const list = '/v2/samples/app/tags/list'
      const all = await get(list)
      assert.deepEqual(JSON.parse(all.body.toString()), { name: app, tags: ['1.0', '1.1', '2.0', 'latest'] })
      assert.equal(all.headers['link'], undefined)
      const first = await get(`${list}?n=2`)
      assert.deepEqual(JSON.parse(first.body.toString()).tags, ['1.0', '1.1'])
      assert.equal(first.headers['link'], `<${list}?n=2&last=1.1>; rel="next"`)
      const second = await get(`${list}?n=2&last=1.1`)
      assert.deepEqual(JSON.parse(second.body.toString()).tags, ['2.0', 'latest'])
      assert.equal(second.headers['link'], undefined)
      assert.deepEqual(JSON.parse((await get(`${list}?last=1.5`)).body.toString()).tags, ['2.0', 'latest'])
      const none = await get(`${list}?n=0`)
      assert.deepEqual(JSON.parse(none.body.toString()).tags, [])
      assert.equal(none.headers['link'], undefined)
      for (const n of ['-1', 'x', '', '1.5'])
        assert.equal(codeOf(await get(`${list}?n=${n}`)), 'PAGINATION_NUMBER_INVALID')
      assert.equal(codeOf(await get('/v2/samples/unknown/tags/list')), 'NAME_UNKNOWN')
    })

    it('give the catalog of what the caller may see', async () => {
      const all = await get('/v2/_catalog')
      assert.deepEqual(JSON.parse(all.body.toString()), { repositories: ['samples/app', 'samples/blobs/uploads'] })
      const first = await get('/v2/_catalog?n=1')
      assert.deepEqual(JSON.parse(first.body.toString()).repositories, ['samples/app'])
      assert.equal(first.headers['link'], '</v2/_catalog?n=1&last=samples%2Fapp>; rel="next"')
      const second = await get('/v2/_catalog?n=1&last=samples%2Fapp')
      assert.deepEqual(JSON.parse(second.body.toString()).repositories, ['samples/blobs/uploads'])
      assert.equal(second.headers['link'], undefined)
    })

    it('give no referrers, in the form of an index, where there are none', async () => {
      const answer = await get(`/v2/samples/unknown/referrers/${digestOf('x')}`)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['content-type'], mediaTypes.ociIndex)
      assert.deepEqual(JSON.parse(answer.body.toString()), {
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
        manifests: []
      })
      assert.equal(codeOf(await get('/v2/samples/app/referrers/nonsense')), 'DIGEST_INVALID')
    })

    it('give the referrers that a client wrote under the fallback tag', async () => {
      const entry = (artifactType: string) => {
        return {
          mediaType: mediaTypes.ociManifest,
          digest: digestOf(artifactType),
          size: 3,
          artifactType,
          annotations: { a: 'b' }
        }
      }
      const index = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [entry('sig'), entry('sbom')] })
      )
      const digest = await putBlob(storage, index)
      const repository = parseRepository('samples/signed')
      const subject = digestOf(manifest)
      await storage.index.apply([
        { kind: 'putManifest', repository, digest, mediaType: mediaTypes.ociIndex, size: index.length },
        { kind: 'setTag', repository, tag: parseTag(subject.replace(':', '-')), digest }
      ])
      const all = await get(`/v2/samples/signed/referrers/${subject}`)
      assert.deepEqual(JSON.parse(all.body.toString()).manifests, [entry('sig'), entry('sbom')])
      assert.equal(all.headers['oci-filters-applied'], undefined)
      const some = await get(`/v2/samples/signed/referrers/${subject}?artifactType=sbom`)
      assert.deepEqual(JSON.parse(some.body.toString()).manifests, [entry('sbom')])
      assert.equal(some.headers['oci-filters-applied'], 'artifactType')
      await storage.index.apply([{ kind: 'removeRepository', repository }])
    })
  })

  describe('pushes', () => {
    const writes = [
      ['POST', '/v2/samples/app/blobs/uploads/'],
      ['POST', '/v2/samples/app/blobs/uploads'],
      ['POST', `/v2/samples/app/blobs/uploads/?mount=${digestOf(layer)}&from=samples/x`],
      ['PATCH', '/v2/samples/app/blobs/uploads/some-id'],
      ['PUT', `/v2/samples/app/blobs/uploads/some-id?digest=${digestOf(layer)}`],
      ['GET', '/v2/samples/app/blobs/uploads/some-id'],
      ['DELETE', '/v2/samples/app/blobs/uploads/some-id'],
      ['PUT', '/v2/samples/app/manifests/1.0'],
      ['DELETE', '/v2/samples/app/manifests/1.0'],
      ['DELETE', `/v2/samples/app/blobs/${digestOf(layer)}`]
    ] as const

    it('are refused with the reason, whatever was pushed, and the connection goes on', async () => {
      for (const [method, path] of writes) {
        const answer = await send(
          method,
          path,
          { authorization: basic },
          method.startsWith('P') ? randomBytes(300_000) : undefined
        )
        assert.equal(answer.status, 405, `${method} ${path}`)
        assert.equal(codeOf(answer), 'UNSUPPORTED')
        assert.match(answer.body.toString(), /ReadOnly: push to its parent/)
        assert.equal(answer.headers['allow'], 'GET, HEAD')
        assert.notEqual(answer.headers['connection'], 'close')
        assert.equal((await get('/v2/')).status, 200)
      }
      mode = 'ReadWrite'
      assert.match((await send('POST', '/v2/samples/app/blobs/uploads/')).body.toString(), /serves pulls only/)
      assert.equal((await get('/v2/samples/app/manifests/1.0')).status, 200)
    })

    it('of strangers are asked for a login first', async () => {
      for (const [method, path] of writes) assert.equal((await send(method, path, {})).status, 401)
    })

    it('that wait for a word are refused before their body is sent', async () => {
      const sent = httpRequest({
        host: '127.0.0.1',
        port: portOf(server),
        method: 'PUT',
        path: '/v2/samples/app/manifests/1.0',
        headers: { authorization: basic, expect: '100-continue', 'content-length': '1000000' }
      })
      sent.on('continue', () => assert.fail('the body was asked for'))
      sent.flushHeaders()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      assert.equal(response.statusCode, 405)
      assert.equal(response.headers.connection, 'close')
      await buffer(response)
      sent.destroy()
    })

    it('to what can only be read are refused too', async () => {
      for (const path of [
        '/v2/',
        '/v2/_catalog',
        '/v2/samples/app/tags/list',
        `/v2/samples/app/referrers/${digestOf('x')}`
      ]) {
        const answer = await send('POST', path)
        assert.equal(answer.status, 405)
        assert.match(answer.body.toString(), /can only be read/)
      }
    })
  })

  describe('other paths', () => {
    it("below /v2 are 404 in the registry's form", async () => {
      for (const path of [
        '/v2/x',
        '/v2/samples/app',
        '/v2//',
        '/v2/samples/app/tags/list/',
        '/v2/samples/app/manifests/1.0/'
      ])
        assert.ok([400, 404].includes((await get(path)).status), path)
      assert.equal(codeOf(await get('/v2/samples/app')), 'NAME_UNKNOWN')
    })

    it('are left to other handlers, and what nobody knows is 404', async () => {
      assert.equal((await send('GET', '/healthz', {})).body.toString(), 'fine')
      for (const path of ['/', '/v2x', '/oauth2/exchange', '/acr/v1/_catalog']) {
        const answer = await get(path)
        assert.equal(answer.status, 404)
        codeOf(answer)
      }
    })

    it('that fail tell nothing of their insides', async () => {
      const answer = await get('/boom')
      assert.equal(answer.status, 500)
      assert.doesNotMatch(answer.body.toString(), /insides/)
      assert.match(lines.join(''), /secret insides/)
    })
  })

  it('answers 500 where storage fails, and says nothing of why', async () => {
    const broken = await start({
      content: {
        blobs: storage.blobs,
        index: { ...indexOf(storage), tag: () => Promise.reject(new Error('EIO: secret')) }
      }
    })
    const answer = await send(
      'GET',
      '/v2/samples/app/manifests/1.0',
      { authorization: basic },
      undefined,
      portOf(broken)
    )
    assert.equal(answer.status, 500)
    assert.equal(codeOf(answer), 'UNKNOWN')
    assert.doesNotMatch(answer.body.toString(), /EIO/)
    broken.close()
    broken.closeAllConnections()
  })

  it('ends the connection where the disk fails in the middle of a blob', async () => {
    const failing = await start({
      content: {
        index: storage.index,
        blobs: {
          ...blobsOf(storage),
          read: () =>
            Promise.resolve(
              Readable.from(
                (function* () {
                  yield bigLayer.subarray(0, 1000)
                  throw new Error('EIO')
                })()
              )
            )
        }
      }
    })
    const path = `/v2/samples/app/blobs/${digestOf(bigLayer)}`
    await assert.rejects(send('GET', path, { authorization: basic }, undefined, portOf(failing)), {
      code: /ECONNRESET|ERR_STREAM_PREMATURE_CLOSE/
    })
    assert.match(lines.join(''), /\[ERR\] reading content failed/)
    failing.close()
    failing.closeAllConnections()
  })

  describe('with skopeo', () => {
    const run = promisify(execFile)
    before(async function () {
      try {
        await run('skopeo', ['--version'])
      } catch {
        console.log('      skipped: skopeo is not installed')
        this.skip()
      }
    })

    it('is copied from, listed and inspected', async () => {
      const target = join(folder, 'copy')
      const image = `docker://127.0.0.1:${portOf(server)}/samples/app`
      const source = ['--src-tls-verify=false', '--src-creds', 'reader:secret']
      await run('skopeo', ['copy', ...source, `${image}:1.0`, `dir:${target}`])
      assert.ok((await readFile(join(target, 'manifest.json'))).equals(manifest))
      for (const bytes of [layer, bigLayer, config]) {
        const copied = await readFile(join(target, digestOf(bytes).replace('sha256:', '')))
        assert.ok(copied.equals(bytes))
      }
      const { stdout } = await run('skopeo', ['list-tags', '--tls-verify=false', '--creds', 'reader:secret', image])
      assert.deepEqual(JSON.parse(stdout).Tags, ['1.0', '1.1', '2.0', 'latest'])
      const refused = run('skopeo', [
        'copy',
        '--src-tls-verify=false',
        '--src-creds',
        'reader:no',
        `${image}:1.0`,
        `dir:${target}-refused`
      ])
      await assert.rejects(refused, /unauthorized|invalid username\/password|authentication required/i)
      const push = run('skopeo', [
        'copy',
        '--dest-tls-verify=false',
        '--dest-creds',
        'reader:secret',
        `dir:${target}`,
        `${image}:new`
      ])
      await assert.rejects(push, /ReadOnly|unsupported/i)
    })
  })
})

function withoutDate({ date: _date, ...headers }: IncomingHttpHeaders): IncomingHttpHeaders {
  return headers
}

/** The methods of a class instance, so that one of them can be replaced. */
function blobsOf({ blobs }: Storage): RegistryOptions['content']['blobs'] {
  return {
    size: (digest) => blobs.size(digest),
    read: (digest, range) => blobs.read(digest, range),
    bytes: (digest) => blobs.bytes(digest)
  }
}

function indexOf({ index }: Storage): RegistryOptions['content']['index'] {
  return {
    repositories: (page) => index.repositories(page),
    tags: (repository, page) => index.tags(repository, page),
    tag: (repository, tag) => index.tag(repository, tag),
    manifest: (repository, digest) => index.manifest(repository, digest),
    hasBlob: (repository, digest) => index.hasBlob(repository, digest)
  }
}
