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

/** The thread that sends files into sockets; it starts with the first transfer, and never keeps the process alive. */
export class SendThread {
  readonly #libc: Libc
  readonly #wake: number
  readonly #waiting = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()
  #worker: Worker | undefined
  #nextId = 1

  private constructor(libc: Libc) {
    this.#libc = libc
    this.#wake = libc.eventCounter()
  }

  /** @returns undefined where this system has no sendfile, or the FFI package is missing */
  static async create(): Promise<SendThread | undefined> {
    const libc = await loadLibc()
    return libc === undefined ? undefined : new SendThread(libc)
  }

  /** Begins at once. The socket may be closed meanwhile: the thread has a descriptor of its own. */
  send({ socket, ...sending }: Sending): Sent {
    const id = this.#nextId++
    const own = this.#libc.dup(socket)
    const moved = new Int32Array(new SharedArrayBuffer(4))
    let seen = 0
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#post({ kind: 'send', id, socket: own, moved, ...sending })
    }).finally(() => this.#libc.close(own))
    return {
      done,
      hasMoved() {
        const before = seen
        seen = Atomics.load(moved, 0)
        return seen !== before
      },
      cancel: () => this.#post({ kind: 'cancel', id })
    }
  }

  #post(request: SendRequest): void {
    this.#running().postMessage(request)
    this.#libc.raise(this.#wake)
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./send-file-worker.ts', import.meta.url), {
      name: 'causeway-send',
      workerData: { wake: this.#wake } satisfies SendWorkerData,
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
