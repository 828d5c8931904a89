import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'

const hour = 3_600_000
const firstWait = hour
const longestWait = 24 * hour

interface WrongBlob {
  readonly error: OciError
  /** On the monotonic clock, in milliseconds. */
  readonly until: number
  readonly wait: number
}

/**
 * Blobs that came whole and were not what their digest says: a layer that is damaged in the parent would be paid for in every
 * pass. Each is left alone for an hour, and for twice as long each time that it is wrong again, up to a day.
 */
export class WrongBlobs {
  readonly #now: () => number
  readonly #blobs = new Map<Digest, WrongBlob>()

  /** @param now milliseconds that only go forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** @throws {OciError} `DIGEST_INVALID` where it is not to be fetched yet */
  check(digest: Digest): void {
    const wrong = this.#blobs.get(digest)
    if (wrong !== undefined && this.#now() < wrong.until) throw wrong.error
  }

  /** Whether it was wrong the last time. */
  has(digest: Digest): boolean {
    return this.#blobs.has(digest)
  }

  /** @returns the error with what follows from it, which stays the same for as long as the blob is left alone */
  add(digest: Digest, { message }: OciError): OciError {
    const before = this.#blobs.get(digest)
    const wait = before === undefined ? firstWait : Math.min(2 * before.wait, longestWait)
    const error = new OciError(
      'DIGEST_INVALID',
      `${message}: it is damaged in the parent, or changed on the way; push the image there again, and ask for a sync (or it is fetched again after ${wait / hour} h)`
    )
    this.#blobs.set(digest, { error, until: this.#now() + wait, wait })
    return error
  }

  remove(digest: Digest): void {
    this.#blobs.delete(digest)
  }

  /** Somebody may have mended them, or there is another parent. */
  clear(): void {
    this.#blobs.clear()
  }
}
