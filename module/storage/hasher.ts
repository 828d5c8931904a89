import { createHash, type Hash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { DigestAlgorithm } from '../oci/digest.ts'
import { StorageError } from './errors.ts'
import type { HashJob, HashReply, HashRequest } from './hash-protocol.ts'

/** Files that stay below this are hashed as they pass: a worker's round trip costs more than they do. */
const smallBytes = 256 * 1024

/** Hashes partial files while they are written, so that nothing is read a second time after the last byte. */
export class Hasher {
  #worker: Worker | undefined
  #nextId = 1
  #closed = false
  readonly #waiting = new Map<number, { resolve: (hex: string) => void; reject: (error: Error) => void }>()

  /** @param offset bytes that already stand in the file, from before a restart: they are hashed again */
  follow(path: string, algorithm: DigestAlgorithm, offset: number): FileHash {
    return new FileHash(this, { id: this.#nextId++, path, algorithm }, offset)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#failAll(new StorageError('CLOSED', 'the storage was closed while bytes were being verified'))
    await this.#worker?.terminate()
  }

  /** For {@link FileHash} only. */
  send(request: HashRequest): void {
    if (!this.#closed) this.#running().postMessage(request)
  }

  /** For {@link FileHash} only. */
  finish(job: HashJob, to: number): Promise<string> {
    if (this.#closed) return Promise.reject(new StorageError('CLOSED', 'the storage is closed'))
    return new Promise((resolve, reject) => {
      this.#waiting.set(job.id, { resolve, reject })
      this.#running().ref()
      this.send({ kind: 'finish', to, ...job })
    })
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), { name: 'causeway-hash' })
    worker.unref()
    worker.on('message', (message: HashReply) => this.#settle(message))
    worker.on('error', (cause) => {
      // The next request starts another one, which reads from the first byte what this one had read.
      if (this.#worker === worker) this.#worker = undefined
      this.#failAll(new StorageError('DISK_FAILED', 'the hashing worker stopped', { cause }))
    })
    this.#worker = worker
    return worker
  }

  #settle(message: HashReply): void {
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if ('hex' in message) waiting?.resolve(message.hex)
    else waiting?.reject(Object.assign(new Error(message.error), { code: message.code }))
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}

/** The hash of one partial file as it grows. */
export class FileHash {
  readonly #hasher: Hasher
  readonly #job: HashJob
  /** Present while the file is small; the worker has it from then on. */
  #inline: Hash | undefined

  constructor(hasher: Hasher, job: HashJob, offset: number) {
    this.#hasher = hasher
    this.#job = job
    if (offset === 0) this.#inline = createHash(job.algorithm)
    else this.#advance(offset)
  }

  /** To be called after `chunk` was written, with where the file ends now. */
  wrote(chunk: Uint8Array, end: number): void {
    if (this.#inline !== undefined && end <= smallBytes) this.#inline.update(chunk)
    else this.#advance(end)
  }

  /** The hash of the first `end` bytes in hex; afterwards this object is of no more use. */
  hex(end: number, algorithm: DigestAlgorithm): Promise<string> {
    const guessed = algorithm === this.#job.algorithm
    if (guessed && this.#inline !== undefined) return Promise.resolve(this.#inline.digest('hex'))
    if (guessed) return this.#hasher.finish(this.#job, end)
    // An upload says its algorithm last: a wrong guess costs a second reading.
    this.forget()
    return this.#hasher.finish({ ...this.#job, algorithm }, end)
  }

  forget(): void {
    if (this.#inline === undefined) this.#hasher.send({ kind: 'forget', id: this.#job.id })
  }

  #advance(end: number): void {
    this.#inline = undefined
    this.#hasher.send({ kind: 'advance', to: end, ...this.#job })
  }
}
