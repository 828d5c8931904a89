import { constants } from 'node:fs'
import { open, readFile, rm, stat, type FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { algorithmOf, isDigest, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { makeFolder, syncFolder } from './durable.ts'
import { diskError, StorageError, systemCode } from './errors.ts'
import type { Hasher } from './hasher.ts'
import { FileIngest } from './ingest.ts'
import { fileMode, type StoragePaths } from './paths.ts'
import type { BlobStore, Ingest } from './storage.ts'

/** Node's own 64 KiB cost half of the throughput; beyond this size little is gained. */
const readBytes = 512 * 1024

/** Blobs as files named by their digest. */
export class FileBlobs implements BlobStore {
  readonly #paths: StoragePaths
  readonly #hasher: Hasher
  readonly #held = new Map<string, FileIngest | undefined>()
  readonly #folders = new Map<string, Promise<void>>()

  constructor(paths: StoragePaths, hasher: Hasher) {
    this.#paths = paths
    this.#hasher = hasher
  }

  async size(digest: Digest): Promise<number | undefined> {
    try {
      return (await stat(this.#paths.blob(digest))).size
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return undefined
      throw diskError('looking for a blob', cause)
    }
  }

  async read(digest: Digest, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
    // Opened before it is given out: whoever answers a puller learns of a missing blob before the first header.
    const handle = await this.#existing(digest, () => open(this.#paths.blob(digest), 'r'))
    return handle.createReadStream({ highWaterMark: readBytes, ...range })
  }

  bytes(digest: Digest): Promise<Buffer> {
    return this.#existing(digest, () => readFile(this.#paths.blob(digest)))
  }

  async ingest(key: string): Promise<Ingest> {
    if (this.#held.has(key))
      throw new StorageError('INGEST_BUSY', 'these bytes are already on their way; wait for who is bringing them')
    this.#held.set(key, undefined)
    try {
      const handle = await this.#openPartial(key)
      const { size } = await handle.stat()
      const ingest = new FileIngest({
        key,
        handle,
        offset: size,
        paths: this.#paths,
        hasher: this.#hasher,
        algorithm: isDigest(key) ? algorithmOf(key) : 'sha256',
        makeFolder: (folder) => this.#makeFolder(folder),
        release: () => this.#held.delete(key)
      })
      this.#held.set(key, ingest)
      return ingest
    } catch (cause) {
      this.#held.delete(key)
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

  #openPartial(key: string): Promise<FileHandle> {
    return open(this.#paths.partial(key), constants.O_RDWR | constants.O_CREAT, fileMode)
  }

  async #existing<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') throw new OciError('BLOB_UNKNOWN', `blob ${digest} is not here`, { cause })
      throw diskError('reading a blob', cause)
    }
  }
}
