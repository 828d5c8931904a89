import type { Repository, Tag } from '../../oci/name.ts'
import { nameOf, tagsOf, type Item } from './item.ts'
import type { LocalPushes } from './ports.ts'

/** Which tags something of the queue is about, as the way down has to respect it. */
export class WaitingTags implements LocalPushes {
  /** Numbers of items by `repository:tag`, in order. */
  readonly #byTag = new Map<string, readonly number[]>()
  /** Of each tag, when something of it was added or ended last. */
  readonly #changed = new Map<string, number>()
  #generation = 0

  isWaiting(repository: Repository, tag: Tag): boolean {
    return this.#byTag.has(nameOf(repository, tag))
  }

  get generation(): number {
    return this.#generation
  }

  mayFollowParent(repository: Repository, tag: Tag, asked: number): boolean {
    return !this.isWaiting(repository, tag) && (this.#changed.get(nameOf(repository, tag)) ?? 0) <= asked
  }

  /** @param name `repository:tag` */
  numbersOf(name: string): readonly number[] {
    return this.#byTag.get(name) ?? []
  }

  add(item: Item): void {
    for (const name of tagsOf(item)) {
      this.#byTag.set(name, [...this.numbersOf(name), item.number])
      this.#count(name)
    }
  }

  remove(item: Item): void {
    for (const name of tagsOf(item)) {
      const left = this.numbersOf(name).filter((number) => number !== item.number)
      if (left.length === 0) this.#byTag.delete(name)
      else this.#byTag.set(name, left)
      this.#count(name)
    }
  }

  #count(name: string): void {
    this.#generation += 1
    this.#changed.set(name, this.#generation)
  }
}
