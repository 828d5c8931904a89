/** Something that waits for its turn. */
interface Waiting {
  readonly rankNow: () => number
  rank: number
  readonly go: () => void
}

/**
 * Lets so many things happen at once; of those that wait, the lowest rank goes first. Ranks below zero are urgent: for them
 * there are places of their own, or they would wait behind layers that take an hour.
 */
export class RankedLimiter {
  readonly #atOnce: number
  readonly #forUrgent: number
  #running = 0
  #waiting: Waiting[] = []

  constructor(atOnce: number, forUrgent = 0) {
    this.#atOnce = atOnce
    this.#forUrgent = forUrgent
  }

  async run<T>(rankNow: () => number, work: () => Promise<T>): Promise<T> {
    const rank = rankNow()
    const isNext = this.#waiting[0] === undefined || this.#waiting[0].rank > rank
    if (isNext && this.#hasPlace(rank)) this.#running += 1
    else
      await new Promise<void>((go) => {
        const place = this.#waiting.findIndex((other) => other.rank > rank)
        this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, { rankNow, rank, go })
      })
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#fill()
    }
  }

  /** Ranks of things that wait have changed. */
  reconsider(): void {
    for (const waiting of this.#waiting) waiting.rank = waiting.rankNow()
    this.#waiting = this.#waiting.toSorted((one, other) => one.rank - other.rank)
    this.#fill()
  }

  /** The place is taken for whoever waits before anybody else can ask: nobody of a higher rank slips in between. */
  #fill(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasPlace(next.rank); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#running += 1
      next.go()
    }
  }

  #hasPlace(rank: number): boolean {
    return this.#running < this.#atOnce + (rank < 0 ? this.#forUrgent : 0)
  }
}
