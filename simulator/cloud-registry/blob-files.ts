import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { algorithmOf, digestOf, hexOf, type Digest } from '../../module/oci/digest.ts'

/** The bytes of the pretend cloud, one file for each digest, shared by all its registries. Nothing here survives a restart. */
export class BlobFiles {
  readonly #folder: string
  readonly #sizes = new Map<Digest, number>()

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async open(folder: string): Promise<BlobFiles> {
    await mkdir(join(folder, 'uploads'), { recursive: true })
    return new BlobFiles(folder)
  }

  /** Bytes, or undefined where the blob is not here. */
  size(digest: Digest): number | undefined {
    return this.#sizes.get(digest)
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes)
    if (this.#sizes.has(digest)) return digest
    const upload = await this.startUpload()
    await upload.append(bytes)
    await upload.commit(digest)
    return digest
  }

  async startUpload(): Promise<BlobUpload> {
    const path = join(this.#folder, 'uploads', randomUUID())
    return new BlobUpload(await open(path, 'w+'), path, (digest, size) => this.#take(path, digest, size))
  }

  /** The bytes from `start` to `end`, both counted in, as of a Range header. */
  read(digest: Digest, start: number, end: number): Readable {
    return createReadStream(this.#path(digest), { start, end, highWaterMark: 256 * 1024 })
  }

  async #take(path: string, digest: Digest, size: number): Promise<void> {
    await mkdir(dirname(this.#path(digest)), { recursive: true })
    await rename(path, this.#path(digest))
    this.#sizes.set(digest, size)
  }

  #path(digest: Digest): string {
    return join(this.#folder, 'blobs', algorithmOf(digest), hexOf(digest).slice(0, 2), hexOf(digest))
  }
}

/** A blob on its way in. */
export class BlobUpload {
  length = 0
  readonly #file: FileHandle
  readonly #path: string
  readonly #commit: (digest: Digest, size: number) => Promise<void>

  constructor(file: FileHandle, path: string, commit: (digest: Digest, size: number) => Promise<void>) {
    this.#file = file
    this.#path = path
    this.#commit = commit
  }

  async append(bytes: Uint8Array): Promise<void> {
    let written = 0
    while (written < bytes.length)
      written += (await this.#file.write(bytes, written, bytes.length - written, this.length + written)).bytesWritten
    this.length += bytes.length
  }

  /** Ends the upload; false, and nothing kept, where the bytes are not what the digest says. */
  async commit(digest: Digest): Promise<boolean> {
    const hash = createHash(algorithmOf(digest))
    const stream = this.#file.createReadStream({ start: 0, autoClose: false })
    for await (const part of stream) hash.update(part as Buffer)
    if (hash.digest('hex') !== hexOf(digest)) {
      await this.discard()
      return false
    }
    await this.#file.close()
    await this.#commit(digest, this.length)
    return true
  }

  async discard(): Promise<void> {
    await this.#file.close()
    await rm(this.#path, { force: true })
  }
}
