import type { Digest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'
import { fetchBlob, type BlobTransferOptions } from './blob-transfer.ts'
import { RankedLimiter } from './limiter.ts'
import { asParentFault } from './ports.ts'

export interface TransfersOptions extends Omit<BlobTransferOptions, 'onOffset'> {
  /** Where an image stands in the order; below zero for one that somebody waits for. */
  readonly rankOf: (image: string) => number
  /** The first bytes of a blob are about to come, for these images. */
  readonly onBegin: (images: readonly string[]) => void
  /** Bytes of a blob that are here now. */
  readonly onOffset: (digest: Digest, offset: number) => void
  readonly onComplete: (digest: Digest) => void
}

/** Several connections fill a link with losses better than one; a gateway's disk and memory bound how many. */
const blobsAtOnce = 3
/** Connections more for an image that somebody waits for. */
const blobsForUrgent = 2

/** The blobs of one pass: each is fetched once, whoever asks for it, and the most urgent image's first. */
export class Transfers {
  readonly #options: TransfersOptions
  readonly #limiter = new RankedLimiter(blobsAtOnce, blobsForUrgent)
  readonly #underWay = new Map<Digest, Promise<void>>()
  readonly #wantedBy = new Map<Digest, string[]>()

  constructor(options: TransfersOptions) {
    this.#options = options
  }

  /** Says that an image needs blobs, before any of them is fetched: a shared one comes as early as its first image. */
  expect(image: string, blobs: Iterable<Digest>): void {
    for (const digest of blobs) {
      const images = this.#wantedBy.get(digest)
      if (images === undefined) this.#wantedBy.set(digest, [image])
      else images.push(image)
    }
  }

  /** One transfer for a blob, whoever asks first; its failure is the answer to all, unless another repository may try. */
  fetch(repository: Repository, digest: Digest, size: number): Promise<void> {
    const underWay = this.#underWay.get(digest)
    if (underWay !== undefined) return underWay
    const transfer = this.#fetch(repository, digest, size)
    this.#underWay.set(digest, transfer)
    return transfer
  }

  /** The order has changed. */
  reconsider(): void {
    this.#limiter.reconsider()
  }

  async #fetch(repository: Repository, digest: Digest, size: number): Promise<void> {
    const { allowance, content, onBegin, onComplete, onOffset, rankOf, signal } = this.#options
    const images = this.#wantedBy.get(digest) ?? []
    try {
      // A blob that is here, for whatever repository, needs no place in the queue: only a link, which comes with the tag.
      if ((await content.blobs.size(digest)) !== size) {
        allowance.wrongBlobs.check(digest)
        await this.#limiter.run(
          () => Math.min(...images.map(rankOf)),
          async () => {
            signal.throwIfAborted()
            onBegin(images)
            const options = { ...this.#options, onOffset: (offset: number) => onOffset(digest, offset) }
            await fetchBlob({ repository, digest, size }, options)
          }
        )
      }
    } catch (error) {
      const code = asParentFault(error)?.code
      if (code === 'PARENT_DENIED' || code === 'PARENT_NOT_FOUND') this.#underWay.delete(digest)
      throw error
    }
    onComplete(digest)
  }
}
