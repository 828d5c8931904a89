import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'

const hour = 3_600_000
const firstWait = hour
const longestWait = 24 * hour

/** With the size that a manifest says: what comes is no worse for one that says another. */
interface Sized {
  readonly digest: Digest
  readonly size: number
}

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
  readonly #blobs = new Map<string, WrongBlob>()

  /** @param now milliseconds that only go forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** @throws {OciError} `DIGEST_INVALID` where it is not to be fetched yet */
  check(blob: Sized): void {
    const wrong = this.#blobs.get(keyOf(blob))
    if (wrong !== undefined && this.#now() < wrong.until) throw wrong.error
  }

  /** Whether it was wrong the last time. */
  has(blob: Sized): boolean {
    return this.#blobs.has(keyOf(blob))
  }

  /** @returns the error with what follows from it, which stays the same for as long as the blob is left alone */
  add(blob: Sized, { message }: OciError): OciError {
    const before = this.#blobs.get(keyOf(blob))
    const wait = before === undefined ? firstWait : Math.min(2 * before.wait, longestWait)
    const error = new OciError(
      'DIGEST_INVALID',
      `${message}: it is damaged in the parent, or changed on the way; push the image there again, and ask for a sync (or it is fetched again after ${wait / hour} h)`
    )
    this.#blobs.set(keyOf(blob), { error, until: this.#now() + wait, wait })
    return error
  }

  remove(blob: Sized): void {
    this.#blobs.delete(keyOf(blob))
  }

  /** Somebody may have mended them, or there is another parent. */
  clear(): void {
    this.#blobs.clear()
  }
}

function keyOf({ digest, size }: Sized): string {
  return `${digest} ${size}`
}
