import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { digestOf, type Digest } from '../oci/digest.ts'
import { parseRepository } from '../oci/name.ts'
import { StorageError } from '../storage/errors.ts'
import { putBlob } from '../storage/contract.ts'
import { app, basic, blobsOf, codeOf, lastingHeaders, portOf, useWorld, writer, type Answer } from './world.test.ts'

const uploads = '/v2/samples/new/blobs/uploads/'

describe('registry: pushing blobs', () => {
  const world = useWorld()
  beforeEach(() => (world.mode = 'ReadWrite'))

  async function begin(query = ''): Promise<string> {
    const answer = await world.push('POST', `${uploads}${query}`)
    assert.equal(answer.status, 202)
    assert.equal(answer.headers['content-length'], '0')
    assert.equal(answer.headers['range'], '0-0')
    const id = String(answer.headers['docker-upload-uuid'])
    assert.equal(answer.headers['location'], uploads + id)
    return uploads + id
  }

  async function isServed(digest: Digest, bytes: Buffer, repository = 'samples/new'): Promise<void> {
    const answer = await world.get(`/v2/${repository}/blobs/${digest}`)
    assert.equal(answer.status, 200)
    assert.ok(answer.body.equals(bytes))
    assert.equal(answer.headers['docker-content-digest'], digest)
  }

  function isCreated(answer: Answer, digest: Digest): void {
    assert.equal(answer.status, 201, answer.body.toString())
    assert.equal(answer.headers['location'], `/v2/samples/new/blobs/${digest}`)
    assert.equal(answer.headers['docker-content-digest'], digest)
  }

  const chunk = (bytes: Buffer, first: number, last: number, method = 'PATCH', path = ''): Promise<Answer> =>
    world.push(method, path, bytes.subarray(first, last + 1), { 'content-range': `${first}-${last}` })

  for (const algorithm of ['sha256', 'sha512'] as const)
    describe(algorithm, () => {
      it('takes a blob in one POST, also an empty one', async () => {
        for (const bytes of [randomBytes(1000), randomBytes(2_000_000), Buffer.alloc(0)]) {
          const digest = digestOf(bytes, algorithm)
          isCreated(await world.push('POST', `${uploads}?digest=${digest}`, bytes), digest)
          await isServed(digest, bytes)
        }
      })

      it('takes a blob by POST and PUT, and says that it has it', async () => {
        const bytes = randomBytes(700_000)
        const digest = digestOf(bytes, algorithm)
        const location = await begin(`?digest-algorithm=${algorithm}`)
        assert.equal((await world.get(`/v2/samples/new/blobs/${digest}`)).status, 404)
        isCreated(await world.push('PUT', `${location}?digest=${digest.replace(':', '%3A')}`, bytes), digest)
        await isServed(digest, bytes)
        assert.equal(codeOf(await world.push('GET', location)), 'BLOB_UPLOAD_UNKNOWN')
      })

      it('takes a blob in chunks, the last of them with PATCH or with PUT', async () => {
        for (const closing of ['PATCH', 'PUT']) {
          const bytes = randomBytes(3000)
          const digest = digestOf(bytes, algorithm)
          const location = await begin()
          for (const [first, last] of [
            [0, 999],
            [1000, 1999]
          ] as const) {
            const answer = await chunk(bytes, first, last, 'PATCH', location)
            assert.equal(answer.status, 202)
            assert.equal(answer.headers['range'], `0-${last}`)
            assert.equal(answer.headers['location'], location)
          }
          const finish = `${location}?digest=${digest}`
          if (closing === 'PUT') isCreated(await chunk(bytes, 2000, 2999, 'PUT', finish), digest)
          else {
            assert.equal((await chunk(bytes, 2000, 2999, 'PATCH', location)).status, 202)
            isCreated(await world.push('PUT', finish), digest)
          }
          await isServed(digest, bytes)
        }
      })

      it('takes a stream that says neither its length nor its place, as docker sends it', async () => {
        const bytes = randomBytes(1_500_000)
        const digest = digestOf(bytes, algorithm)
        const location = await begin()
        const answer = await world.push('PATCH', location, bytes, { 'transfer-encoding': 'chunked' })
        assert.equal(answer.status, 202)
        assert.equal(answer.headers['range'], `0-${bytes.length - 1}`)
        isCreated(await world.push('PUT', `${location}?digest=${digest}`), digest)
        await isServed(digest, bytes)
      })

      it('refuses bytes that are others, however they came', async () => {
        const bytes = randomBytes(5000)
        const digest = digestOf(randomBytes(5), algorithm)
        assert.equal(codeOf(await world.push('POST', `${uploads}?digest=${digest}`, bytes)), 'DIGEST_INVALID')
        assert.equal(codeOf(await world.push('PUT', `${await begin()}?digest=${digest}`, bytes)), 'DIGEST_INVALID')
        const location = await begin()
        await world.push('PATCH', location, bytes)
        const answer = await world.push('PUT', `${location}?digest=${digest}`)
        assert.equal(answer.status, 400)
        assert.equal(codeOf(answer), 'DIGEST_INVALID')
        assert.equal((await world.get(`/v2/samples/new/blobs/${digest}`)).status, 404)
      })
    })

  it('refuses a chunk out of order, tells where to go on, and goes on', async () => {
    const bytes = randomBytes(3000)
    const digest = digestOf(bytes)
    const location = await begin()
    const early = await chunk(bytes, 1000, 1999, 'PATCH', location)
    assert.equal(early.status, 416)
    await chunk(bytes, 0, 999, 'PATCH', location)
    for (const [method, first, last] of [
      ['PATCH', 2000, 2999],
      ['PATCH', 0, 999],
      ['PUT', 2000, 2999]
    ] as const) {
      const path = method === 'PUT' ? `${location}?digest=${digest}` : location
      const answer = await chunk(bytes, first, last, method, path)
      assert.equal(answer.status, 416)
      assert.equal(codeOf(answer), 'RANGE_INVALID')
      assert.equal(answer.headers['range'], '0-999')
      assert.equal(answer.headers['location'], location)
      const status = await world.push('GET', location)
      assert.equal(status.status, 204)
      assert.equal(status.headers['range'], '0-999')
      assert.equal(status.headers['location'], location)
      assert.equal(status.headers['content-length'], undefined)
    }
    isCreated(await chunk(bytes, 1000, 2999, 'PUT', `${location}?digest=${digest}`), digest)
    await isServed(digest, bytes)
  })

  it('reads ranges as some clients write them, and refuses what is none', async () => {
    const location = await begin()
    const send = (range: string, body: string): Promise<Answer> =>
      world.push('PATCH', location, body, { 'content-range': range })
    assert.equal((await send('bytes 0-1/*', 'ab')).headers['range'], '0-1')
    assert.equal((await send('bytes=2-3/4', 'cd')).headers['range'], '0-3')
    for (const range of ['x', '4', '4-', '5-4', '-1-4', 'items 4-5'])
      assert.equal(codeOf(await send(range, 'ef')), 'BLOB_UPLOAD_INVALID', range)
    assert.equal(codeOf(await send('4-9', 'ef')), 'SIZE_INVALID')
    assert.equal((await world.push('GET', location)).headers['range'], '0-3')
  })

  it('cancels an upload', async () => {
    const location = await begin()
    await world.push('PATCH', location, randomBytes(100))
    assert.equal((await world.push('DELETE', location)).status, 204)
    for (const method of ['GET', 'PATCH', 'DELETE'])
      assert.equal(codeOf(await world.push(method, location)), 'BLOB_UPLOAD_UNKNOWN')
  })

  it('knows nothing of uploads that nobody began, nor by any other repository', async () => {
    const digest = digestOf('x')
    const strange = [`${uploads}../../etc/passwd`, `${uploads}x`, `${uploads}00000000-0000-4000-8000-000000000000`]
    const elsewhere = (await begin()).replace('samples/new', 'samples/other')
    for (const path of [...strange.slice(1), elsewhere]) {
      assert.equal(codeOf(await world.push('GET', path)), 'BLOB_UPLOAD_UNKNOWN')
      assert.equal(codeOf(await world.push('PATCH', path, 'x')), 'BLOB_UPLOAD_UNKNOWN')
      assert.equal(codeOf(await world.push('PUT', `${path}?digest=${digest}`, 'x')), 'BLOB_UPLOAD_UNKNOWN')
    }
    assert.equal((await world.push('GET', strange[0]!)).status, 404)
  })

  it('refuses what a digest parameter cannot be, and goes on with the upload', async () => {
    const location = await begin()
    await world.push('PATCH', location, 'hello')
    for (const query of ['', '?digest=', '?digest=sha256:x', '?digest=md5:0123'])
      assert.equal(codeOf(await world.push('PUT', location + query, ' you')), 'DIGEST_INVALID')
    assert.equal(codeOf(await world.push('POST', `${uploads}?digest=nonsense`, 'x')), 'DIGEST_INVALID')
    assert.equal(codeOf(await world.push('POST', `${uploads}?mount=nonsense`)), 'DIGEST_INVALID')
    assert.equal(codeOf(await world.push('POST', `${uploads}?digest-algorithm=md5`)), 'DIGEST_INVALID')
    isCreated(await world.push('PUT', `${location}?digest=${digestOf('hello')}`), digestOf('hello'))
  })

  it('takes the same blob from many at once', async () => {
    const bytes = randomBytes(400_000)
    const digest = digestOf(bytes)
    const pushes = Array.from({ length: 8 }, async () => {
      const response = await fetch(`http://127.0.0.1:${portOf(world.server)}${uploads}?digest=${digest}`, {
        method: 'POST',
        headers: { authorization: writer },
        body: bytes
      })
      return response.status
    })
    assert.deepEqual(
      await Promise.all(pushes),
      Array.from({ length: 8 }, () => 201)
    )
    await isServed(digest, bytes)
  })

  it('goes on after a restart where it stopped, at the same address', async () => {
    const bytes = randomBytes(900_000)
    const digest = digestOf(bytes, 'sha512')
    const location = await begin('?digest-algorithm=sha512')
    await chunk(bytes, 0, 599_999, 'PATCH', location)
    await world.restart()
    const status = await world.push('GET', location)
    assert.equal(status.status, 204)
    assert.equal(status.headers['range'], '0-599999')
    isCreated(await chunk(bytes, 600_000, 899_999, 'PUT', `${location}?digest=${digest}`), digest)
    await world.restart()
    await isServed(digest, bytes)
  })

  describe('when a connection breaks', () => {
    /** A PATCH that sends some of its body. */
    function sendPart(location: string, bytes: Buffer, length = bytes.length * 2): ClientRequest {
      const sent = httpRequest({
        host: '127.0.0.1',
        port: portOf(world.server),
        method: 'PATCH',
        path: location,
        headers: { authorization: writer, 'content-length': length }
      })
      sent.on('error', () => undefined)
      sent.write(bytes)
      return sent
    }

    /** Where an upload goes on, once it has more than `least` bytes. */
    async function offset(location: string, least: number): Promise<number> {
      for (let look = 0; look < 1000; look++) {
        const { headers } = await world.push('GET', location)
        const next = Number(/^0-(\d+)$/.exec(String(headers['range']))?.[1]) + 1
        if (next > least) return next
      }
      throw new Error('the bytes did not arrive')
    }

    /** As a client does: bytes that were still on their way when it asked move the end, and the refusal says where it is. */
    async function goOn(bytes: Buffer, next: number, location: string): Promise<Answer> {
      const answer = await chunk(bytes, next, bytes.length - 1, 'PUT', `${location}?digest=${digestOf(bytes)}`)
      const last = /^0-(\d+)$/.exec(String(answer.headers['range']))?.[1]
      if (answer.status !== 416 || last === undefined) return answer
      assert.ok(Number(last) >= next, 'a refusal for a chunk that begins at the end')
      return goOn(bytes, Number(last) + 1, location)
    }

    it('keeps what came, and goes on from there', async () => {
      const bytes = randomBytes(300_000)
      const location = await begin()
      const sent = sendPart(location, bytes.subarray(0, 200_000))
      // What the kernel took is the registry's, however the connection ends.
      await new Promise((resolve) => sent.once('drain', resolve))
      sent.destroy()
      const next = await offset(location, 1)
      isCreated(await goOn(bytes, next, location), digestOf(bytes))
      await isServed(digestOf(bytes), bytes)
    })

    it('lets a client that comes again take over from its own stalled request', async () => {
      const bytes = randomBytes(1_000_000)
      const location = await begin()
      const stalled = sendPart(location, bytes.subarray(0, 700_000), 10_000_000)
      const refused = once(stalled, 'response') as Promise<[IncomingMessage]>
      const next = await offset(location, 500_000)
      isCreated(await goOn(bytes, next, location), digestOf(bytes))
      const [response] = await refused
      assert.equal(response.statusCode, 400)
      assert.match((await buffer(response)).toString(), /another request went on/)
      stalled.destroy()
      await isServed(digestOf(bytes), bytes)
    })
  })

  describe('mounts', () => {
    const mount = (digest: Digest, from?: string): Promise<Answer> =>
      world.push(
        'POST',
        `/v2/samples/mounted/blobs/uploads/?mount=${digest}${from === undefined ? '' : `&from=${from}`}`
      )

    async function hold(repository: string): Promise<{ readonly digest: Digest; readonly bytes: Buffer }> {
      const bytes = randomBytes(64)
      const digest = await putBlob(world.storage, bytes)
      await world.storage.index.apply([{ kind: 'linkBlob', repository: parseRepository(repository), digest }])
      return { digest, bytes }
    }

    it('a blob that the caller may pull somewhere, whether they say where or not', async () => {
      for (const from of ['samples/app', undefined, 'samples/wrong', 'Not A Name']) {
        const { digest, bytes } = await hold(app)
        const answer = await mount(digest, from === undefined ? from : encodeURIComponent(from))
        assert.equal(answer.status, 201)
        assert.equal(answer.headers['location'], `/v2/samples/mounted/blobs/${digest}`)
        assert.equal(answer.headers['docker-content-digest'], digest)
        await isServed(digest, bytes, 'samples/mounted')
      }
    })

    it('also with a bearer token, which was asked for the target alone', async () => {
      const { digest } = await hold(app)
      const scope = encodeURIComponent('repository:samples/mounted:pull,push')
      const { body } = await world.token(`service=x&scope=${scope}`, writer)
      const authorization = `Bearer ${JSON.parse(body.toString()).access_token as string}`
      const path = `/v2/samples/mounted/blobs/uploads/?mount=${digest}`
      assert.equal((await world.send('POST', path, { authorization })).status, 201)
    })

    it('begins an upload for one the caller may not pull, exactly as for one that is absent', async () => {
      const secret = await hold('private/app')
      const withoutTraces = ({ headers, ...answer }: Answer): unknown => {
        const { location, 'docker-upload-uuid': id, ...rest } = lastingHeaders(headers)
        return { ...answer, headers: { ...rest, location: location?.replace(String(id), 'ID') } }
      }
      for (const from of ['private/app', undefined]) {
        const hidden = await mount(secret.digest, from)
        const absent = await mount(digestOf(randomBytes(8)), from)
        assert.equal(hidden.status, 202)
        assert.deepEqual(withoutTraces(hidden), withoutTraces(absent))
        const gone = await world.push('PUT', `${String(absent.headers['location'])}?digest=${digestOf('y')}`, 'y')
        assert.equal(gone.status, 201, 'the upload works')
      }
      assert.equal((await world.get(`/v2/samples/mounted/blobs/${secret.digest}`)).status, 404)
    })

    it('does not believe in a blob whose bytes were lost', async () => {
      const { digest } = await hold(app)
      await world.storage.blobs.remove(digest)
      assert.equal((await mount(digest, 'samples/app')).status, 202)
    })
  })

  it('asks for a body only from those it will take it from', async () => {
    const expecting = async (authorization: string, path: string): Promise<[boolean, number]> => {
      const sent = httpRequest({
        host: '127.0.0.1',
        port: portOf(world.server),
        method: 'POST',
        path,
        headers: { authorization, expect: '100-continue', 'content-length': '5' }
      })
      let asked = false
      sent.on('continue', () => {
        asked = true
        sent.end('hello')
      })
      sent.flushHeaders()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      await buffer(response)
      sent.destroy()
      return [asked, response.statusCode ?? 0]
    }
    assert.deepEqual(await expecting(writer, `${uploads}?digest=${digestOf('hello')}`), [true, 201])
    assert.deepEqual(await expecting(writer, `${uploads}?digest=nonsense`), [false, 400])
    assert.deepEqual(await expecting(basic, `${uploads}?digest=${digestOf('hello')}`), [false, 403])
  })

  it('goes on with the connection after each refusal, whatever was sent', async () => {
    const body = randomBytes(2_000_000)
    const unknown = `${uploads}00000000-0000-4000-8000-000000000000`
    for (const [method, path, headers] of [
      ['PATCH', unknown, {}],
      ['PATCH', unknown, { 'transfer-encoding': 'chunked' }],
      ['POST', `${uploads}?digest=nonsense`, {}],
      ['PUT', `${unknown}?digest=${digestOf('x')}`, {}],
      ['POST', uploads, { authorization: basic }],
      ['POST', uploads, { authorization: 'Basic bm9ib2R5Ong=' }],
      ['PATCH', await begin(), { 'content-range': '7-9' }],
      ['PUT', '/v2/samples/new/tags/list', {}]
    ] as const) {
      const answer = await world.push(method, path, body, headers)
      assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status}`)
      codeOf(answer)
      assert.notEqual(answer.headers.connection, 'close')
      assert.equal((await world.get('/v2/')).status, 200)
    }
  })

  it('says 405 and what is possible where a path takes no such method', async () => {
    for (const [method, path, allowed] of [
      ['PUT', uploads, 'POST'],
      ['POST', `${uploads}00000000-0000-4000-8000-000000000000`, 'GET, HEAD, PATCH, PUT, DELETE'],
      ['PUT', `/v2/samples/new/blobs/${digestOf('x')}`, 'GET, HEAD, DELETE'],
      ['POST', '/v2/samples/new/manifests/1.0', 'GET, HEAD, PUT, DELETE'],
      ['DELETE', '/v2/samples/new/tags/list', 'GET, HEAD']
    ] as const) {
      const answer = await world.push(method, path)
      assert.equal(answer.status, 405, path)
      assert.equal(codeOf(answer), 'UNSUPPORTED')
      assert.equal(answer.headers['allow'], allowed)
    }
  })

  it('lets go of an upload whose bytes could not be written, and says so without a 500', async () => {
    const full = await world.start({
      content: {
        index: world.storage.index,
        blobs: {
          ...blobsOf(world.storage),
          ingest: async (key, algorithm) => {
            const ingest = await world.storage.blobs.ingest(key, algorithm)
            return Object.assign(Object.create(ingest) as typeof ingest, {
              expect: () => Promise.reject(new StorageError('DISK_FULL', 'no space left')),
              discard: () => ingest.discard(),
              close: () => ingest.close()
            })
          }
        }
      }
    })
    const path = `${uploads}?digest=${digestOf('x')}`
    const answer = await world.send('POST', path, { authorization: writer }, 'x', portOf(full))
    assert.equal(answer.status, 507)
    assert.equal(codeOf(answer), 'UNAVAILABLE')
    assert.equal(answer.headers['retry-after'], '60')
  })
})
