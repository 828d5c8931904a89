import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadLibc } from '../libc/libc.ts'
import { digestOf } from '../oci/digest.ts'
import { openStorage } from './open-storage.ts'
import type { Ingest, Storage } from './storage.ts'

describe('storage: bytes straight from a socket', () => {
  let folder: string
  let storage: Storage
  let server: Server
  let free = Infinity

  before(async function () {
    if ((await loadLibc()) === undefined) {
      console.log('      skipped: there is no libc to be called here')
      this.skip()
    }
  })
  beforeEach(async () => {
    free = Infinity
    folder = await mkdtemp(join(tmpdir(), 'causeway-receive-'))
    storage = await openStorage({
      folder,
      disk: { measure: () => Promise.resolve({ free, total: 1e12 }), measuredForMs: 0 }
    })
    server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true })
    server.close()
  })

  interface Connection {
    readonly sender: Socket
    /** Its reader's descriptor. */
    readonly socket: number
    readonly reader: Socket
  }

  async function connection(): Promise<Connection> {
    const accepted = once(server, 'connection')
    const sender = connect((server.address() as AddressInfo).port, '127.0.0.1')
    sender.on('error', () => undefined)
    const [reader] = (await accepted) as [Socket & { _handle: { fd: number } }]
    return { sender, reader, socket: reader._handle.fd }
  }

  async function connections(count: number): Promise<Connection[]> {
    const all: Connection[] = []
    while (all.length < count) all.push(await connection())
    return all
  }

  function close({ sender, reader }: Connection): void {
    sender.destroy()
    reader.destroy()
  }

  async function until(ingest: Ingest, offset: number): Promise<void> {
    while (ingest.offset < offset) await new Promise((resolve) => setImmediate(resolve))
  }

  for (const algorithm of ['sha256', 'sha512'] as const)
    it(`are written, hashed and verified, after what was appended (${algorithm})`, async () => {
      const bytes = randomBytes(20_000_000)
      const from = await connection()
      const ingest = await storage.blobs.ingest('upload', algorithm)
      await ingest.append(bytes.subarray(0, 70_000))
      from.sender.write(bytes.subarray(70_000))
      // In two goes, with bytes of the second waiting already.
      await ingest.receive({ socket: from.socket, length: 18_000_000 })
      assert.equal(ingest.offset, 18_070_000)
      await ingest.receive({ socket: from.socket, length: bytes.length - 18_070_000 })
      const digest = digestOf(bytes, algorithm)
      assert.deepEqual(await ingest.commit(digest), { size: bytes.length })
      assert.ok((await storage.blobs.bytes(digest)).equals(bytes))
      close(from)
    })

  it('leave what follows them in the socket', async () => {
    const from = await connection()
    const ingest = await storage.blobs.ingest('upload')
    from.sender.write('abcdef')
    await ingest.receive({ socket: from.socket, length: 4 })
    await ingest.commit(digestOf('abcd'))
    const left = once(from.reader, 'data')
    from.reader.resume()
    assert.equal(String((await left)[0]), 'ef')
    close(from)
  })

  it('are refused where they are others, and leave nothing', async () => {
    const from = await connection()
    const ingest = await storage.blobs.ingest('upload')
    from.sender.write(randomBytes(1000))
    await ingest.receive({ socket: from.socket, length: 1000 })
    await assert.rejects(ingest.commit(digestOf('something else')), { code: 'DIGEST_INVALID' })
    const again = await storage.blobs.ingest('upload')
    assert.equal(again.offset, 0)
    await again.discard()
    close(from)
  })

  it('that stop half-way stay, to go on from on another connection, or after a restart', async () => {
    const bytes = randomBytes(3_000_000)
    for (const way of ['end', 'abort', 'close'] as const) {
      const first = await connection()
      const ingest = await storage.blobs.ingest('upload')
      first.sender.write(bytes.subarray(0, 1_000_000))
      const stopping = new AbortController()
      const received = ingest.receive({ socket: first.socket, length: bytes.length, signal: stopping.signal })
      await until(ingest, 1_000_000)
      if (way === 'end') first.sender.end()
      else if (way === 'abort') stopping.abort()
      // Whoever closes the storage does not wait for a sender.
      else await ingest.close()
      await received
      assert.equal(ingest.offset, 1_000_000)
      await ingest.close()
      close(first)

      const second = await connection()
      const more = await storage.blobs.ingest('upload')
      assert.equal(more.offset, 1_000_000)
      second.sender.write(bytes.subarray(1_000_000))
      await more.receive({ socket: second.socket, length: 2_000_000 })
      await more.commit(digestOf(bytes))
      assert.ok((await storage.blobs.bytes(digestOf(bytes))).equals(bytes))
      close(second)
    }
  })

  it('are taken side by side, while other senders stall', async () => {
    const stalled = await connections(10)
    const waiting = await Promise.all(
      stalled.map(async ({ socket }, number) => {
        const ingest = await storage.blobs.ingest(`stalled ${number}`)
        return { ingest, received: ingest.receive({ socket, length: 1_000_000 }) }
      })
    )
    await Promise.all(
      (await connections(4)).map(async (from, number) => {
        const bytes = randomBytes(4_000_000)
        const ingest = await storage.blobs.ingest(`upload ${number}`)
        from.sender.write(bytes)
        await ingest.receive({ socket: from.socket, length: bytes.length })
        await ingest.commit(digestOf(bytes))
        close(from)
      })
    )
    for (const { sender } of stalled) sender.destroy()
    for (const { ingest, received } of waiting) {
      await received
      assert.equal(ingest.offset, 0)
      await ingest.discard()
    }
    stalled.forEach(close)
  })

  it('are refused where the disk has no room for them, before they are taken', async () => {
    const from = await connection()
    const ingest = await storage.blobs.ingest('upload')
    from.sender.write('abcdef')
    free = 3
    await assert.rejects(ingest.receive({ socket: from.socket, length: 6 }), { code: 'DISK_FULL' })
    assert.equal(ingest.offset, 0)
    free = Infinity
    await ingest.receive({ socket: from.socket, length: 6 })
    await ingest.commit(digestOf('abcdef'))
    close(from)
  })
})
