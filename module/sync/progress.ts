import type { Digest } from '../oci/digest.ts'

/** Bytes that are here and bytes that belong here. */
export interface Bytes {
  readonly bytesDone: number
  readonly bytesTotal: number
}

interface Blob {
  readonly size: number
  done: number
  /** Images that consist of it, among others. */
  readonly images: Set<string>
}

/**
 * How much of which image is here, where images share blobs and a shared blob counts once over all. The sums are kept as they
 * change: a device may hold ten thousand images, and each blob that comes must not cost a look at all of them.
 */
export class Progress {
  readonly #blobs = new Map<Digest, Blob>()
  readonly #images = new Map<string, readonly Digest[]>()
  #bytesDone = 0
  #bytesTotal = 0

  /** Says what an image consists of, in place of what was said before. */
  expect(image: string, blobs: ReadonlyMap<Digest, number>): void {
    const before = this.#images.get(image) ?? []
    this.#images.set(image, [...blobs.keys()])
    for (const [digest, size] of blobs) this.#want(image, digest, size)
    for (const digest of before) if (!blobs.has(digest)) this.#release(image, digest)
  }

  /** Forgets every image but these. */
  keepOnly(images: ReadonlySet<string>): void {
    for (const [image, digests] of this.#images) {
      if (images.has(image)) continue
      this.#images.delete(image)
      for (const digest of digests) this.#release(image, digest)
    }
  }

  set(digest: Digest, done: number): void {
    const blob = this.#blobs.get(digest)
    if (blob === undefined) return
    const now = Math.min(done, blob.size)
    this.#bytesDone += now - blob.done
    blob.done = now
  }

  complete(digest: Digest): void {
    this.set(digest, Number.MAX_SAFE_INTEGER)
  }

  /** Names of the images that need this blob. */
  imagesWith(digest: Digest): string[] {
    return [...(this.#blobs.get(digest)?.images ?? [])]
  }

  ofImage(image: string): Bytes | undefined {
    const digests = this.#images.get(image)
    if (digests === undefined) return undefined
    let bytesDone = 0
    let bytesTotal = 0
    for (const digest of digests) {
      const blob = this.#blobs.get(digest)
      bytesDone += blob?.done ?? 0
      bytesTotal += blob?.size ?? 0
    }
    return { bytesDone, bytesTotal }
  }

  overall(): Bytes {
    return { bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal }
  }

  #want(image: string, digest: Digest, size: number): void {
    const known = this.#blobs.get(digest)
    if (known !== undefined) known.images.add(image)
    else {
      this.#blobs.set(digest, { size, done: 0, images: new Set([image]) })
      this.#bytesTotal += size
    }
  }

  #release(image: string, digest: Digest): void {
    const blob = this.#blobs.get(digest)
    if (blob?.images.delete(image) !== true || blob.images.size > 0) return
    this.#blobs.delete(digest)
    this.#bytesDone -= blob.done
    this.#bytesTotal -= blob.size
  }
}
