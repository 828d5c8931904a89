import type { Digest } from '../oci/digest.ts'

/** Milliseconds for which a start counts as a touch of everything: whoever pushed across it asks anew soon, or gave up. */
const startCounts = 60 * 60_000

/**
 * Who relies on which bytes, kept in memory only.
 *
 * A pusher that was told "this blob is here" will name it a moment later, and nothing on disk says so meanwhile (Harbor lost
 * layers to that window). So whatever is found, committed or named is touched, and garbage collection spares what was touched
 * within its grace or since it began to look; bytes that are being moved into place are held; and bytes that are being taken
 * away count as absent from before the first system call, so that nobody is told of what is about to go.
 */
export class Leases {
  readonly #touched = new Map<Digest, number>()
  readonly #holders = new Map<Digest, number>()
  readonly #leaving = new Map<Digest, Promise<unknown>>()
  readonly #openedAt: number
  readonly #now: () => number

  /** @param now milliseconds on a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#openedAt = now()
  }

  /** Milliseconds on the clock that {@link takeAway} compares with. */
  now(): number {
    return this.#now()
  }

  touch(digest: Digest): void {
    this.#touched.set(digest, this.#now())
  }

  /** For what proved not to be there: other people's guesses are not worth their memory. */
  forget(digest: Digest): void {
    this.#touched.delete(digest)
  }

  isLeaving(digest: Digest): boolean {
    return this.#leaving.has(digest)
  }

  /** Keeps bytes where they are until the function given back is called; waits for a removal under way first. */
  async hold(digest: Digest): Promise<() => void> {
    for (let leaving = this.#leaving.get(digest); leaving !== undefined; leaving = this.#leaving.get(digest))
      await leaving
    this.touch(digest)
    this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1)
    return () => {
      this.touch(digest)
      const left = (this.#holders.get(digest) ?? 1) - 1
      if (left === 0) this.#holders.delete(digest)
      else this.#holders.set(digest, left)
    }
  }

  /** Whether nobody has relied on it within the grace, nor since a moment of {@link now}. */
  isFree(digest: Digest, since: number, graceMs: number): boolean {
    if (this.#holders.has(digest) || this.#leaving.has(digest)) return false
    const touched = this.#touched.get(digest)
    if (touched === undefined) return this.#now() - this.#openedAt >= Math.min(graceMs, startCounts)
    // What was touched at the very moment of `since` may have been touched after it.
    return touched < since && this.#now() - touched >= graceMs
  }

  /**
   * Takes bytes away, unless somebody moves them into place just now.
   *
   * @param may a last look, in the same turn as the digest begins to count as absent
   * @returns whether `work` was done
   */
  async takeAway(digest: Digest, may: () => boolean, work: () => Promise<void>): Promise<boolean> {
    if (this.#holders.has(digest) || this.#leaving.has(digest) || !may()) return false
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.#leaving.set(digest, promise)
    try {
      await work()
      return true
    } finally {
      this.#leaving.delete(digest)
      this.#touched.delete(digest)
      resolve(undefined)
    }
  }

  /** Forgets touches that no grace looks back at any more. */
  prune(olderThanMs: number): void {
    for (const [digest, at] of this.#touched) if (this.#now() - at > olderThanMs) this.#touched.delete(digest)
  }
}
