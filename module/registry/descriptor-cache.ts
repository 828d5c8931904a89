import type { Digest } from '../oci/digest.ts'

/** Characters: ten thousand descriptors of signatures. A descriptor repeats its manifest's annotations, up to megabytes. */
const mostCharacters = 4 * 1024 * 1024
const largest = 64 * 1024

/**
 * Descriptors of manifests as JSON, so that a page of referrers need not read each of them again. For each media type by itself:
 * where the document has none, repositories may hold the same bytes with different ones.
 */
export class DescriptorCache {
  readonly #texts = new Map<`${Digest} ${string}`, string>()
  #characters = 0

  get(digest: Digest, mediaType: string): string | undefined {
    return this.#texts.get(`${digest} ${mediaType}`)
  }

  add(digest: Digest, mediaType: string, text: string): void {
    const key = `${digest} ${mediaType}` as const
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
