/** Lets so many things happen at once; of those that wait, the lowest rank goes first. */
export class RankedLimiter {
  #free: number
  readonly #waiting: { readonly rank: number; readonly go: () => void }[] = []

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  async run<T>(rank: number, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else
      await new Promise<void>((go) => {
        const place = this.#waiting.findIndex((other) => other.rank > rank)
        this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, { rank, go })
      })
    try {
      return await work()
    } finally {
      // The place is handed over, not freed: nobody of a higher rank slips in between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next.go()
    }
  }
}
