const smallest = 256 * 1024
const largest = 8 * 1024 * 1024
/** A chunk should take about this long, in milliseconds: a parent that keeps only whole chunks then loses no more by a cut. */
const shortest = 5_000
const longest = 20_000

/** How much of a blob to send in one request: as much as the link carries in some seconds. */
export class ChunkSize {
  #bytes = 1024 * 1024

  get bytes(): number {
    return this.#bytes
  }

  /** A whole chunk has gone in so many milliseconds. */
  took(milliseconds: number): void {
    if (milliseconds < shortest) this.#bytes = Math.min(largest, this.#bytes * 2)
    else if (milliseconds > longest) this.#bytes = Math.max(smallest, this.#bytes / 2)
  }
}
