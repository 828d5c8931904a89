/** What of a sorted list is wanted: what sorts after `after`, begins with `prefix`, and is no more than `limit`. */
export interface NamesPage {
  readonly after?: string
  readonly limit?: number
  readonly prefix?: string
}

/** Names are ASCII: whatever begins with a prefix sorts before that prefix and this. */
const afterAllNames = '\uffff'

/** A sorted list of names (by UTF-16 code unit, as the distribution spec's "lexical order" is commonly read). */
export class SortedNames<T extends string> {
  readonly #names: T[]

  constructor(names: Iterable<T> = []) {
    this.#names = [...names].sort(compare)
  }

  add(name: T): void {
    const at = this.#firstAtLeast(name)
    if (this.#names[at] !== name) this.#names.splice(at, 0, name)
  }

  remove(name: T): void {
    const at = this.#firstAtLeast(name)
    if (this.#names[at] === name) this.#names.splice(at, 1)
  }

  /** A page's cost is its own length and binary searches, whatever the total. `after` need not be in the list. */
  page({ after, limit = Infinity, prefix = '' }: NamesPage = {}): T[] {
    let start = after === undefined ? 0 : this.#firstAtLeast(after)
    if (after !== undefined && this.#names[start] === after) start += 1
    start = Math.max(start, this.#firstAtLeast(prefix))
    return this.#names.slice(start, Math.min(start + limit, this.#firstAtLeast(`${prefix}${afterAllNames}`)))
  }

  #firstAtLeast(name: string): number {
    let low = 0
    let high = this.#names.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#names[middle] ?? '') < name) low = middle + 1
      else high = middle
    }
    return low
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
