import type { Digest } from '../oci/digest.ts'

/** Characters: ten thousand descriptors of signatures. A descriptor repeats its manifest's annotations, up to megabytes. */
const mostCharacters = 4 * 1024 * 1024
const largest = 64 * 1024

/** Descriptors of manifests as JSON, so that a page of referrers need not read each of them again. */
export class DescriptorCache {
  readonly #texts = new Map<Digest, string>()
  #characters = 0

  get(digest: Digest): string | undefined {
    return this.#texts.get(digest)
  }

  add(digest: Digest, text: string): void {
    if (text.length > largest || this.#texts.has(digest)) return
    this.#texts.set(digest, text)
    this.#characters += text.length
    for (const [oldest, { length }] of this.#texts) {
      if (this.#characters <= mostCharacters) return
      this.#texts.delete(oldest)
      this.#characters -= length
    }
  }
}
