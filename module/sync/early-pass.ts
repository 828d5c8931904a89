import { isDigest } from '../oci/digest.ts'
import { parseImageFilter, wantsTag, type ImageFilter } from '../settings/image-filter.ts'
import type { ImageSets } from './plan.ts'
import type { Clock } from './ports.ts'
import type { Missed } from './waited-for.ts'

/** Milliseconds between two passes that somebody's waiting begins: an update asks for several images at once. */
const leastApart = 60_000
/** A device's workloads are not that many; who asks for more waits for the schedule. */
const mostKept = 200

/**
 * When to look at the parent before the schedule says so: for an image that the image sets want and an engine asked for in vain,
 * such as a tag that has just been pushed. Once for each within an interval, or an engine that asks for a tag which is nowhere
 * would make every device of a fleet ask the cloud every minute.
 */
export class EarlyPass {
  readonly #clock: Clock
  readonly #asked = new Map<string, number>()
  #filters: readonly ImageFilter[] = []
  #intervalMs = 0
  #last = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  configure(imageSets: ImageSets, intervalMinutes: number): void {
    this.#filters = Object.values(imageSets).flatMap(({ repositories }) =>
      repositories.map(parseImageFilter).filter((filter) => filter !== undefined)
    )
    this.#intervalMs = intervalMinutes * 60_000
  }

  /** Whether a pass is to begin now for what somebody asked for and did not get. */
  isWorth({ repository, reference }: Missed): boolean {
    const now = this.#clock.elapsed()
    const key = `${repository} ${reference}`
    const before = this.#asked.get(key)
    if (now - this.#last < leastApart || (before !== undefined && now - before < this.#intervalMs)) return false
    // A blob comes with its image, and of a manifest's digest no list of tags tells.
    const wanted = this.#filters.some(
      (filter) => filter.repository === repository && !isDigest(reference) && wantsTag(filter, reference)
    )
    if (!wanted) return false
    this.#asked.delete(key)
    this.#asked.set(key, now)
    const [oldest] = this.#asked.keys()
    if (this.#asked.size > mostKept && oldest !== undefined) this.#asked.delete(oldest)
    this.#last = now
    return true
  }
}
