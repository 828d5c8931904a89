import type { Digest } from '../oci/digest.ts'

/** Image manifests are some kilobytes: this holds a thousand of them. */
const mostBytes = 16 * 1024 * 1024
/** Larger ones (indexes with thousands of entries) would drive out everything else. */
const largest = 1024 * 1024

/** Manifests' bytes by digest, so that polling costs no file access. Digests do not change, so nothing here grows stale. */
export class ManifestCache {
  readonly #entries = new Map<Digest, Buffer>()
  #bytes = 0

  /** The bytes from memory, or from `read`. */
  async get(digest: Digest, read: () => Promise<Buffer>): Promise<Buffer> {
    const held = this.#entries.get(digest)
    if (held !== undefined) {
      this.#entries.delete(digest)
      this.#entries.set(digest, held)
      return held
    }
    const bytes = await read()
    if (bytes.length <= largest && !this.#entries.has(digest)) this.#add(digest, bytes)
    return bytes
  }

  #add(digest: Digest, bytes: Buffer): void {
    this.#entries.set(digest, bytes)
    this.#bytes += bytes.length
    for (const [oldest, { length }] of this.#entries) {
      if (this.#bytes <= mostBytes) return
      this.#entries.delete(oldest)
      this.#bytes -= length
    }
  }
}
