import { rm, type FileHandle } from 'node:fs/promises'
import { algorithmOf, hexOf, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Admission, Disk } from './disk.ts'
import { moveInto } from './durable.ts'
import { diskError, StorageError, systemCode } from './errors.ts'
import type { FileHash, Hasher } from './hasher.ts'
import type { Leases } from './leases.ts'
import type { StoragePaths } from './paths.ts'
import type { Ingest, SocketSource } from './storage.ts'
import type { Turns } from './turns.ts'

/** Bytes that are counted against the disk's room at once, before they come from a socket: threads take turns for each. */
const pieceBytes = 64 * 1024 * 1024

/** What an ingest is made of. */
export interface IngestParts {
  readonly key: string
  readonly handle: FileHandle
  /** Bytes already in the file. */
  readonly offset: number
  readonly paths: StoragePaths
  readonly hasher: Hasher
  readonly disk: Disk
  readonly leases: Leases
  /** Waited for before each fsync: how tests and measurements make a disk slow. */
  readonly beforeSync: () => Promise<void>
  /** What waits for the disk's cache to be written takes turns. */
  readonly turns: Turns
  /** What the digest will most likely be. */
  readonly algorithm: DigestAlgorithm
  readonly makeFolder: (folder: string) => Promise<void>
  /** Lets others open the same key. */
  readonly release: () => void
}

/** A partial file and its hash. Calls are carried out one after another, in the order they were made. */
export class FileIngest implements Ingest {
  readonly #parts: IngestParts
  readonly #path: string
  #offset: number
  #hash: FileHash
  #open = true
  #admission: Admission | undefined
  #last: Promise<unknown> = Promise.resolve()
  /** Counts what a thread is writing just now. */
  #coming: Int32Array | undefined
  /** Whoever lets go does not wait for a sender. */
  readonly #leaving = new AbortController()

  constructor(parts: IngestParts) {
    this.#parts = parts
    this.#path = parts.paths.partial(parts.key)
    this.#offset = parts.offset
    this.#hash = parts.hasher.follow(this.#path, parts.algorithm, parts.offset)
  }

  get offset(): number {
    return this.#offset + (this.#coming === undefined ? 0 : Atomics.load(this.#coming, 0))
  }

  expect(bytes: number): Promise<void> {
    return this.#next(async () => {
      this.#admission?.release()
      this.#admission = await this.#parts.disk.admit(bytes)
    })
  }

  append(chunk: Uint8Array): Promise<void> {
    return this.#next(async () => {
      await this.#parts.disk.take(chunk.byteLength, this.#admission?.left ?? 0)
      this.#admission?.used(chunk.byteLength)
      try {
        await writeAll(this.#parts.handle, chunk, this.#offset)
      } catch (cause) {
        // A part of the chunk may stand there: the offset is what was taken, so the file must not be longer.
        await this.#parts.handle.truncate(this.#offset).catch(() => undefined)
        throw this.#failed('writing a partial file', cause)
      }
      this.#offset += chunk.byteLength
      this.#hash.wrote(chunk, this.#offset)
    })
  }

  receive(source: SocketSource): Promise<void> {
    return this.#next(async () => {
      const signal = AbortSignal.any([this.#leaving.signal, ...(source.signal === undefined ? [] : [source.signal])])
      for (let left = source.length; left > 0 && !signal.aborted;) {
        const piece = Math.min(left, pieceBytes)
        await this.#parts.disk.take(piece, this.#admission?.left ?? 0)
        const stored = await this.#receive(piece, { ...source, signal })
        if (stored < piece) return
        left -= stored
      }
    })
  }

  /** @returns bytes that came, fewer than `length` where no more do */
  async #receive(length: number, { socket, signal }: SocketSource): Promise<number> {
    const { handle } = this.#parts
    const coming = new Int32Array(new SharedArrayBuffer(4))
    this.#coming = coming
    let failure: { readonly cause: unknown } | undefined
    try {
      await this.#hash.receive({ socket, file: handle.fd, from: this.#offset, length, stored: coming }, signal)
    } catch (cause) {
      failure = { cause }
    }
    const stored = Atomics.load(coming, 0)
    this.#coming = undefined
    this.#offset += stored
    this.#admission?.used(stored)
    // A sender that went away is no failure of the disk: what it brought stays.
    if (failure === undefined || systemCode(failure.cause) === 'ECONNRESET') return stored
    await handle.truncate(this.#offset).catch(() => undefined)
    throw this.#failed('writing a partial file', failure.cause)
  }

  flush(): Promise<void> {
    return this.#next(async () => {
      await this.#attempt('flushing a partial file', async () => {
        const { beforeSync, handle, turns } = this.#parts
        await turns.run(async () => {
          await beforeSync()
          await handle.datasync()
        })
      })
    })
  }

  restart(): Promise<void> {
    return this.#next(async () => {
      this.#hash.forget()
      await this.#attempt('emptying a partial file', () => this.#parts.handle.truncate(0))
      this.#offset = 0
      this.#hash = this.#parts.hasher.follow(this.#path, this.#parts.algorithm, 0)
    })
  }

  commit(digest: Digest): Promise<{ readonly size: number }> {
    return this.#next(async () => {
      const { beforeSync, handle, leases, makeFolder, paths, turns } = this.#parts
      const size = this.#offset
      let wrong = false
      try {
        const hex = await this.#attempt('verifying a partial file', () => this.#hash.hex(size, algorithmOf(digest)))
        wrong = hex !== hexOf(digest)
        if (wrong) throw new OciError('DIGEST_INVALID', `the ${size} bytes received are not ${digest}`)
        await this.#attempt('making a blob durable', () =>
          turns.run(async () => {
            await beforeSync()
            await handle.sync()
            await makeFolder(paths.blobFolder(digest))
          })
        )
        // From here on the bytes stand among those that garbage collection looks at.
        const letGo = await leases.hold(digest)
        try {
          await this.#attempt('making a blob durable', () =>
            turns.run(() => moveInto(this.#path, paths.blob(digest), paths.blobFolder(digest)))
          )
        } finally {
          letGo()
        }
      } finally {
        // A disk that was full just now is no reason to pay for the same bytes again.
        await this.#letGo(wrong)
      }
      return { size }
    })
  }

  async close(): Promise<void> {
    await this.#end(false)
  }

  async discard(): Promise<void> {
    await this.#end(true)
  }

  async #end(remove: boolean): Promise<void> {
    this.#leaving.abort()
    // Letting go twice, or after commit, is what a `finally` does.
    await this.#last
    if (!this.#open) return
    await this.#next(async () => {
      this.#hash.forget()
      await this.#letGo(remove)
    })
  }

  async #letGo(remove: boolean): Promise<void> {
    this.#open = false
    this.#admission?.release()
    await this.#parts.handle.close()
    if (remove) await rm(this.#path, { force: true })
    this.#parts.release()
  }

  async #attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      throw this.#failed(what, cause)
    }
  }

  #failed(what: string, cause: unknown): Error {
    const error = diskError(what, cause)
    if (error instanceof StorageError && error.code === 'DISK_FULL') this.#parts.disk.failed(error.message)
    return error
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (!this.#open) throw new StorageError('CLOSED', 'this partial file was let go of; open it again')
      return work()
    })
    this.#last = result.catch(() => undefined)
    return result
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < chunk.byteLength) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.byteLength - done, position + done)
    done += bytesWritten
  }
}
