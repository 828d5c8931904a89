import type { Digest } from '../oci/digest.ts'

/** Bytes that are here and bytes that belong here. */
export interface Bytes {
  readonly bytesDone: number
  readonly bytesTotal: number
}

/** How much of which image is here, where images share blobs and a shared blob counts once over all. */
export class Progress {
  readonly #blobs = new Map<Digest, { readonly size: number; done: number }>()
  readonly #images = new Map<string, ReadonlySet<Digest>>()

  /** Says what an image consists of, in place of what was said before. */
  expect(image: string, blobs: ReadonlyMap<Digest, number>): void {
    this.#images.set(image, new Set(blobs.keys()))
    for (const [digest, size] of blobs) if (!this.#blobs.has(digest)) this.#blobs.set(digest, { size, done: 0 })
  }

  /** Forgets every image but these. */
  keepOnly(images: ReadonlySet<string>): void {
    for (const image of this.#images.keys()) if (!images.has(image)) this.#images.delete(image)
  }

  set(digest: Digest, done: number): void {
    const blob = this.#blobs.get(digest)
    if (blob !== undefined) blob.done = Math.min(done, blob.size)
  }

  complete(digest: Digest): void {
    this.set(digest, Number.MAX_SAFE_INTEGER)
  }

  /** Names of the images that need this blob. */
  imagesWith(digest: Digest): string[] {
    return [...this.#images].filter(([, blobs]) => blobs.has(digest)).map(([image]) => image)
  }

  ofImage(image: string): Bytes | undefined {
    const blobs = this.#images.get(image)
    return blobs === undefined ? undefined : this.#sum(blobs)
  }

  overall(): Bytes {
    return this.#sum(new Set([...this.#images.values()].flatMap((blobs) => [...blobs])))
  }

  #sum(digests: ReadonlySet<Digest>): Bytes {
    let bytesDone = 0
    let bytesTotal = 0
    for (const digest of digests) {
      const blob = this.#blobs.get(digest)
      bytesDone += blob?.done ?? 0
      bytesTotal += blob?.size ?? 0
    }
    return { bytesDone, bytesTotal }
  }
}
