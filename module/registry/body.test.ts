import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage, type Server } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { OciError } from '../oci/errors.ts'
import { pour, readWhole, type BodyOptions, type Sink } from './body.ts'
import { portOf } from './world.test.ts'

describe('registry: bodies', () => {
  let server: Server
  let sink: Sink
  let options: BodyOptions
  let poured: PromiseWithResolvers<OciError | 'whole'>

  beforeEach(async () => {
    options = {}
    poured = Promise.withResolvers()
    server = createServer((request, response) => {
      request.on('error', () => undefined)
      pour(request, response, sink, options).then(
        () => {
          poured.resolve('whole')
          response.end('whole')
        },
        (error: unknown) => {
          poured.resolve(error as OciError)
          response.writeHead(400).end('refused')
        }
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(() => {
    server.close()
    server.closeAllConnections()
  })

  function send(headers: Record<string, string | number>): ClientRequest {
    const sent = httpRequest({ host: '127.0.0.1', port: portOf(server), method: 'PUT', headers })
    sent.on('error', () => undefined)
    return sent
  }

  it('come in large pieces, and in order, while the sink is busy', async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, position) => (position * 7) % 251))
    const pieces: Buffer[] = []
    let busy = 0
    sink = async (piece) => {
      assert.equal(busy++, 0, 'one at a time')
      await new Promise((resolve) => setImmediate(resolve))
      pieces.push(Buffer.from(piece))
      busy -= 1
    }
    send({ 'content-length': bytes.length }).end(bytes)
    assert.equal(await poured.promise, 'whole')
    assert.ok(Buffer.concat(pieces).equals(bytes))
    assert.ok(pieces.slice(0, -1).every(({ length }) => length >= 512 * 1024))
  })

  it('may be empty', async () => {
    sink = () => assert.fail('there is nothing')
    send({}).end()
    assert.equal(await poured.promise, 'whole')
  })

  it('that break off leave what came, and say so', async () => {
    let came = 0
    sink = ({ length }) => {
      came += length
      return Promise.resolve()
    }
    const sent = send({ 'content-length': 1_000_000 })
    sent.write(Buffer.alloc(300_000))
    await once(sent, 'drain')
    sent.destroy()
    const error = await poured.promise
    assert.ok(error instanceof OciError)
    assert.equal(error.code, 'BLOB_UPLOAD_INVALID')
    assert.ok(came > 0 && came <= 300_000)
  })

  it('that come too slowly are given up, with an answer', async () => {
    sink = () => Promise.resolve()
    options = { slowest: { bytes: 100, milliseconds: 20 } }
    const sent = send({ 'content-length': 1000 })
    sent.write('a')
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    assert.equal((await buffer(response)).toString(), 'refused')
    const error = await poured.promise
    assert.ok(error instanceof OciError)
    assert.match(error.message, /too slowly/)
    sent.destroy()
  })

  it('are not called slow while the disk is', async () => {
    options = { slowest: { bytes: 100, milliseconds: 10 } }
    sink = () => new Promise((resolve) => setTimeout(resolve, 60))
    send({ 'content-length': 600_000 }).end(Buffer.alloc(600_000))
    assert.equal(await poured.promise, 'whole')
  })

  it('end with the reason of their sink, or of whoever took over', async () => {
    sink = () => Promise.reject(new OciError('UNAVAILABLE', 'full'))
    send({ 'content-length': 600_000 }).end(Buffer.alloc(600_000))
    assert.equal(((await poured.promise) as OciError).message, 'full')

    poured = Promise.withResolvers()
    const takeOver = new AbortController()
    sink = () => Promise.resolve()
    options = { signal: takeOver.signal }
    const sent = send({ 'content-length': 10 })
    sent.write('a')
    await once(server, 'request')
    takeOver.abort(new OciError('BLOB_UPLOAD_INVALID', 'somebody else'))
    assert.equal(((await poured.promise) as OciError).message, 'somebody else')
    sent.destroy()
  })

  it('that are too large for memory are refused by their length, or as they come', async () => {
    const seen: (number | string)[] = []
    const most = 1000
    const whole = createServer((request, response) => {
      readWhole(request, response, most, () => new OciError('MANIFEST_INVALID', 'too large')).then(
        ({ length }) => response.end(`${seen.push(length)}`),
        (error: unknown) => response.writeHead(413).end(`${seen.push((error as Error).message)}`)
      )
    })
    whole.listen(0, '127.0.0.1')
    await once(whole, 'listening')
    for (const [length, headers] of [
      [1000, {}],
      [1001, {}],
      [1000, { 'transfer-encoding': 'chunked' }],
      [1001, { 'transfer-encoding': 'chunked' }]
    ] as const) {
      const sent = httpRequest({ host: '127.0.0.1', port: portOf(whole), method: 'PUT', headers })
      sent.end(Buffer.alloc(length))
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      await buffer(response)
    }
    assert.deepEqual(seen, [1000, 'too large', 1000, 'too large'])
    whole.close()
    whole.closeAllConnections()
  })
})
