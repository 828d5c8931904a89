import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { LineLog } from '../log/log.ts'
import { createHttpServer, type ServerLimits } from './server.ts'

describe('an HTTP server with clients that take their time', () => {
  const log = new LineLog(() => undefined)
  let server: Server
  let sockets: Socket[]
  /** Requests for `/wait`, and how to answer them. */
  let waiting: ServerResponse[]

  beforeEach(() => {
    sockets = []
    waiting = []
  })
  afterEach(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
    await closed
  })

  async function start(limits: Partial<ServerLimits>): Promise<void> {
    const handle = (request: IncomingMessage, response: ServerResponse): boolean => {
      if (request.url === '/wait') waiting.push(response)
      else response.end('here')
      return true
    }
    server = createHttpServer([handle], log, limits)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  async function open(): Promise<Socket> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('latin1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }
  /** All that comes until the connection ends. */
  const until = async (socket: Socket): Promise<string> => {
    let said = ''
    socket.on('data', (text: string) => (said += text))
    await once(socket, 'close')
    return said
  }
  const ask = async (socket: Socket, path = '/'): Promise<string> => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const [text] = (await once(socket, 'data')) as [string]
    return text
  }
  const connections = (): Promise<number> =>
    new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))

  it('gives up headers that never end, in the form of the registry', async () => {
    await start({ headers: 100, lookEvery: 20 })
    const socket = await open()
    const said = until(socket)
    socket.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n')
    const dribble = setInterval(() => socket.write('X-More: y\r\n'), 10)
    assert.match(await said, /^HTTP\/1\.1 408 [^]*\{"errors":\[\{"code":"UNSUPPORTED"/)
    clearInterval(dribble)
  })

  it('ends connections on which nothing moves, in the middle of a request too', async () => {
    await start({ idle: 50 })
    const ended = until(await open())
    const half = await open()
    half.write('POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome')
    await Promise.all([ended, until(half)])
  })

  it('answers who ends their side when they have asked, and keeps nothing of them', async () => {
    await start({})
    const socket = await open()
    const said = until(socket)
    socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /wait HTTP/1.1\r\nHost: a\r\n\r\n')
    while (waiting.length === 0) await new Promise(setImmediate)
    // Until the server, too, has learned that nothing more comes.
    while (waiting[0]?.req.socket.readableEnded === false) await new Promise(setImmediate)
    waiting[0]?.end('at last')
    assert.match(await said, /^HTTP\/1\.1 200 .*here.*at last$/s)
    while ((await connections()) > 0) await new Promise(setImmediate)
  })

  it('ends who ended their side, and then reads nothing of the answer', async () => {
    await start({})
    const socket = await open()
    socket.pause()
    socket.end('GET /wait HTTP/1.1\r\nHost: a\r\n\r\n')
    while (waiting.length === 0) await new Promise(setImmediate)
    // The server's idle time, cut short where the request cannot miss it.
    waiting[0]?.req.socket.setTimeout(50)
    waiting[0]?.end(Buffer.alloc(64 * 1024 * 1024))
    while ((await connections()) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  it('keeps no more idle connections than it may, and never turns away who has something to ask', async () => {
    await start({ mostIdle: 20 })
    const busy = await open()
    const answered = once(busy, 'data')
    busy.write('GET /wait HTTP/1.1\r\nHost: a\r\n\r\n')
    const kept = await open()
    assert.match(await ask(kept), /^HTTP\/1\.1 200 /)
    const ended = until(kept)
    for (let count = 0; count < 200; count += 1) (await open()).write('GET / HTTP/1.1\r\nX: ')
    await ended
    assert.match(await ask(await open()), /^HTTP\/1\.1 200 /)
    while ((await connections()) > 21) await new Promise(setImmediate)
    // The one at work is none of them, however old it is, and becomes one when it is done.
    waiting[0]?.end('at last')
    assert.match(String(await answered), /at last/)
    assert.match(await ask(busy), /^HTTP\/1\.1 200 /)
  })

  it('takes several requests at once on a connection for work', async () => {
    await start({ mostIdle: 1 })
    const socket = await open()
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /wait HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    while (waiting.length === 0) await new Promise(setImmediate)
    for (let count = 0; count < 5; count += 1) await open()
    const answer = once(socket, 'data')
    waiting[0]?.end('still here')
    assert.match(String(await answer), /still here/)
  })
})
