/** How resources of one kind are read. */
export interface ListedReads<State> {
  /** One of them; undefined for what is not there. */
  readonly read: (name: string) => Promise<State | undefined>
  /**
   * The next page of the list of all, or undefined after the last. A state is undefined where the list does not tell enough of
   * that one.
   */
  readonly nextPage: () => Promise<readonly (readonly [name: string, state: State | undefined])[] | undefined>
}

/** So many are read one by one, for commands that look at a token or two. */
const fewReads = 8

/**
 * Resources of one kind, by name. A fleet has thousands, and a list tells a hundred at a time: after the first few, each read of
 * one that is not known yet reads a page of the list first. So it costs two calls for one at the worst, where a registry is full
 * of other people's, and a page for a hundred where it is not. What was changed since is read by itself.
 */
export class Listed<State> {
  readonly #reads: ListedReads<State>
  readonly #known = new Map<string, State | undefined>()
  readonly #changed = new Set<string>()
  #count = 0
  #complete = false
  /** A list that broke off says that it is at its end when it is asked again, and what it did not tell would seem to be gone. */
  #broken = false
  #page: Promise<void> | undefined

  constructor(reads: ListedReads<State>) {
    this.#reads = reads
  }

  async get(name: string): Promise<State | undefined> {
    const key = name.toLowerCase()
    if (this.#changed.has(key) || ++this.#count <= fewReads) return this.#reads.read(name)
    if (!this.#known.has(key) && !this.#complete && !this.#broken) await this.#readPage()
    // A write may have come between, and what a list tells of it be older.
    if (this.#changed.has(key)) return this.#reads.read(name)
    if (this.#complete && !this.#known.has(key)) return undefined
    return this.#known.get(key) ?? this.#reads.read(name)
  }

  /** To be called before a write: whatever becomes of that, the list no longer tells. */
  changed(name: string): void {
    this.#changed.add(name.toLowerCase())
  }

  async #readPage(): Promise<void> {
    this.#page ??= this.#takePage().finally(() => {
      this.#page = undefined
    })
    await this.#page
  }

  async #takePage(): Promise<void> {
    const page = await this.#reads.nextPage().catch((error: unknown) => {
      this.#broken = true
      throw error
    })
    if (page === undefined) this.#complete = true
    for (const [name, state] of page ?? []) this.#known.set(name.toLowerCase(), state)
  }
}
