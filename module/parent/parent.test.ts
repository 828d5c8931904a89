import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import https from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { LineLog } from '../log/log.ts'
import { digestOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import type { FetchedBlob } from './content.ts'
import { ParentError, type ParentErrorCode } from './errors.ts'
import { createParent, type Parent, type ParentOptions } from './parent.ts'

const repository = parseRepository('samples/web')
const tag = parseTag('1.0')
const manifestBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, layers: [] }))
const manifestDigest = digestOf(manifestBytes)
const blobBytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251))
const blobDigest = digestOf(blobBytes)

describe('parent: client', () => {
  const cleanUps: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })

  async function serve(listener: RequestListener, tls?: { cert: string; key: string }) {
    const requests: IncomingMessage[] = []
    const recorded: RequestListener = (request, response) => {
      requests.push(request)
      listener(request, response)
    }
    const server = tls === undefined ? http.createServer(recorded) : https.createServer(tls, recorded)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanUps.push(async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    })
    const { port } = server.address() as AddressInfo
    const lines = (): string[] => requests.map(({ method, url }) => `${method ?? ''} ${url ?? ''}`)
    return { requests, lines, port, origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, server }
  }

  function client(options: Partial<ParentOptions> & { origin: string }): Parent {
    const parent = createParent({
      tokenName: 'sync-token',
      password: 'pass word=',
      userAgent: 'causeway-test',
      log: new LineLog(() => undefined),
      timeouts: { connect: 5000, headers: 5000, bodyIdle: 5000 },
      ...options
    })
    cleanUps.push(() => parent.close())
    return parent
  }

  /** A registry with ACR's token flow; what it answers once it is satisfied is the test's. */
  async function registry(
    answer: (request: IncomingMessage, response: ServerResponse) => void,
    grant: (url: URL, given: number) => { status?: number; body?: object } = () => ({})
  ) {
    let given = 0
    const valid = new Set<string>()
    const site = await serve((request, response) => {
      const url = new URL(request.url ?? '', 'http://registry')
      if (url.pathname === '/oauth2/token') {
        const expected = `Basic ${Buffer.from('sync-token:pass word=').toString('base64')}`
        given += 1
        const { status = 200, body = { access_token: `token-${given}`, expires_in: 300 } } =
          request.headers.authorization === expected ? grant(url, given) : { status: 401, body: {} }
        valid.add(`Bearer token-${given}`)
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      } else if (!valid.has(request.headers.authorization ?? '')) {
        const scope = url.pathname === '/v2/' ? '' : ',scope="repository:samples/web:pull,metadata_read"'
        response
          .writeHead(401, {
            'www-authenticate': `Bearer realm="http://${request.headers.host ?? ''}/oauth2/token",service="registry.test"${scope}`
          })
          .end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')
      } else answer(request, response)
    })
    return { ...site, valid, tokensGiven: () => given }
  }

  const sendManifest = (_request: IncomingMessage, response: ServerResponse): void => {
    response
      .writeHead(200, { 'content-type': mediaTypes.ociManifest, 'docker-content-digest': manifestDigest })
      .end(manifestBytes)
  }

  async function fails(work: Promise<unknown>, code: ParentErrorCode, words: RegExp): Promise<ParentError> {
    const error = await work.then(
      () => assert.fail(`expected ${code}`),
      (cause: unknown) => cause
    )
    assert.ok(error instanceof ParentError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, words)
    assert.doesNotMatch(error.message, /pass word/)
    return error
  }

  async function collect(blob: FetchedBlob): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of blob.stream) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  describe('proving who asks', () => {
    it('answers a bearer challenge and keeps the token for the repository', async () => {
      const site = await registry(sendManifest)
      const parent = client(site)
      const head = await parent.head(repository, tag)
      assert.deepEqual(head, { digest: manifestDigest, mediaType: mediaTypes.ociManifest })
      const manifest = await parent.manifest(repository, manifestDigest)
      assert.deepEqual(manifest, { bytes: manifestBytes, mediaType: mediaTypes.ociManifest, digest: manifestDigest })
      assert.deepEqual(site.lines(), [
        'HEAD /v2/samples/web/manifests/1.0',
        'GET /oauth2/token?service=registry.test&scope=repository%3Asamples%2Fweb%3Apull%2Cmetadata_read',
        'HEAD /v2/samples/web/manifests/1.0',
        `GET /v2/samples/web/manifests/${manifestDigest}`
      ])
    })

    it('tells the parent the id of what it asks for, with each request, to the token endpoint too', async () => {
      const site = await registry((_request, response) => response.end('{"tags":["1.0"]}'))
      const parent = client(site)
      const list = async (asked: Parent): Promise<void> => {
        for await (const found of asked.tags(repository)) assert.equal(found, '1.0')
      }
      const ids = (): unknown[] => site.requests.map(({ headers }) => headers['x-ms-correlation-request-id'])
      await list(parent.correlated('pass-0001'))
      assert.deepEqual(ids(), ['pass-0001', 'pass-0001', 'pass-0001'])
      await list(parent.correlated('pass-0002'))
      assert.equal(ids().at(-1), 'pass-0002', 'over the same client, with the token that it holds')
      assert.equal(site.requests.length, 4)
      await list(parent)
      assert.equal(ids().at(-1), undefined)
    })

    it('renews a token that the parent takes no more, once', async () => {
      const site = await registry(sendManifest)
      const parent = client(site)
      await parent.head(repository, tag)
      site.valid.clear()
      await parent.head(repository, tag)
      assert.equal(site.tokensGiven(), 2)
    })

    it('renews before a token ends: by expires_in, by the JWT itself, and soon where neither says', async () => {
      const jwt = (life: number): string =>
        ['{}', JSON.stringify({ iat: 1_000_000, exp: 1_000_000 + life }), 'signature']
          .map((text) => Buffer.from(text).toString('base64url'))
          .join('.')
      for (const [body, tokens] of [
        [{ token: 'token-1', expires_in: 0.000_001 }, 2],
        [{ access_token: jwt(0.000_001) }, 2],
        [{ access_token: jwt(4500) }, 1],
        [{ token: 'opaque' }, 1]
      ] as const) {
        let given = 0
        const site = await serve((request, response) => {
          if (request.url?.startsWith('/token') === true) {
            given += 1
            response.end(JSON.stringify(body))
          } else if (request.headers.authorization === undefined)
            response.writeHead(401, { 'www-authenticate': 'Bearer realm="/token"' }).end()
          else sendManifest(request, response)
        })
        const parent = client(site)
        await parent.head(repository, tag)
        await parent.head(repository, tag)
        assert.equal(given, tokens, JSON.stringify(body))
      }
    })

    it('fetches one token for requests that come together', async () => {
      const site = await registry(sendManifest)
      const parent = client(site)
      await parent.check()
      const before = site.tokensGiven()
      await Promise.all(Array.from({ length: 5 }, () => parent.head(repository, tag)))
      assert.equal(site.tokensGiven() - before, 1)
    })

    it('says which token is refused', async () => {
      const site = await registry(sendManifest)
      const parent = client({ ...site, password: 'old' })
      await fails(parent.check(), 'PARENT_UNAUTHORIZED', /refuses token sync-token.*new password/)
      await fails(client({ ...site, tokenName: 'other' }).check(), 'PARENT_UNAUTHORIZED', /token other/)
    })

    it('tells rights that are missing from credentials that are wrong', async () => {
      const site = await registry((_request, response) => {
        response
          .writeHead(401, {
            'content-type': 'application/json',
            'www-authenticate': `Bearer realm="${site.origin}/oauth2/token",service="registry.test",scope="repository:samples/web:pull,metadata_read",error="insufficient_scope"`
          })
          .end('{"errors":[{"code":"UNAUTHORIZED","message":"no\\nrights"}]}')
      })
      const error = await fails(client(site).head(repository, tag), 'PARENT_DENIED', /sync-token read samples\/web:1.0/)
      assert.equal(error.transient, false)
      assert.equal(site.tokensGiven(), 1)
    })

    it('speaks Basic where that is asked for, and from then on at once', async () => {
      const expected = `Basic ${Buffer.from('sync-token:pass word=').toString('base64')}`
      const site = await serve((request, response) => {
        if (request.headers.authorization === expected) sendManifest(request, response)
        else response.writeHead(401, { 'www-authenticate': 'Basic realm="r", charset="UTF-8"' }).end()
      })
      const parent = client(site)
      await parent.head(repository, tag)
      await parent.head(repository, tag)
      assert.equal(site.requests.length, 3)
      await fails(client({ ...site, password: 'x' }).head(repository, tag), 'PARENT_UNAUTHORIZED', /refuses token/)
    })

    it('reads a parent that asks for nothing, without credentials', async () => {
      const site = await serve(sendManifest)
      const parent = createParent({ origin: site.origin, userAgent: 't', log: new LineLog(() => undefined) })
      cleanUps.push(() => parent.close())
      await parent.check()
      assert.equal(site.requests[0]?.headers.authorization, undefined)
    })

    it('sends no password in the clear to another host', async () => {
      const site = await serve((_request, response) => {
        response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://elsewhere.example/token"' }).end()
      })
      await fails(client(site).check(), 'PARENT_PROTOCOL', /in the clear \(elsewhere.example\)/)
    })
  })

  describe('manifests and tags', () => {
    it('refuses bytes that are not what their digest says', async () => {
      const site = await serve((_request, response) => {
        response
          .writeHead(200, { 'content-type': mediaTypes.ociManifest, 'docker-content-digest': manifestDigest })
          .end('{}')
      })
      await fails(client(site).manifest(repository, manifestDigest), 'PARENT_PROTOCOL', /other bytes/)
      await fails(client(site).manifest(repository, tag), 'PARENT_PROTOCOL', /other bytes/)
    })

    it('asks only for news where a digest is held', async () => {
      const site = await serve((request, response) => {
        if (request.headers['if-none-match'] === `"${manifestDigest}"`) response.writeHead(304).end()
        else sendManifest(request, response)
      })
      assert.equal((await client(site).head(repository, tag, { known: manifestDigest })).digest, manifestDigest)
      const other = `sha256:${'0'.repeat(64)}` as Digest
      assert.equal((await client(site).head(repository, tag, { known: other })).digest, manifestDigest)
    })

    it('gets the manifest where HEAD gives no digest', async () => {
      const site = await serve((_request, response) => {
        response.writeHead(200, { 'content-type': `${mediaTypes.ociManifest}; charset=utf-8` }).end(manifestBytes)
      })
      assert.equal((await client(site).head(repository, tag)).digest, manifestDigest)
    })

    it('follows the pages of a tag list', async () => {
      const site = await serve((request, response) => {
        const last = new URL(request.url ?? '', 'http://x').searchParams.get('last')
        if (last === null)
          response.setHeader('link', '</v2/samples/web/tags/list?n=2&last=b>; rel="next"').end('{"tags":["a","b"]}')
        else response.end('{"tags":["c","not a tag",7]}')
      })
      const tags: string[] = []
      for await (const found of client(site).tags(repository)) tags.push(found)
      assert.deepEqual(tags, ['a', 'b', 'c'])
    })

    /** Serves a list of tags from these pages, by number; asks for the first without one. */
    const pages = (page: (number: number, response: ServerResponse) => void) =>
      serve((request, response) =>
        page(Number(new URL(request.url ?? '', 'http://x').searchParams.get('page') ?? 1), response)
      )
    const list = '/v2/samples/web/tags/list'
    const tagsFrom = async (site: { origin: string }): Promise<string[]> => {
      const tags: string[] = []
      for await (const found of client(site).tags(repository)) tags.push(found)
      return tags
    }

    for (const link of [
      [`<${list}?page=1>; rel="prev", <${list}?page=2>; rel="next"`],
      [`<${list}?page=1>; rel="prev"`, `<${list}?page=2>; rel="next"`],
      [`<${list}?page=2>; title="a,b"; rel="next"`],
      ['<list?page=2>; rel = "last next"']
    ])
      it(`misses no page behind ${link.join(' and ')}`, async () => {
        const site = await pages((page, response) => {
          if (page === 1) response.setHeader('link', link)
          response.end(JSON.stringify({ tags: page === 1 ? ['a'] : ['b', 'c'] }))
        })
        assert.deepEqual(await tagsFrom(site), ['a', 'b', 'c'])
      })

    it('takes no list for whole whose next page is not there, or cannot be read', async () => {
      const lost = await pages((page, response) => {
        if (page === 1) response.setHeader('link', `<${list}?page=2>; rel="next"`).end('{"tags":["a"]}')
        else response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN"}]}')
      })
      await fails(tagsFrom(lost), 'PARENT_PROTOCOL', /does not have the next page of a list that it named itself/)
      const unreadable = await pages((_page, response) => response.setHeader('link', '<next').end('{"tags":["a"]}'))
      await fails(tagsFrom(unreadable), 'PARENT_PROTOCOL', /header Link/)
      const gone = await pages((_page, response) => response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN"}]}'))
      await fails(tagsFrom(gone), 'PARENT_NOT_FOUND', /has no tag list of samples\/web/)
    })

    it('does not follow pages in a circle, or for ever', async () => {
      for (const link of ['<>; rel="next"', '<#more>; rel="next"', `<${list}?n=500>; rel="next"`]) {
        const self = await pages((_page, response) => response.setHeader('link', link).end('{"tags":["a"]}'))
        await fails(tagsFrom(self), 'PARENT_PROTOCOL', /leads nowhere/)
        assert.equal(self.requests.length, 1)
      }
      const circle = await pages((page, response) =>
        response.setHeader('link', `<${list}?page=${page === 2 ? 3 : 2}>; rel="next"`).end('{"tags":["a"]}')
      )
      await fails(tagsFrom(circle), 'PARENT_PROTOCOL', /leads nowhere/)
      assert.equal(circle.requests.length, 3)
      const endless = await pages((page, response) =>
        response
          .setHeader('link', `<${list}?page=${page + 1}>; rel="next"`)
          .end(`{"tags":["a"]}${' '.repeat(15 << 20)}`)
      )
      await fails(tagsFrom(endless), 'PARENT_PROTOCOL', /a list of more than \d+ bytes on 3 pages, and goes on/)
    })

    it('takes a repository without tags, and no other answer for one', async () => {
      for (const none of ['{"name":"samples/web","tags":null}', '{"name":"samples/web"}', '{"tags":[]}']) {
        const empty = await serve((_request, response) => response.end(none))
        assert.equal((await client(empty).tags(repository).next()).done, true)
      }
      for (const other of [
        '{"login":"required"}',
        'null',
        '{"tags":null}',
        '<html>',
        '{"name":"NotFound","code":404}'
      ]) {
        const portal = await serve((_request, response) => response.end(other))
        await fails(client(portal).tags(repository).next(), 'PARENT_PROTOCOL', /tag list/)
      }
    })
  })

  describe('blobs', () => {
    const sendBlob = (request: IncomingMessage, response: ServerResponse): void => {
      const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]
      if (from === undefined) response.writeHead(200, { 'content-length': blobBytes.length }).end(blobBytes)
      else if (Number(from) >= blobBytes.length)
        response.writeHead(416, { 'content-range': `bytes */${blobBytes.length}` }).end()
      else
        response
          .writeHead(206, { 'content-range': `bytes ${from}-${blobBytes.length - 1}/${blobBytes.length}` })
          .end(blobBytes.subarray(Number(from)))
    }

    it('resumes at the byte', async () => {
      const parent = client(await registry(sendBlob))
      const rest = await parent.blob(repository, blobDigest, { offset: 60_000 })
      assert.deepEqual({ offset: rest.offset, size: rest.size }, { offset: 60_000, size: blobBytes.length })
      assert.deepEqual(await collect(rest), blobBytes.subarray(60_000))
    })

    it('tells when the parent begins anew: Range ignored, or beyond the end', async () => {
      const ignoring = await serve((_request, response) => response.end(blobBytes))
      const whole = await client(ignoring).blob(repository, blobDigest, { offset: 60_000 })
      assert.equal(whole.offset, 0)
      assert.deepEqual(await collect(whole), blobBytes)
      const beyond = await client(await serve(sendBlob)).blob(repository, blobDigest, { offset: 200_000 })
      assert.equal(beyond.offset, 0)
      assert.deepEqual(await collect(beyond), blobBytes)
    })

    for (const [what, headers] of [
      ['no Content-Range', {}],
      ['several ranges', { 'content-type': 'multipart/byteranges; boundary=x' }],
      ['a range that begins later', { 'content-range': 'bytes 60001-99999/100000' }]
    ] as const)
      it(`takes the whole from a parent that answers ${what} to Range`, async () => {
        const site = await serve((request, response) => {
          if (request.headers.range === undefined) sendBlob(request, response)
          else response.writeHead(206, headers).end(blobBytes.subarray(60_000))
        })
        const whole = await client(site).blob(repository, blobDigest, { offset: 60_000 })
        assert.equal(whole.offset, 0)
        assert.deepEqual(await collect(whole), blobBytes)
        assert.equal(site.requests.length, 2)
      })

    it('tells what the bytes are packed with, where they are', async () => {
      for (const [said, encoding] of [
        ['gzip', 'gzip'],
        ['identity', undefined],
        ['GZip, <br>', 'gzip   br']
      ] as const) {
        const site = await serve((_request, response) => response.setHeader('content-encoding', said).end('bytes'))
        const blob = await client(site).blob(repository, blobDigest)
        assert.equal(blob.encoding, encoding)
        assert.equal((await collect(blob)).toString(), 'bytes')
      }
    })

    it('takes a range that begins before what was asked for', async () => {
      const site = await serve((_request, response) => {
        response.writeHead(206, { 'content-range': 'bytes 57344-99999/100000' }).end(blobBytes.subarray(57_344))
      })
      const rest = await client(site).blob(repository, blobDigest, { offset: 60_000 })
      assert.deepEqual([rest.offset, rest.size], [57_344, 100_000])
      assert.deepEqual(await collect(rest), blobBytes.subarray(57_344))
    })

    it('follows to another origin with Range and without Authorization', async () => {
      const store = await serve(sendBlob)
      const site = await registry((_request, response) => {
        response.writeHead(307, { location: `${store.origin}/data?sig=abc` }).end()
      })
      const blob = await client(site).blob(repository, blobDigest, { offset: 99_990 })
      assert.deepEqual(await collect(blob), blobBytes.subarray(99_990))
      assert.deepEqual(store.lines(), ['GET /data?sig=abc'])
      assert.equal(store.requests[0]?.headers.authorization, undefined)
      assert.equal(store.requests[0]?.headers.range, 'bytes=99990-')
      assert.match(site.requests.at(-1)?.headers.authorization ?? '', /^Bearer /)
    })

    it('asks the parent again where a link has ended, and gives up on a store that takes none', async () => {
      let links = 0
      const store = await serve((request, response) => {
        if (request.url === '/link-2') sendBlob(request, response)
        else response.writeHead(403).end('<Error>AuthenticationFailed</Error>')
      })
      const site = await serve((_request, response) => {
        links += 1
        response.writeHead(302, { location: `${store.origin}/link-${links}` }).end()
      })
      assert.deepEqual(await collect(await client(site).blob(repository, blobDigest)), blobBytes)
      links = 10
      await fails(client(site).blob(repository, blobDigest), 'PARENT_FAILED', /answers 403.*clock/)
      assert.equal(links, 13)
    })

    it('does not follow in circles', async () => {
      const site = await serve((request, response) => response.writeHead(302, { location: request.url }).end())
      await fails(client(site).blob(repository, blobDigest), 'PARENT_PROTOCOL', /redirects more than/)
    })

    it('reports a body that breaks off, after giving what came', async () => {
      const site = await serve((_request, response) => {
        response.writeHead(200, { 'content-length': blobBytes.length })
        response.write(blobBytes.subarray(0, 50_000), () => response.destroy())
      })
      const blob = await client(site).blob(repository, blobDigest)
      let received = 0
      const error = await fails(
        (async () => {
          for await (const chunk of blob.stream) received += chunk.length
        })(),
        'PARENT_UNREACHABLE',
        /connection broke/
      )
      assert.equal(received, 50_000)
      assert.equal(error.transient, true)
    })

    it('ends a stalled body and an answer that never comes, by time', async () => {
      // One is short at a time: what is not meant to run out does not on a slow machine either.
      const timeouts = { connect: 10_000, headers: 10_000, bodyIdle: 10_000 }
      const silent = await serve(() => undefined)
      await fails(
        client({ ...silent, timeouts: { ...timeouts, headers: 100 } }).check(),
        'PARENT_UNREACHABLE',
        /no answer in time/
      )
      const stalling = await serve((_request, response) => {
        response.writeHead(200, { 'content-length': 10 }).write('abc')
      })
      const blob = await client({ ...stalling, timeouts: { ...timeouts, bodyIdle: 100 } }).blob(repository, blobDigest)
      await fails(collect(blob), 'PARENT_UNREACHABLE', /stopped half way/)
    })

    it('stops with the reason of the signal', async () => {
      const site = await serve((_request, response) => {
        response.writeHead(200, { 'content-length': 10 }).write('abc')
      })
      const controller = new AbortController()
      const blob = await client(site).blob(repository, blobDigest, { signal: controller.signal })
      const reason = new Error('settings changed')
      const read = collect(blob)
      controller.abort(reason)
      await assert.rejects(read, (error) => error === reason)
      await assert.rejects(client(site).check(controller.signal), (error) => error === reason)
    })
  })

  describe('refusals', () => {
    for (const [status, headers, code, seconds] of [
      [429, { 'retry-after': '7' }, 'PARENT_THROTTLED', 7],
      [429, {}, 'PARENT_THROTTLED', undefined],
      [503, { 'retry-after': new Date(Date.now() - 1000).toUTCString() }, 'PARENT_FAILED', 0],
      [500, {}, 'PARENT_FAILED', undefined],
      [404, { 'docker-distribution-api-version': 'registry/2.0' }, 'PARENT_NOT_FOUND', undefined],
      [404, {}, 'PARENT_PROTOCOL', undefined],
      [403, {}, 'PARENT_DENIED', undefined],
      [418, {}, 'PARENT_PROTOCOL', undefined]
    ] as const)
      it(`reads ${status} ${JSON.stringify(headers)} as ${code}`, async () => {
        const site = await serve((_request, response) => {
          response
            .writeHead(status, { ...headers, 'content-type': 'application/json' })
            .end('{"errors":[{"code":"X","message":"client with IP 192.0.2.1 is not allowed"}]}')
        })
        const error = await fails(client(site).manifest(repository, tag), code, /samples\/web:1.0|less often/)
        assert.equal(error.retryAfterSeconds, seconds)
        assert.match(error.message, /192\.0\.2\.1/)
      })

    const mark = { 'docker-distribution-api-version': 'registry/2.0' }
    for (const [whose, headers, body] of [
      ['ACR or distribution', mark, '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}'],
      ['a registry that marks its answers', mark, ''],
      ['a Causeway', { 'causeway-lineage': '0'.repeat(32) }, ''],
      ['Quay', { 'content-type': 'application/json' }, '{"errors":[{"code":"NAME_UNKNOWN"}]}'],
      ['go-containerregistry', {}, '{"errors":[{"code":"NAME_UNKNOWN","message":"Unknown name"}]}\n'],
      ['Harbor', { 'content-type': 'application/json' }, '{"errors":[{"code":"NOT_FOUND","message":"not found"}]}\n']
    ] as const)
      it(`takes the word of ${whose} for what is not there, to HEAD and to GET`, async () => {
        const site = await serve((_request, response) => response.writeHead(404, headers).end(body))
        const parent = client(site)
        await fails(parent.head(repository, tag), 'PARENT_NOT_FOUND', /has no samples\/web:1.0/)
        await fails(parent.manifest(repository, tag), 'PARENT_NOT_FOUND', /has no samples\/web:1.0/)
        await fails(parent.tags(repository).next(), 'PARENT_NOT_FOUND', /has no tag list/)
      })

    for (const [whose, headers, body] of [
      ['nginx', { server: 'nginx', 'content-type': 'text/html' }, '<h1>404 Not Found</h1>'],
      ["nginx by Docker's recipe", { ...mark, 'content-type': 'text/html' }, '<h1>404 Not Found</h1>'],
      ['a gateway', { 'content-type': 'application/json' }, '{"message":"no Route matched with those values"}'],
      ['a firewall', { 'content-type': 'application/json' }, '{"errors":[{"code":7003,"message":"no route"}]}'],
      ['something', {}, '']
    ] as const)
      it(`takes no word of ${whose} for what is not there`, async () => {
        const site = await serve((_request, response) => response.writeHead(404, headers).end(body))
        const parent = client(site)
        for (const asking of [
          () => parent.head(repository, tag),
          () => parent.manifest(repository, tag),
          () => parent.tags(repository).next(),
          () => parent.check()
        ])
          await fails(asking(), 'PARENT_PROTOCOL', /answers 404 .*as no registry does.*check the parent's endpoint/)
      })

    it('repeats nothing of what it was asked with, whatever the answer repeats of it', async () => {
      const basic = Buffer.from('sync-token:pass word=').toString('base64')
      const other = { tokenName: 'other-token', password: 'another-password' }
      const padding = 'x'.repeat(190)
      const echo = (text: string) => (_request: unknown, response: ServerResponse) =>
        response.writeHead(500).end(JSON.stringify({ errors: [{ code: 'UNKNOWN', message: text }] }))
      for (const text of [
        'pass word=',
        basic,
        'token-1',
        other.password,
        'Bearer abcdefghijkl',
        `${padding}pass word=`
      ]) {
        const site = await registry(echo(`got ${text}`))
        const error = await fails(
          client({ ...site, otherCredentials: other }).manifest(repository, tag),
          'PARENT_FAILED',
          /: "got .*\[hid/
        )
        assert.ok(!error.message.includes(text.replace(/^(x+|Bearer )/, '').slice(0, 5)), error.message)
      }
    })

    it('takes no missing token endpoint for a missing image', async () => {
      const body = { errors: [{ code: 'NAME_UNKNOWN' }] }
      const site = await registry(sendManifest, () => ({ status: 404, body }))
      await fails(client(site).head(repository, tag), 'PARENT_PROTOCOL', /no token endpoint at \/oauth2\/token/)
    })

    it('knows a web page for no registry', async () => {
      const portal = await serve((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end())
      await fails(client(portal).check(), 'PARENT_PROTOCOL', /a web page at \/v2\/: check the parent's endpoint/)
    })

    for (const isAllHere of [true, false])
      it(`refuses another range than asked for, ${isAllHere ? 'all of it here' : 'most of it still to come'}`, async () => {
        const site = await serve((_request, response) => {
          response.writeHead(206, { 'content-range': 'bytes 60-99/100', 'content-length': 40 })
          if (isAllHere) response.end(blobBytes.subarray(60, 100))
          else response.write(blobBytes.subarray(60, 70))
        })
        const timeouts = { connect: 10_000, headers: 10_000, bodyIdle: 100 }
        // A body that is thrown away in the wrong way throws later, and at nobody.
        await fails(
          client({ ...site, timeouts }).blob(repository, blobDigest, { offset: 50 }),
          'PARENT_PROTOCOL',
          /another range/
        )
        assert.deepEqual(
          site.requests.map(({ headers }) => headers.range),
          ['bytes=50-', undefined]
        )
        for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      })

    it('knows a web page for no blob, before a byte of it is taken', async () => {
      const portal = await serve((_request, response) =>
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<h1>Please sign in</h1>')
      )
      await fails(client(portal).blob(repository, blobDigest, { offset: 60_000 }), 'PARENT_PROTOCOL', /a web page/)
    })

    it('knows what is no manifest, by HEAD too', async () => {
      for (const page of ['<html>Please sign in</html>', '{"login":"required"}']) {
        const portal = await serve((_request, response) => response.end(page))
        await fails(client(portal).head(repository, tag), 'PARENT_PROTOCOL', /no manifest: check the parent's endpoint/)
        await fails(client(portal).manifest(repository, tag), 'PARENT_PROTOCOL', /no manifest/)
      }
    })

    it('says that nothing listens', async () => {
      const closed = http.createServer().listen(0, '127.0.0.1')
      await once(closed, 'listening')
      const { port } = closed.address() as AddressInfo
      closed.close()
      await once(closed, 'close')
      const parent = client({ origin: `http://127.0.0.1:${port}` })
      await fails(parent.check(), 'PARENT_UNREACHABLE', /ECONNREFUSED: nothing listens/)
    })

    it('refuses an origin that is none', () => {
      assert.throws(() => client({ origin: 'example.azurecr.io' }), { code: 'PARENT_PROTOCOL' })
    })
  })

  describe('trust and proxies', () => {
    let authority: CertificateAuthority
    before(async () => {
      authority = await CertificateAuthority.create()
    })

    /** A proxy that leads every name to one port, and writes down who asked for what. */
    async function proxy(port: number, password?: string) {
      const asked: string[] = []
      const sockets = new Set<Socket>()
      const site = await serve((request, response) => {
        asked.push(`${request.method ?? ''} ${request.url ?? ''}`)
        sendManifest(request, response)
      })
      site.server.on('connect', (request: IncomingMessage, client: Socket) => {
        asked.push(`CONNECT ${request.url ?? ''}`)
        const expected = `Basic ${Buffer.from(`proxy user:${password ?? ''}`).toString('base64')}`
        if (password !== undefined && request.headers['proxy-authorization'] !== expected) {
          client.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n')
          return
        }
        const upstream = connect(port, '127.0.0.1', () => {
          client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
          upstream.pipe(client).pipe(upstream)
        })
        for (const socket of [client, upstream]) {
          sockets.add(socket)
          socket.on('error', () => undefined)
        }
      })
      cleanUps.push(() => {
        for (const socket of sockets) socket.destroy()
        return Promise.resolve()
      })
      return { asked, port: site.port, url: site.origin }
    }

    it('trusts what it is given and says so where it does not', async () => {
      const site = await serve(sendManifest, await authority.issue(['127.0.0.1']))
      await client({ ...site, extraCertificates: authority.certificate }).check()
      const error = await fails(client(site).check(), 'PARENT_UNTRUSTED', /not trusted.*trust bundle/)
      assert.equal(error.transient, false)
    })

    it('names a certificate for another name', async () => {
      const site = await serve(sendManifest, await authority.issue(['other.example']))
      const parent = client({ ...site, extraCertificates: authority.certificate })
      await fails(parent.check(), 'PARENT_UNTRUSTED', /for another name/)
    })

    it('goes through a proxy with CONNECT and Basic credentials', async () => {
      const site = await serve(sendManifest, await authority.issue(['example.azurecr.test']))
      const { asked, port } = await proxy(site.port, 'p@ss:word')
      const parent = client({
        origin: 'https://example.azurecr.test',
        extraCertificates: authority.certificate,
        environment: { HTTPS_PROXY: `http://proxy%20user:p%40ss%3Aword@127.0.0.1:${port}` }
      })
      await parent.check()
      assert.deepEqual(asked, ['CONNECT example.azurecr.test:443'])
      assert.equal(site.requests[0]?.headers['proxy-authorization'], undefined)
    })

    it('goes through it with credentials to where the parent redirects too, and shows those to nobody behind it', async () => {
      const site = await serve(
        (request, response) => {
          if (request.headers.host === 'store.azurecr.test') response.end(blobBytes)
          else response.writeHead(307, { location: 'https://store.azurecr.test/data' }).end()
        },
        await authority.issue(['example.azurecr.test', 'store.azurecr.test'])
      )
      const { asked, port } = await proxy(site.port, 'p@ss:word')
      const parent = client({
        origin: 'https://example.azurecr.test',
        extraCertificates: authority.certificate,
        environment: { https_proxy: `http://proxy%20user:p%40ss%3Aword@127.0.0.1:${port}` }
      })
      assert.deepEqual(await collect(await parent.blob(repository, blobDigest)), blobBytes)
      assert.deepEqual(asked, ['CONNECT example.azurecr.test:443', 'CONNECT store.azurecr.test:443'])
      for (const { headers } of site.requests) assert.equal(headers['proxy-authorization'], undefined)
    })

    it('says that the proxy refuses', async () => {
      const { port } = await proxy(1, 'right')
      const parent = client({
        origin: 'https://example.azurecr.test',
        environment: { https_proxy: `http://proxy%20user:wrong@127.0.0.1:${port}` }
      })
      await fails(parent.check(), 'PARENT_UNREACHABLE', /proxy asks for credentials/)
    })

    it('goes direct to hosts in no_proxy, by name, port and all', async () => {
      const site = await serve(sendManifest, await authority.issue(['127.0.0.1', 'localhost']))
      const { asked, url } = await proxy(site.port)
      const through = async (noProxy: string): Promise<number> => {
        asked.length = 0
        const parent = client({
          ...site,
          extraCertificates: authority.certificate,
          environment: { https_proxy: url, no_proxy: noProxy }
        })
        await parent.check()
        return asked.length
      }
      assert.equal(await through(''), 1)
      assert.equal(await through('example.com, 127.0.0.1'), 0)
      assert.equal(await through(`127.0.0.1:${site.port}`), 0)
      assert.equal(await through('127.0.0.1:1'), 1)
      assert.equal(await through('*'), 0)
    })

    it('sends plain http to http_proxy as an ordinary request, and never to https_proxy', async () => {
      const site = await serve(sendManifest)
      const { asked, url } = await proxy(site.port)
      await client({ ...site, environment: { https_proxy: url } }).check()
      assert.deepEqual(asked, [])
      await client({ origin: 'http://gateway.test:8000', environment: { http_proxy: url } }).check()
      assert.deepEqual(asked, ['GET http://gateway.test:8000/v2/'])
    })

    it('says that a proxy for plain http wants credentials', async () => {
      const site = await serve((_request, response) => response.writeHead(407).end())
      const parent = client({ origin: 'http://gateway.test:8000', environment: { http_proxy: site.origin } })
      await fails(parent.check(), 'PARENT_UNREACHABLE', /asks for credentials \(407\)/)
    })

    it('says which variable is wrong, without its value', async () => {
      const parent = client({ origin: 'https://example.test', environment: { https_proxy: 'socks://u:pass word@h' } })
      await fails(parent.check(), 'PARENT_UNREACHABLE', /https_proxy cannot be used/)
    })
  })
})
