import { Worker } from 'node:worker_threads'
import { loadLibc, type Libc } from '../libc/libc.ts'
import type { SendReply, SendRequest, SendWorkerData } from './send-file-protocol.ts'

/** Bytes of a file, and the socket that they are for. */
export interface Sending {
  /** Non-blocking, plain, with everything written that goes before. */
  readonly socket: number
  /** Open until the promise settles. */
  readonly file: number
  readonly start: number
  /** Bytes to send. */
  readonly length: number
}

/** A transfer in the sending thread. */
export interface Sent {
  /** Rejects with the system's `code`, or `CANCELLED`. */
  readonly done: Promise<void>
  /** Whether bytes went since the last time this was asked. */
  hasMoved(): boolean
  cancel(): void
}

/** More transfers at once than a process has descriptors. */
const mostTransfers = 1024 * 1024
/** Milliseconds without a transfer after which the thread ends: it holds more than ten mebibytes. */
const defaultIdleMs = 10_000

/** The thread that sends files into sockets; it starts with the first transfer, and never keeps the process alive. */
export class SendThread {
  readonly #libc: Libc
  readonly #wake: number
  readonly #idleMs: number
  readonly #waiting = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()
  /** One for all transfers: the system gives pages to those slots only that are in use. */
  readonly #moved = new Int32Array(new SharedArrayBuffer(4 * mostTransfers))
  readonly #freeSlots: number[] = []
  #slots = 0
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #nextId = 1

  private constructor(libc: Libc, idleMs: number) {
    this.#libc = libc
    this.#wake = libc.eventCounter()
    this.#idleMs = idleMs
  }

  /**
   * @param idleMs for how long the thread stays without a transfer, in milliseconds
   * @returns undefined where this system has no sendfile, or the FFI package is missing
   */
  static async create(idleMs = defaultIdleMs): Promise<SendThread | undefined> {
    const libc = await loadLibc()
    return libc === undefined ? undefined : new SendThread(libc, idleMs)
  }

  get isRunning(): boolean {
    return this.#worker !== undefined
  }

  /** Begins at once. The socket may be closed meanwhile: the thread has a descriptor of its own. */
  send({ socket, ...sending }: Sending): Sent {
    const id = this.#nextId++
    const own = this.#libc.dup(socket)
    const slot = this.#freeSlots.pop() ?? this.#slots++
    let seen = Atomics.load(this.#moved, slot)
    clearTimeout(this.#idle)
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#post({ kind: 'send', id, socket: own, slot, ...sending })
    }).finally(() => {
      this.#libc.close(own)
      this.#freeSlots.push(slot)
      if (this.#waiting.size === 0) this.#idle = setTimeout(() => this.#rest(), this.#idleMs).unref()
    })
    return {
      done,
      hasMoved: () => {
        const before = seen
        seen = Atomics.load(this.#moved, slot)
        return seen !== before
      },
      cancel: () => {
        // Afterwards there may be no thread, and none is begun for this.
        if (this.#waiting.has(id)) this.#post({ kind: 'cancel', id })
      }
    }
  }

  #rest(): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
  }

  #post(request: SendRequest): void {
    this.#running().postMessage(request)
    this.#libc.raise(this.#wake)
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./send-file-worker.ts', import.meta.url), {
      name: 'causeway-send',
      workerData: { wake: this.#wake, moved: this.#moved } satisfies SendWorkerData,
      // It makes next to no garbage: without limits its heap would grow as if memory were free.
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 }
    })
    worker.on('message', ({ id, failure }: SendReply) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (failure === undefined) waiting?.resolve()
      else waiting?.reject(Object.assign(new Error(failure.message), { code: failure.code }))
    })
    worker.on('error', (cause) => {
      // The next transfer starts another one.
      if (this.#worker === worker) this.#worker = undefined
      for (const { reject } of this.#waiting.values()) reject(new Error('the sending thread stopped', { cause }))
      this.#waiting.clear()
    })
    // After the listeners: each of them would hold the process again.
    worker.unref()
    this.#worker = worker
    return worker
  }
}
