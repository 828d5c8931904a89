import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { loadLibc, PollList, type Libc } from '../libc/libc.ts'
import type { SendReply, SendRequest, SendWorkerData } from './send-file-protocol.ts'

/*
 * Sends files into sockets. The sockets never block and are waited for all together, so readers that stall cost one entry
 * in a list; and a file that has to come from a slow disk keeps nobody waiting but other large transfers.
 */

/** The most bytes for one reader before the next one has its turn. */
const pieceBytes = 2 * 1024 * 1024
/** Milliseconds after which the thread looks up from waiting, so that it can be ended. */
const longestWait = 100

interface Transfer {
  readonly id: number
  readonly socket: number
  readonly file: number
  readonly offset: BigInt64Array
  readonly slot: number
  left: number
}

class Sender {
  readonly #libc: Libc
  readonly #wake: number
  readonly #moved: Int32Array
  readonly #reply: (reply: SendReply) => void
  /** In the order of their entries in the poll list, where the wake counter comes first. */
  #transfers: Transfer[] = []
  #polled = new PollList([])

  constructor(libc: Libc, { wake, moved }: SendWorkerData, reply: (reply: SendReply) => void) {
    this.#libc = libc
    this.#wake = wake
    this.#moved = moved
    this.#reply = reply
  }

  /** Whether anything is left to be sent. */
  get busy(): boolean {
    return this.#transfers.length > 0
  }

  take(request: SendRequest): void {
    if (request.kind === 'cancel') {
      this.#finish(request.id, { code: 'CANCELLED', message: 'the reader went away' })
      return
    }
    const { id, socket, file, start, length, slot } = request
    const transfer = { id, socket, file, offset: BigInt64Array.of(BigInt(start)), left: length, slot }
    this.#transfers.push(transfer)
    this.#list()
    this.#step(transfer)
  }

  /** Waits for a request or for a reader, and serves every reader that is ready. */
  turn(): void {
    this.#libc.poll(this.#polled, longestWait)
    if (this.#polled.isReady(0)) this.#libc.clear(this.#wake)
    const ready = this.#transfers.filter((_, index) => this.#polled.isReady(index + 1))
    for (const transfer of ready) this.#step(transfer)
  }

  #step(transfer: Transfer): void {
    try {
      for (let piece = pieceBytes; piece > 0 && transfer.left > 0;) {
        const sent = this.#libc.sendFile(
          transfer.socket,
          transfer.file,
          transfer.offset,
          Math.min(piece, transfer.left)
        )
        if (sent === 'later') return
        if (sent === 0) {
          this.#finish(transfer.id, { code: 'FILE_SHORT', message: 'the file ends before its last byte' })
          return
        }
        Atomics.add(this.#moved, transfer.slot, 1)
        transfer.left -= sent
        piece -= sent
      }
      if (transfer.left === 0) this.#finish(transfer.id)
    } catch (error) {
      const { code = 'UNKNOWN', message } = error as Error & { code?: string }
      this.#finish(transfer.id, { code, message })
    }
  }

  #finish(id: number, failure?: SendReply['failure']): void {
    const others = this.#transfers.filter((each) => each.id !== id)
    // A cancellation may cross the reply that the transfer is done.
    if (others.length === this.#transfers.length) return
    this.#transfers = others
    this.#list()
    this.#reply(failure === undefined ? { id } : { id, failure })
  }

  #list(): void {
    this.#polled = new PollList([
      { descriptor: this.#wake, until: 'readable' },
      ...this.#transfers.map(({ socket }) => ({ descriptor: socket, until: 'writable' }) as const)
    ])
  }
}

const libc = await loadLibc()
if (parentPort === null || libc === undefined) throw new Error('this is a worker thread, for systems with sendfile')
const port = parentPort
const sender = new Sender(libc, workerData as SendWorkerData, (reply) => port.postMessage(reply))
port.on('message', (request: SendRequest) => {
  sender.take(request)
  // While anything is on its way the thread waits for readers, and fetches its messages itself.
  while (sender.busy) {
    sender.turn()
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      sender.take(next.message as SendRequest)
  }
})
