import type { Log } from '../../log/log.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import { History, type Ended } from './history.ts'
import {
  baseOf,
  contentOf,
  describeDeed,
  Earlier,
  nameOf,
  readItem,
  resultOf,
  tagsOf,
  type Deed,
  type Item,
  type Outcome,
  type Setback
} from './item.ts'
import type { LocalPushes, StateChange, StateStore } from './ports.ts'

const queuePrefix = 'upward/queue/'
const knownPrefix = 'upward/known/'
/** What garbage collection spares the bytes for; see `keepPrefix` of the storage. */
const keepPrefix = 'keep/upward/'

/** A clock that says less was never set: gateways without a battery begin in 1970. What was pushed then lives from when it is. */
const earliestTime = Date.parse('2025-01-01T00:00:00Z')

/** What the parent's tag names where that is not what it names here, as of when the latter was so. */
interface Known {
  readonly here: Digest | null
  readonly there: Digest | null
}

/** Items that are being written down together with what they tell of. */
export interface Recording {
  /** To be applied in the same transaction. */
  readonly changes: readonly StateChange[]
  /** They are durable. */
  confirm(): void
  /** They were refused, with what they tell of. */
  revoke(): void
}

/**
 * What was pushed and deleted here and is for the parent, in order. Durable: an item is written in the transaction that makes
 * the push or the delete itself, and goes in the one that says what became of it.
 */
export class UpwardQueue implements LocalPushes {
  readonly #store: StateStore
  readonly #log: Log
  readonly #now: () => number
  readonly history: History
  /** In order. */
  readonly #items = new Map<number, Item>()
  readonly #recording = new Set<number>()
  readonly #setbacks = new Map<number, Setback>()
  readonly #known = new Map<string, Known>()
  /** Items by `repository:tag`, in order. */
  readonly #byTag = new Map<string, number[]>()
  /** Of each tag, when something of it was added or ended last. */
  readonly #changed = new Map<string, number>()
  #generation = 0
  #next = 1
  #listener: () => void = () => undefined

  private constructor(store: StateStore, history: History, log: Log, now: () => number) {
    this.#store = store
    this.history = history
    this.#log = log
    this.#now = now
  }

  static async open(store: StateStore, log: Log, now: () => number = Date.now): Promise<UpwardQueue> {
    const queue = new UpwardQueue(store, await History.read(store), log, now)
    for (const [key, value] of await store.states(queuePrefix)) {
      const item = readItem(value)
      if (item === undefined) log.error('an entry of the queue upwards cannot be read and is passed over', { key })
      else queue.#take(item)
    }
    for (const [key, value] of await store.states(knownPrefix))
      queue.#known.set(key.slice(knownPrefix.length), value as Known)
    return queue
  }

  /** Told when something was added, and when something has ended. */
  onChange(listener: () => void): void {
    this.#listener = listener
  }

  isWaiting(repository: Repository, tag: Tag): boolean {
    return this.#byTag.has(nameOf(repository, tag))
  }

  get generation(): number {
    return this.#generation
  }

  mayFollowParent(repository: Repository, tag: Tag, asked: number): boolean {
    return !this.isWaiting(repository, tag) && (this.#changed.get(nameOf(repository, tag)) ?? 0) <= asked
  }

  /** Whether the item that waits last for the tag would set it to this. */
  willBe(repository: Repository, tag: Tag): Digest | null | undefined {
    const last = this.#byTag.get(nameOf(repository, tag))?.at(-1)
    const item = last === undefined ? undefined : this.#items.get(last)
    return item && resultOf(item)
  }

  /**
   * What the parent's tag names as far as is known here.
   *
   * @param here what the tag names here, before what is about to be recorded
   */
  baseFor(repository: Repository, tag: Tag, here: Digest | undefined): Digest | null {
    const name = nameOf(repository, tag)
    const waiting = this.#byTag.get(name)?.at(-1)
    const before = waiting === undefined ? undefined : this.#items.get(waiting)
    if (before !== undefined) return baseOf(before)
    const known = this.#known.get(name)
    return known !== undefined && known.here === (here ?? null) ? known.there : (here ?? null)
  }

  /** Takes a place in the queue for each. To be called in the same turn as the changes are applied, so that orders agree. */
  record(deeds: readonly (Deed & { readonly bytes: number })[]): Recording {
    const items = deeds.map((deed): Item => ({ ...deed, number: this.#next++, at: this.#now() }))
    const changes: StateChange[] = []
    for (const item of items) {
      this.#take(item)
      this.#recording.add(item.number)
      changes.push(set(keyOf(item.number), item), ...this.#keep(item))
      for (const name of tagsOf(item)) if (this.#known.has(name)) changes.push(set(knownPrefix + name, undefined))
    }
    return {
      changes,
      confirm: () => {
        for (const item of items) {
          this.#recording.delete(item.number)
          for (const name of tagsOf(item)) this.#known.delete(name)
        }
        this.#listener()
      },
      revoke: () => {
        for (const item of items) {
          this.#recording.delete(item.number)
          this.#forget(item)
        }
      }
    }
  }

  /** The first item that may be tried now: nothing earlier that it has to do with waits, and its time has come. */
  next(): Item | undefined {
    const now = this.#now()
    return this.#free().find(({ number }) => (this.#setbacks.get(number)?.nextAt ?? 0) <= now)
  }

  /** When something may be tried next; undefined where nothing waits. */
  dueAt(): number | undefined {
    const times = this.#free().map(({ number }) => this.#setbacks.get(number)?.nextAt ?? 0)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  setback(item: Item): Setback | undefined {
    return this.#setbacks.get(item.number)
  }

  postpone(item: Item, setback: Setback): void {
    this.#setbacks.set(item.number, setback)
    this.#listener()
  }

  /** Everything may be tried at once: somebody asked for it, or the parent or the settings are others. */
  retryAll(): void {
    for (const [number, setback] of this.#setbacks) this.#setbacks.set(number, { ...setback, nextAt: 0 })
  }

  /**
   * Writes down what became of an item, durably.
   *
   * @param correlationId of the delivery; undefined where there was none
   */
  async end(item: Item, outcome: Outcome, correlationId?: string): Promise<void> {
    const ended: Ended = { what: describeDeed(item), ...('digest' in item ? { digest: item.digest } : {}), ...outcome }
    const { changes: told, confirm } = this.history.add(ended, this.#now())
    const moved = outcome.kind === 'delivered' ? this.#moveBases(item) : []
    const known = outcome.kind === 'delivered' ? [] : this.#learn(item, outcome)
    await this.#store.apply([
      set(keyOf(item.number), undefined),
      ...(contentOf(item) === undefined ? [] : [set(`${keepPrefix}${pad(item.number)}`, undefined)]),
      ...moved.map((each) => set(keyOf(each.number), each)),
      ...known.map(([name, value]) => set(knownPrefix + name, value)),
      ...told
    ])
    confirm()
    for (const each of moved) this.#items.set(each.number, each)
    for (const [name, value] of known) this.#known.set(name, value)
    this.#forget(item)
    if (outcome.kind !== 'delivered')
      this.#log.warn(`upwards: ${outcome.kind}`, { what: ended.what, reason: outcome.reason, correlationId })
    else this.#log.info('upwards: delivered', { what: ended.what, correlationId })
    this.#listener()
  }

  /**
   * Ends what has waited for longer than its time to live.
   *
   * @param except the item that is being sent just now
   */
  async expire(timeToLive: number, except?: Item): Promise<void> {
    const now = this.#now()
    for (const item of [...this.#items.values()]) {
      if (this.#recording.has(item.number) || item.number === except?.number) continue
      if (item.at < earliestTime && now >= earliestTime) await this.#beginLife(item, now)
      else if (item.at >= earliestTime && now - item.at >= timeToLive) {
        const why = this.#setbacks.get(item.number)?.reason ?? 'the parent was not reached in its time to live'
        await this.end(item, { kind: 'expired', reason: why })
      }
    }
  }

  /** When the next item expires; undefined where nothing waits. */
  expiresAt(timeToLive: number): number | undefined {
    const times = [...this.#items.values()].map(({ at }) => (at < earliestTime ? this.#now() : at) + timeToLive)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** What waits, in order. */
  items(): Item[] {
    return [...this.#items.values()]
  }

  get size(): number {
    return this.#items.size
  }

  async #beginLife(item: Item, now: number): Promise<void> {
    const changed = { ...item, at: now }
    await this.#store.apply([set(keyOf(item.number), changed)])
    if (this.#items.has(item.number)) this.#items.set(item.number, changed)
  }

  #free(): Item[] {
    const earlier = new Earlier()
    return [...this.#items.values()].filter((item) => {
      const free = !earlier.holdsUp(item) && !this.#recording.has(item.number)
      earlier.add(item)
      return free
    })
  }

  /** What comes later for the same tags was done on top of this one. */
  #moveBases(item: Item): Item[] {
    const names = new Set(tagsOf(item))
    const base = resultOf(item)
    return [...this.#items.values()].flatMap((other): Item[] => {
      if (other.number <= item.number || (other.kind !== 'push' && other.kind !== 'untag')) return []
      return names.has(nameOf(other.repository, other.tag)) ? [{ ...other, base }] : []
    })
  }

  /** Where nothing more waits for a tag, what it names here and what it names there differ from now on. */
  #learn(item: Item, outcome: Exclude<Outcome, { kind: 'delivered' }>): [name: string, known: Known][] {
    return tagsOf(item)
      .filter((name) => this.#byTag.get(name)?.length === 1)
      .map((name) => [
        name,
        { here: resultOf(item), there: outcome.kind === 'conflict' ? outcome.there : baseOf(item) }
      ])
  }

  #keep(item: Item): StateChange[] {
    const digest = contentOf(item)
    if (digest === undefined) return []
    return [set(`${keepPrefix}${pad(item.number)}`, { digest, at: item.at, lasting: true })]
  }

  #take(item: Item): void {
    this.#items.set(item.number, item)
    this.#next = Math.max(this.#next, item.number + 1)
    for (const name of tagsOf(item)) {
      this.#byTag.set(name, [...(this.#byTag.get(name) ?? []), item.number])
      this.#count(name)
    }
  }

  #forget(item: Item): void {
    this.#items.delete(item.number)
    this.#setbacks.delete(item.number)
    for (const name of tagsOf(item)) {
      const left = (this.#byTag.get(name) ?? []).filter((number) => number !== item.number)
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

function set(key: string, value: unknown): StateChange {
  return { kind: 'setState', key, value }
}

function keyOf(number: number): string {
  return queuePrefix + pad(number)
}

/** Sorts as numbers do. */
function pad(number: number): string {
  return String(number).padStart(15, '0')
}
