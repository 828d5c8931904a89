import type { Digest } from '../oci/digest.ts'
import { isFatal } from './failure.ts'

/**
 * What is being brought just now. Bytes are kept once, whoever names them, so that one brings them at a time; but what the
 * parent refuses to one repository, or what a manifest has wrong, is nothing to the next.
 */
export class UnderWay {
  readonly #working = new Map<Digest, Promise<unknown>>()

  /**
   * Works on a digest as soon as nobody else does: it may be here by then.
   *
   * @throws what the work throws, and what the work of those before throws where it says something of the parent or the disk
   */
  async run<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    for (let other = this.#working.get(digest); other !== undefined; other = this.#working.get(digest))
      await other.catch((error: unknown) => {
        if (isFatal(error)) throw error
      })
    const own = work().finally(() => void this.#working.delete(digest))
    this.#working.set(digest, own)
    return own
  }
}
