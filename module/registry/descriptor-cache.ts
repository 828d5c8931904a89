import type { Digest } from '../oci/digest.ts'

/** Characters: ten thousand descriptors of signatures. A descriptor repeats its manifest's annotations, up to megabytes. */
const mostCharacters = 4 * 1024 * 1024
const largest = 64 * 1024

type Key = Digest | `${Digest} ${string}`

/**
 * Descriptors of manifests as JSON, so that a page of referrers need not read each of them again: by digest, and by digest and media
 * type where the document has no type itself, for repositories may hold the same bytes with different ones.
 */
export class DescriptorCache {
  readonly #texts = new Map<Key, string>()
  #characters = 0

  get(key: Key): string | undefined {
    return this.#texts.get(key)
  }

  add(key: Key, text: string): void {
    if (text.length > largest || this.#texts.has(key)) return
    this.#texts.set(key, text)
    this.#characters += text.length
    for (const [oldest, { length }] of this.#texts) {
      if (this.#characters <= mostCharacters) return
      this.#texts.delete(oldest)
      this.#characters -= length
    }
  }
}
