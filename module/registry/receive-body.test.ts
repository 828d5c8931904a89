import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { loadLibc } from '../libc/libc.ts'
import { digestOf, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { StorageError } from '../storage/errors.ts'
import type { SocketSource } from '../storage/storage.ts'
import type { Content } from './content.ts'
import { receiveBody } from './receive-body.ts'
import { switchTls } from './tls.ts'
import { blobsOf, codeOf, portOf, useWorld, writer, type Answer } from './world.test.ts'

const uploads = '/v2/samples/new/blobs/uploads/'
/** More than goes through Node, and no multiple of anything. */
const size = 9 * 1024 * 1024 + 17

describe('registry: large bodies, straight from the socket', () => {
  const world = useWorld()
  before(async function () {
    if ((await loadLibc()) === undefined) {
      console.log('      skipped: there is no libc to be called here')
      this.skip()
    }
  })
  beforeEach(() => (world.mode = 'ReadWrite'))

  async function begin(server = world.server): Promise<string> {
    return String(
      (await world.send('POST', uploads, { authorization: writer }, '', portOf(server))).headers['location']
    )
  }

  function send(
    method: string,
    path: string,
    headers: Record<string, string | number>,
    server = world.server
  ): ClientRequest {
    const all = { authorization: writer, ...headers }
    const sent = httpRequest({ host: '127.0.0.1', port: portOf(server), method, path, headers: all })
    sent.on('error', () => undefined)
    return sent
  }

  function pushTo(server: Server, digest: Digest, bytes: Buffer): Promise<Answer> {
    const path = `${uploads}?digest=${digest}`
    return world.send('POST', path, { authorization: writer }, bytes, portOf(server))
  }

  async function until(location: string, offset: number, server = world.server): Promise<void> {
    const range = async (): Promise<unknown> =>
      (await world.send('GET', location, { authorization: writer }, '', portOf(server))).headers['range']
    while ((await range()) !== `0-${offset - 1}`);
  }

  for (const algorithm of ['sha256', 'sha512'] as const)
    it(`become blobs, whole and in pieces (${algorithm})`, async () => {
      const bytes = randomBytes(size)
      const digest = digestOf(bytes, algorithm)
      const whole = await world.push('POST', `${uploads}?digest=${digest}`, bytes)
      assert.equal(whole.status, 201, whole.body.toString())
      assert.equal(whole.headers['connection'], 'close', 'Node cannot go on with this connection')
      assert.ok((await world.get(`/v2/samples/new/blobs/${digest}`)).body.equals(bytes))
      await world.storage.blobs.remove(digest)

      const location = await begin()
      const first = await world.push('PATCH', location, bytes.subarray(0, 100), { 'content-range': '0-99' })
      assert.equal(first.status, 202)
      const rest = { 'content-range': `100-${size - 1}` }
      const second = await world.push('PATCH', location, bytes.subarray(100), rest)
      assert.equal(second.headers['range'], `0-${size - 1}`)
      assert.equal((await world.push('PUT', `${location}?digest=${digest}`)).status, 201)
      assert.ok((await world.get(`/v2/samples/new/blobs/${digest}`)).body.equals(bytes))
    })

  it('do not go past Node', async () => {
    const bytes = randomBytes(size)
    let appended = 0
    const { content, receiving } = watched((length) => (appended += length))
    const server = await world.start({ content })
    const digest = digestOf(bytes)
    const answer = await pushTo(server, digest, bytes)
    assert.equal(answer.status, 201)
    assert.equal(receiving.length, 1)
    assert.ok(appended < size / 2, `${appended} bytes went through Node`)
  })

  it('come whole on a port that TLS shares, where another listener has had the first bytes', async () => {
    const server = await world.start()
    const tls = switchTls(server)
    const { cert, key } = await (await CertificateAuthority.create()).issue(['127.0.0.1'])
    tls.use({ certificate: cert, key })
    for (const bytes of [randomBytes(size), randomBytes(size)]) {
      const digest = digestOf(bytes)
      assert.equal((await pushTo(server, digest, bytes)).status, 201)
      assert.ok((await world.get(`/v2/samples/new/blobs/${digest}`)).body.equals(bytes))
    }
    tls.close()
  })

  it('that are others are refused', async () => {
    const answer = await world.push('POST', `${uploads}?digest=${digestOf('other')}`, randomBytes(size))
    assert.equal(codeOf(answer), 'DIGEST_INVALID')
  })

  it('come after 100 Continue', async () => {
    const bytes = randomBytes(size)
    const sent = send('POST', `${uploads}?digest=${digestOf(bytes)}`, {
      'content-length': size,
      expect: '100-continue'
    })
    sent.flushHeaders()
    await once(sent, 'continue')
    sent.end(bytes)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, 201)
    await buffer(response)
  })

  it('that break off leave what came, and the upload goes on from there', async () => {
    const bytes = randomBytes(size)
    const location = await begin()
    const sent = send('PATCH', location, { 'content-length': size })
    sent.write(bytes.subarray(0, 5_000_000))
    await until(location, 5_000_000)
    sent.destroy()
    const put = `${location}?digest=${digestOf(bytes)}`
    assert.equal((await world.push('PUT', put, bytes.subarray(5_000_000))).status, 201)
  })

  it('are given up for whoever goes on with the upload, who is told why', async () => {
    const bytes = randomBytes(size)
    const location = await begin()
    const sent = send('PATCH', location, { 'content-length': size })
    sent.write(bytes.subarray(0, 5_000_000))
    await until(location, 5_000_000)
    const refused = once(sent, 'response') as Promise<[IncomingMessage]>
    const put = `${location}?digest=${digestOf(bytes)}`
    assert.equal((await world.push('PUT', put, bytes.subarray(5_000_000))).status, 201)
    const [response] = await refused
    assert.match((await buffer(response)).toString(), /another request went on/)
    sent.destroy()
  })

  it('that the disk refuses half-way are answered', async () => {
    const { content } = watched(
      () => undefined,
      () => Promise.reject(new StorageError('DISK_FULL', 'no space left'))
    )
    const server = await world.start({ content })
    const sent = send('POST', `${uploads}?digest=${digestOf('x')}`, { 'content-length': size }, server)
    sent.end(randomBytes(size))
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, 507)
    response.on('error', () => undefined).resume()
    await once(response, 'close')
    assert.equal((await world.get('/v2/')).status, 200)
  })

  it('end with a server that is closed', async () => {
    const { content, receiving } = watched(() => undefined)
    const server = await world.start({ content })
    const location = await begin(server)
    const socket: Socket = connect(portOf(server), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(
      `PATCH ${location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${writer}\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(1000)}`
    )
    await until(location, 1000, server)
    assert.equal(receiving.length, 1)
    server.closeAllConnections()
    await Promise.all(receiving)
    await until(location, 1000, server)
  })

  it('that come too slowly are given up, with what came', async () => {
    const ingest = await world.storage.blobs.ingest('slow')
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const server = createServer((request, response) => {
      request.on('error', () => undefined)
      receiveBody(request, response, ingest, { slowest: { bytes: 100, milliseconds: 20 } }).then(resolve, resolve)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sent = send('PUT', '/', { 'content-length': size }, server)
    sent.write('a'.repeat(50))
    const error = await promise
    assert.ok(error instanceof OciError)
    assert.match(error.message, /too slowly/)
    assert.equal(ingest.offset, 50)
    sent.destroy()
    await ingest.discard()
    server.close()
    server.closeAllConnections()
  })

  /** The world's content, with a look at what goes in, and in which way. */
  function watched(
    onAppend: (length: number) => void,
    instead?: () => Promise<void>
  ): { readonly content: Content; readonly receiving: readonly Promise<void>[] } {
    const receiving: Promise<void>[] = []
    const { blobs, index } = world.storage
    const content: Content = {
      index,
      blobs: {
        ...blobsOf(world.storage),
        ingest: async (key, algorithm) => {
          const ingest = await blobs.ingest(key, algorithm)
          const append = ingest.append.bind(ingest)
          const receive = ingest.receive.bind(ingest)
          return Object.assign(ingest, {
            append: (chunk: Uint8Array) => {
              onAppend(chunk.byteLength)
              return append(chunk)
            },
            receive: (source: SocketSource) => {
              const promise = instead?.() ?? receive(source)
              receiving.push(promise)
              return promise
            }
          })
        }
      }
    }
    return { content, receiving }
  }
})
