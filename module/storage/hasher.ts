import { createHash, type Hash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { loadLibc } from '../libc/libc.ts'
import type { DigestAlgorithm } from '../oci/digest.ts'
import { HashLane } from './hash-lane.ts'
import type { HashJob, ReceiveOrder } from './hash-protocol.ts'

/** Files that stay below this are hashed as they pass: a worker's round trip costs more than they do. */
const smallBytes = 256 * 1024
/** Two fill the disks of gateways; more would take the cores from those who pull. */
const mostLanes = 2

/** Hashes partial files while they are written, so that nothing is read a second time after the last byte. */
export class Hasher {
  readonly #lanes: readonly HashLane[]
  #nextId = 1

  /** @param idleMs for how long a thread stays without a file to hash, in milliseconds */
  constructor(idleMs?: number) {
    this.#lanes = Array.from({ length: Math.min(mostLanes, availableParallelism()) }, () => new HashLane(idleMs))
  }

  /** How many threads there are now. */
  get threads(): number {
    return this.#lanes.filter((lane) => lane.isRunning).length
  }

  /** @param offset bytes that already stand in the file, from before a restart: they are hashed again */
  follow(path: string, algorithm: DigestAlgorithm, offset: number): FileHash {
    return new FileHash(this, { id: this.#nextId++, path, algorithm }, offset)
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }

  /** For {@link FileHash} only: the thread with the least to do, the first where they are alike. */
  lane(): HashLane {
    return this.#lanes.reduce((least, lane) => (lane.jobs < least.jobs ? lane : least))
  }
}

/** The hash of one partial file as it grows. */
export class FileHash {
  readonly #hasher: Hasher
  readonly #job: HashJob
  /** Present while the file is small; a lane has it from then on. */
  #inline: Hash | undefined
  #lane: HashLane | undefined

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

  /**
   * Takes bytes from a socket into the file, and hashes them.
   *
   * @throws {Error} of the system, where the socket or the file fails; `order.stored` says how far it was
   */
  async receive(order: Omit<ReceiveOrder, 'wake'>, signal: AbortSignal | undefined): Promise<void> {
    const libc = await loadLibc()
    if (libc === undefined) throw new Error('bytes are received from sockets only where the system calls are there')
    if (signal?.aborted === true) return
    const lane = this.#follow()
    const stop = (): void => lane.send({ kind: 'stop', id: this.#job.id })
    signal?.addEventListener('abort', stop)
    try {
      await lane.receive(this.#job, order, libc)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** The hash of the first `end` bytes in hex; afterwards this object is of no more use. */
  async hex(end: number, algorithm: DigestAlgorithm): Promise<string> {
    const guessed = algorithm === this.#job.algorithm
    if (guessed && this.#inline !== undefined) return this.#inline.digest('hex')
    // An upload says its algorithm last: a wrong guess costs a second reading.
    if (!guessed) this.forget()
    const lane = this.#follow()
    try {
      return await lane.finish({ ...this.#job, algorithm }, end)
    } finally {
      this.#left()
    }
  }

  forget(): void {
    this.#lane?.send({ kind: 'forget', id: this.#job.id })
    this.#left()
  }

  #advance(end: number): void {
    this.#follow().send({ kind: 'advance', to: end, ...this.#job })
  }

  #follow(): HashLane {
    this.#inline = undefined
    if (this.#lane === undefined) {
      this.#lane = this.#hasher.lane()
      this.#lane.joined()
    }
    return this.#lane
  }

  #left(): void {
    this.#lane?.left()
    this.#lane = undefined
  }
}
