import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { Agent, createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { sendByReads } from './send-file-reads.ts'
import { SendThread } from './send-file-thread.ts'
import type { FilePart } from './send-file-part.ts'
import { sendFile } from './send-file.ts'
import { portOf } from './world.test.ts'

/** More than any socket buffer takes, and no multiple of anything. */
const large = randomBytes(24 * 1024 * 1024 + 17)
const small = randomBytes(1000)
const stalledReaders = 64

interface Way {
  readonly name: string
  readonly send: (response: ServerResponse, part: FilePart) => Promise<void>
  readonly isThere: () => Promise<boolean>
}

const ways: readonly Way[] = [
  { name: 'by the kernel', send: sendFile, isThere: async () => (await SendThread.create()) !== undefined },
  {
    name: 'by reads',
    send: (response, part) => sendByReads(response, response.req.socket, part),
    isThere: () => Promise.resolve(true)
  }
]

for (const { name, send, isThere } of ways)
  describe(`sending files ${name}`, () => {
    let folder: string
    let server: Server
    /** How each transfer ended, in the order of their ends. */
    let ends: (Error | undefined)[]

    before(async function () {
      if (!(await isThere())) {
        console.log('    skipped: this system has no sendfile, or koffi is not installed')
        this.skip()
      }
      folder = await mkdtemp(join(tmpdir(), 'causeway-send-'))
      await writeFile(join(folder, 'large'), large)
      await writeFile(join(folder, 'small'), small)
      server = createServer((request, response) => {
        request.on('error', () => undefined)
        response.on('error', () => undefined)
        void answer(request, response)
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
    })

    beforeEach(() => {
      ends = []
    })

    after(async () => {
      if ((server as Server | undefined) === undefined) return
      server.close()
      server.closeAllConnections()
      await rm(folder, { recursive: true })
    })

    /** `/large`, `/small`, or `/large?<start>-<end>`. */
    async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const [path = '', range] = (request.url ?? '').slice(1).split('?')
      const handle = await open(join(folder, path))
      const { size } = await handle.stat()
      const [start = 0, end = size] = range?.split('-').map(Number) ?? []
      const length = Number(request.headers['x-pretend'] ?? end - start)
      response.writeHead(200, { 'Content-Length': length })
      try {
        await send(response, {
          file: { descriptor: handle.fd, size, close: () => handle.close() },
          start,
          length
        })
        ends.push(undefined)
      } catch (error) {
        ends.push(error as Error)
        response.destroy()
      } finally {
        await handle.close()
        server.emit('ended')
      }
    }

    async function fetchAll(path: string, agent?: Agent): Promise<Buffer> {
      const sent = get({ host: '127.0.0.1', port: portOf(server), path, ...(agent === undefined ? {} : { agent }) })
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      return buffer(response)
    }

    /** A reader that takes the first bytes, and then none. */
    async function stall(path = '/large', headers = ''): Promise<Socket> {
      const socket = connect(portOf(server), '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)
      await once(socket, 'readable')
      return socket
    }

    async function ended(count: number): Promise<void> {
      while (ends.length < count) await once(server, 'ended')
    }

    it('gives every byte, and the connection goes on', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      for (const [path, bytes] of [
        ['/large', large],
        ['/small', small],
        ['/large?1000001-23000000', large.subarray(1_000_001, 23_000_000)],
        ['/large?5-5', Buffer.alloc(0)],
        ['/large', large]
      ] as const)
        assert.ok((await fetchAll(path, agent)).equals(bytes), path)
      assert.equal(Object.values(agent.freeSockets).flat().length, 1)
      agent.destroy()
    })

    it('gives every byte to more at once than there are large buffers for, again and again', async () => {
      for (let turn = 0; turn < 2; turn += 1)
        for (const bytes of await Promise.all(Array.from({ length: 7 }, () => fetchAll('/large'))))
          assert.ok(bytes.equals(large))
    })

    it('answers requests that were sent before the response before, in their order', async () => {
      const socket = connect(portOf(server), '127.0.0.1')
      const paths = ['/large', '/small', '/large?0-300000', '/large', '/small']
      const request = (path: string, last: boolean): string =>
        `GET ${path} HTTP/1.1\r\nHost: x\r\n${last ? 'Connection: close\r\n' : ''}\r\n`
      socket.write(paths.map((path, index) => request(path, index === paths.length - 1)).join(''))
      let rest = await buffer(socket)
      for (const bytes of [large, small, large.subarray(0, 300_000), large, small]) {
        const at = rest.indexOf('\r\n\r\n') + 4
        assert.ok(rest.subarray(at, at + bytes.length).equals(bytes))
        rest = rest.subarray(at + bytes.length)
      }
      assert.equal(rest.length, 0)
    })

    it('serves others while many readers stall, and those when they go on', async () => {
      const stalled = await Promise.all(Array.from({ length: stalledReaders }, () => stall()))
      assert.ok((await fetchAll('/large')).equals(large))
      // libuv's threads are free: files can be looked at.
      assert.equal((await stat(join(folder, 'large'))).size, large.length)
      const [first, ...others] = stalled as [Socket, ...Socket[]]
      let got = 0
      for await (const chunk of first as AsyncIterable<Buffer>) {
        got += chunk.length
        if (got > large.length) break
      }
      for (const socket of others) socket.destroy()
      await ended(stalledReaders + 1)
      assert.equal(ends.filter((end) => end === undefined).length, 2)
    })

    it('ends with a reader that goes away, and lets go of everything', async () => {
      await fetchAll('/large')
      const before = await descriptors()
      for (let turn = 0; turn < 8; turn += 1) {
        const socket = await stall()
        socket.resetAndDestroy()
      }
      await ended(9)
      assert.deepEqual(
        ends.slice(1).filter((end) => end === undefined),
        []
      )
      assert.ok((await fetchAll('/large')).equals(large))
      assert.ok((await descriptors()) <= before + 2)
    })

    it('ends a connection in whose pipeline a response still waits', async () => {
      const socket = connect(portOf(server), '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /large HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'readable')
      socket.resetAndDestroy()
      await ended(2)
      assert.ok(ends.every((end) => end !== undefined))
    })

    it('ends the connection where the file is shorter than was promised', async () => {
      await writeFile(join(folder, 'short'), large.subarray(0, 1_000_000))
      await truncate(join(folder, 'short'), 600_000)
      const socket = await stall('/short', 'X-Pretend: 1000000\r\n')
      const got = await buffer(socket).catch(() => Buffer.alloc(0))
      assert.ok(got.length < 1_000_000)
      await ended(1)
      assert.match(ends[0]?.message ?? '', /ends before its last byte/)
    })
  })

describe('sending files by the kernel: silence', () => {
  it('ends a connection only where no byte went', async function () {
    if ((await SendThread.create()) === undefined) this.skip()
    const folder = await mkdtemp(join(tmpdir(), 'causeway-send-'))
    await writeFile(join(folder, 'large'), large)
    const handle = await open(join(folder, 'large'))
    let response: ServerResponse | undefined
    let done: Promise<void> | undefined
    const server = createServer((_, given) => {
      response = given
      given.writeHead(200, { 'Content-Length': large.length })
      const file = { descriptor: handle.fd, size: large.length, close: () => handle.close() }
      done = sendFile(given, { file, start: 0, length: large.length })
      done.catch(() => undefined)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect(portOf(server), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    // More than one call to the kernel gives out, so that at least one was counted.
    for (let got = 0; got < 8 * 1024 * 1024;) {
      await once(socket, 'readable')
      got += (socket.read() as Buffer | null)?.length ?? 0
    }
    const serverSide = response?.socket
    assert.ok(serverSide)
    // What Node does when it has seen nothing for the server's time-out.
    response?.emit('timeout', serverSide)
    assert.equal(serverSide.destroyed, false, 'bytes have gone since the beginning')
    // The socket's buffers may still have been filling: once they are full, nothing moves.
    const closed = once(serverSide, 'close')
    const asking = setInterval(() => response?.emit('timeout', serverSide), 10)
    await closed
    clearInterval(asking)
    await assert.rejects(done ?? Promise.resolve())
    socket.destroy()
    server.close()
    await handle.close()
    await rm(folder, { recursive: true })
  })
})

async function descriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length
}
