import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { SendThread } from './send-file-thread.ts'
import { descriptorOf } from './socket-descriptor.ts'

describe('the thread that sends files', () => {
  const bytes = randomBytes(3_000_001)
  let folder: string | undefined
  let file: FileHandle
  let thread: SendThread
  before(async function () {
    const created = await SendThread.create(1)
    if (created === undefined) this.skip()
    thread = created
    folder = await mkdtemp(join(tmpdir(), 'causeway-send-thread-'))
    await writeFile(join(folder, 'file'), bytes)
    file = await open(join(folder, 'file'))
  })
  after(async () => {
    if (folder === undefined) return
    await file.close()
    await rm(folder, { recursive: true })
  })

  /** @returns what a reader got */
  async function transfer(): Promise<Buffer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [socket] = await accepted
    const got = buffer(reader)
    const sent = thread.send({ socket: descriptorOf(socket) ?? -1, file: file.fd, start: 0, length: bytes.length })
    await sent.done
    assert.equal(sent.hasMoved(), true)
    assert.equal(sent.hasMoved(), false)
    sent.cancel()
    socket.end()
    server.close()
    return got
  }

  async function rested(): Promise<void> {
    while (thread.isRunning) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  it('begins with a transfer, ends when there is none, and begins again', async () => {
    for (const round of [1, 2]) {
      assert.equal(thread.isRunning, false, `round ${round}`)
      // Several at once have places of their own in what is counted.
      for (const got of await Promise.all([transfer(), transfer(), transfer()])) assert.ok(got.equals(bytes))
      await rested()
    }
  })
})
