import { constants } from 'node:fs'
import { open, readFile, rm, stat, type FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { algorithmOf, isDigest, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { makeFolder, syncFolder } from './durable.ts'
import { diskError, StorageError, systemCode } from './errors.ts'
import { FileIngest, type IngestParts } from './ingest.ts'
import { fileMode, type StoragePaths } from './paths.ts'
import type { BlobFile, BlobStore, Ingest } from './storage.ts'

/** Node's own 64 KiB cost half of the throughput; beyond this size little is gained. */
const readBytes = 512 * 1024

/** What blobs and those who clean up behind them work with. */
export type BlobParts = Pick<IngestParts, 'paths' | 'hasher' | 'disk' | 'leases' | 'beforeSync' | 'turns'>

/** Blobs as files named by their digest. */
export class FileBlobs implements BlobStore {
  readonly #parts: BlobParts
  readonly #paths: StoragePaths
  /** Partial files that somebody holds, by path. */
  readonly #held = new Map<string, FileIngest | undefined>()
  readonly #folders = new Map<string, Promise<void>>()

  constructor(parts: BlobParts) {
    this.#parts = parts
    this.#paths = parts.paths
  }

  async size(digest: Digest): Promise<number | undefined> {
    const { leases } = this.#parts
    if (leases.isLeaving(digest)) return undefined
    // Before the look: whoever hears "it is here" relies on it from then on.
    leases.touch(digest)
    try {
      return (await stat(this.#paths.blob(digest))).size
    } catch (cause) {
      if (systemCode(cause) !== 'ENOENT') throw diskError('looking for a blob', cause)
      leases.forget(digest)
      return undefined
    }
  }

  async read(digest: Digest, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
    // Opened before it is given out: whoever answers a puller learns of a missing blob before the first header.
    const handle = await this.#existing(digest, () => open(this.#paths.blob(digest), 'r'))
    return handle.createReadStream({ highWaterMark: readBytes, ...range })
  }

  async open(digest: Digest): Promise<BlobFile | undefined> {
    const { leases } = this.#parts
    if (leases.isLeaving(digest)) return undefined
    leases.touch(digest)
    let handle: FileHandle
    try {
      handle = await open(this.#paths.blob(digest), 'r')
    } catch (cause) {
      if (systemCode(cause) !== 'ENOENT') throw diskError('opening a blob', cause)
      leases.forget(digest)
      return undefined
    }
    try {
      const { size } = await handle.stat()
      return { descriptor: handle.fd, size, close: () => handle.close() }
    } catch (cause) {
      await handle.close()
      throw diskError('opening a blob', cause)
    }
  }

  bytes(digest: Digest): Promise<Buffer> {
    return this.#existing(digest, () => readFile(this.#paths.blob(digest)))
  }

  async ingest(key: string, algorithm?: DigestAlgorithm): Promise<Ingest> {
    return this.#hold(key, algorithm, constants.O_CREAT)
  }

  async resume(key: string, algorithm?: DigestAlgorithm): Promise<Ingest | undefined> {
    try {
      return await this.#hold(key, algorithm, 0)
    } catch (error) {
      if (error instanceof StorageError && systemCode(error.cause) === 'ENOENT') return undefined
      throw error
    }
  }

  async #hold(key: string, algorithm: DigestAlgorithm = 'sha256', create: number): Promise<Ingest> {
    const path = this.#paths.partial(key)
    if (this.#held.has(path))
      throw new StorageError('INGEST_BUSY', 'these bytes are already on their way; wait for who is bringing them')
    this.#held.set(path, undefined)
    try {
      const handle = await open(path, constants.O_RDWR | create, fileMode)
      const { size } = await handle.stat()
      const ingest = new FileIngest({
        ...this.#parts,
        key,
        handle,
        offset: size,
        algorithm: isDigest(key) ? algorithmOf(key) : algorithm,
        makeFolder: (folder) => this.#makeFolder(folder),
        release: () => this.#held.delete(path)
      })
      this.#held.set(path, ingest)
      return ingest
    } catch (cause) {
      this.#held.delete(path)
      throw diskError('opening a partial file', cause)
    }
  }

  async remove(digest: Digest): Promise<void> {
    try {
      await rm(this.#paths.blob(digest))
      await syncFolder(this.#paths.blobFolder(digest))
    } catch (cause) {
      if (systemCode(cause) !== 'ENOENT') throw diskError('removing a blob', cause)
    }
  }

  /** Removes a partial file that nobody holds. @returns whether it did */
  async removePartial(path: string): Promise<boolean> {
    if (this.#held.has(path)) return false
    // Held by nobody in particular, so that an ingest which begins now does not write into a file that is going away.
    this.#held.set(path, undefined)
    try {
      await rm(path)
      return true
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return false
      throw diskError('removing a partial file', cause)
    } finally {
      this.#held.delete(path)
    }
  }

  /** Lets go of every partial file, keeping them. */
  async close(): Promise<void> {
    await Promise.all([...this.#held.values()].map(async (ingest) => ingest?.close()))
  }

  /** Once for each folder: a second commit must not finish before the first has made their folder durable. */
  #makeFolder(folder: string): Promise<void> {
    let making = this.#folders.get(folder)
    if (making === undefined) {
      making = makeFolder(folder)
      this.#folders.set(folder, making)
      making.catch(() => this.#folders.delete(folder))
    }
    return making
  }

  async #existing<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    try {
      if (this.#parts.leases.isLeaving(digest)) throw new OciError('BLOB_UNKNOWN', `blob ${digest} is not here`)
      return await work()
    } catch (cause) {
      if (cause instanceof OciError) throw cause
      if (systemCode(cause) === 'ENOENT') throw new OciError('BLOB_UNKNOWN', `blob ${digest} is not here`, { cause })
      throw diskError('reading a blob', cause)
    }
  }
}
