import { algorithmOf, digestOf, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'

/** All in bytes. */
export interface ByteCacheLimits {
  readonly most: number
  /** Larger ones would drive out everything else. */
  readonly largest: number
}

/**
 * Small content by digest, so that polling costs no file access. Digests do not change, so nothing here grows stale; and
 * what would be sent again and again is verified when it is read.
 */
export class ByteCache {
  readonly largest: number
  readonly #most: number
  readonly #entries = new Map<Digest, Buffer>()
  #bytes = 0

  constructor({ most, largest }: ByteCacheLimits) {
    this.#most = most
    this.largest = largest
  }

  /** Of what is held; undefined for what is not. */
  size(digest: Digest): number | undefined {
    return this.#entries.get(digest)?.length
  }

  /**
   * The bytes from memory, or from `read`.
   *
   * @throws {OciError} `BLOB_UNKNOWN` where what was read is damaged
   */
  async get(digest: Digest, read: () => Promise<Buffer>): Promise<Buffer> {
    const held = this.#entries.get(digest)
    if (held !== undefined) {
      this.#entries.delete(digest)
      this.#entries.set(digest, held)
      return held
    }
    const bytes = await read()
    if (bytes.length > this.largest || this.#entries.has(digest)) return bytes
    if (digestOf(bytes, algorithmOf(digest)) !== digest)
      throw new OciError('BLOB_UNKNOWN', `${digest} is damaged on the disk; the next sync brings it again`)
    this.#add(digest, bytes)
    return bytes
  }

  #add(digest: Digest, bytes: Buffer): void {
    this.#entries.set(digest, bytes)
    this.#bytes += bytes.length
    for (const [oldest, { length }] of this.#entries) {
      if (this.#bytes <= this.#most) return
      this.#entries.delete(oldest)
      this.#bytes -= length
    }
  }
}
