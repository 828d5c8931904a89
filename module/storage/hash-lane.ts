import { Worker } from 'node:worker_threads'
import type { Libc } from '../libc/libc.ts'
import { StorageError } from './errors.ts'
import type { HashJob, HashReply, HashRequest, ReceiveOrder } from './hash-protocol.ts'

/** Milliseconds without a file to hash after which the thread ends: it holds some ten mebibytes, and devices are small. */
const idleTime = 10_000

interface Waiting {
  readonly resolve: (hex: string) => void
  readonly reject: (error: Error) => void
}

/** One hashing thread, which starts with its first request, and the requests that wait for its answer. */
export class HashLane {
  readonly #idleMs: number
  #jobs = 0
  #idle: NodeJS.Timeout | undefined
  #worker: Worker | undefined
  #closed = false
  #wake: { readonly counter: number; readonly libc: Libc } | undefined
  /** By job; a job waits for one answer at a time. */
  readonly #waiting = new Map<number, Waiting>()

  constructor(idleMs = idleTime) {
    this.#idleMs = idleMs
  }

  /** Files that it hashes now; what it knows of each is lost with the thread. */
  get jobs(): number {
    return this.#jobs
  }

  get isRunning(): boolean {
    return this.#worker !== undefined
  }

  joined(): void {
    this.#jobs += 1
    clearTimeout(this.#idle)
  }

  left(): void {
    this.#jobs -= 1
    if (this.#jobs === 0) this.#idle = setTimeout(() => void this.#rest(), this.#idleMs).unref()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    this.#failAll(new StorageError('CLOSED', 'the storage was closed while bytes were being verified'))
    await this.#worker?.terminate()
    this.#wake?.libc.close(this.#wake.counter)
  }

  send(request: HashRequest): void {
    if (this.#closed) return
    this.#running().postMessage(request)
    this.#wake?.libc.raise(this.#wake.counter)
  }

  /** @returns the hash of a file's first `to` bytes */
  finish(job: HashJob, to: number): Promise<string> {
    return this.#ask({ kind: 'finish', to, ...job })
  }

  /** Waits until every byte is in the file, or no more come; how many did stands in `order.stored`, also where it fails. */
  async receive(job: HashJob, order: Omit<ReceiveOrder, 'wake'>, libc: Libc): Promise<void> {
    this.#wake ??= { counter: libc.eventCounter(), libc }
    await this.#ask({ kind: 'receive', order: { ...order, wake: this.#wake.counter }, ...job })
  }

  async #rest(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }

  #ask(request: HashRequest): Promise<string> {
    if (this.#closed) return Promise.reject(new StorageError('CLOSED', 'the storage is closed'))
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject })
      this.#running().ref()
      this.send(request)
    })
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), {
      name: 'causeway-hash',
      // It makes next to no garbage: without limits its heap would grow as if memory were free.
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 }
    })
    worker.on('message', (message: HashReply) => this.#settle(message))
    worker.on('error', (cause) => {
      // The next request starts another one, which reads from the first byte what this one had read.
      if (this.#worker === worker) this.#worker = undefined
      this.#failAll(new StorageError('DISK_FAILED', 'the hashing worker stopped', { cause }))
    })
    // After the listeners: each of them would hold the process again.
    worker.unref()
    this.#worker = worker
    return worker
  }

  #settle(message: HashReply): void {
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if ('error' in message) waiting?.reject(Object.assign(new Error(message.error), { code: message.code }))
    else waiting?.resolve(message.hex ?? '')
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}
