import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { fetchBlob, type BlobTransferOptions, type WantedBlob } from './blob-transfer.ts'
import { RankedLimiter } from './limiter.ts'
import { UnderWay } from './under-way.ts'

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
/** As many as images whose tag is asked for at once: these cost as little. */
const questionsAtOnce = 4

/** The blobs of one pass: the bytes of each are fetched once, whoever asks for it, and the most urgent image's first. */
export class Transfers {
  readonly #options: TransfersOptions
  readonly #limiter = new RankedLimiter(blobsAtOnce, blobsForUrgent)
  readonly #questions = new RankedLimiter(questionsAtOnce, blobsForUrgent)
  readonly #underWay = new UnderWay()
  /** What became of each, by repository, digest and the size that the manifest says. */
  readonly #answers = new Map<string, Promise<void>>()
  /** Why the parent's bytes are not the blob, by digest and size: they would be no better for another repository, and cost the same. */
  readonly #wrong = new Map<string, OciError>()
  readonly #complete = new Set<Digest>()
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

  /**
   * One transfer for a blob, whoever asks first; what does not work for one repository is tried for the next that asks. Where the
   * bytes did not come from the repository itself, it has to have the blob in the parent: a manifest may name anything.
   */
  fetch(repository: Repository, digest: Digest, size: number): Promise<void> {
    const key = `${repository}@${digest} ${size}`
    const answer = this.#answers.get(key) ?? this.#fetch({ repository, digest, size })
    this.#answers.set(key, answer)
    return answer
  }

  /** The order has changed. */
  reconsider(): void {
    this.#limiter.reconsider()
    this.#questions.reconsider()
  }

  async #fetch(blob: WantedBlob): Promise<void> {
    const { digest } = blob
    const isFromThere = await this.#underWay.run(digest, () => this.#bring(blob))
    if (!isFromThere) await this.#prove(blob)
    if (this.#complete.has(digest)) return
    this.#complete.add(digest)
    this.#options.onComplete(digest)
  }

  /** @returns whether bytes came, and so the parent has it in this repository */
  async #bring(blob: WantedBlob): Promise<boolean> {
    const { digest, size } = blob
    const { allowance, content, onBegin, onFetched, onOffset, signal } = this.#options
    // A blob that is here, for whatever repository, needs no place in the queue: only a link, which comes with the tag.
    if ((await content.blobs.size(digest)) === size) return false
    allowance.wrongBlobs.check(blob)
    const key = `${digest} ${size}`
    const wrong = this.#wrong.get(key)
    if (wrong !== undefined) throw wrong
    let came = 0
    try {
      await this.#limiter.run(
        () => this.#rankOf(digest),
        async () => {
          signal.throwIfAborted()
          onBegin(this.#wantedBy.get(digest) ?? [])
          await fetchBlob(blob, {
            ...this.#options,
            onOffset: (offset) => onOffset(digest, offset),
            onFetched: (bytes) => {
              came += bytes
              onFetched(bytes)
            }
          })
        }
      )
      return came > 0
    } catch (error) {
      if (error instanceof OciError) this.#wrong.set(key, error)
      throw error
    }
  }

  /** Asks the parent, once, where the repository does not hold the blob here yet. */
  async #prove({ repository, digest }: WantedBlob): Promise<void> {
    const { content, parent, patience, signal } = this.#options
    if (await content.index.hasBlob(repository, digest)) return
    await this.#questions.run(
      () => this.#rankOf(digest),
      async () => {
        signal.throwIfAborted()
        await patience.ask(() => parent.checkBlob(repository, digest, { signal }))
      }
    )
  }

  #rankOf(digest: Digest): number {
    return Math.min(...(this.#wantedBy.get(digest) ?? []).map(this.#options.rankOf))
  }
}
