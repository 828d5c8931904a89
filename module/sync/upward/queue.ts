import type { Log } from '../../log/log.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import type { Clock } from '../ports.ts'
import { systemClock } from '../system-clock.ts'
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
  waitsBehind,
  type Deed,
  type Item,
  type Outcome,
  type Setback
} from './item.ts'
import { KnownTags, type Known } from './known-tags.ts'
import { Lifetimes } from './lifetimes.ts'
import type { LocalPushes, StateChange, StateStore } from './ports.ts'
import { WaitingTags } from './waiting-tags.ts'

const queuePrefix = 'upward/queue/'
/** What garbage collection spares the bytes for; see `keepPrefix` of the storage. */
const keepPrefix = 'keep/upward/'

type QueueClock = Pick<Clock, 'now' | 'elapsed'>

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
export class UpwardQueue {
  readonly #store: StateStore
  readonly #log: Log
  readonly #clock: QueueClock
  readonly #lifetimes: Lifetimes
  readonly history: History
  readonly #tags = new WaitingTags()
  /** In order. */
  readonly #items = new Map<number, Item>()
  readonly #recording = new Set<number>()
  readonly #setbacks = new Map<number, Setback>()
  readonly #known: KnownTags
  /** Those whose time was corrected since it was written down. */
  readonly #corrected = new Set<number>()
  #next = 1
  #listener: () => void = () => undefined

  private constructor(store: StateStore, history: History, known: KnownTags, log: Log, clock: QueueClock) {
    this.#store = store
    this.history = history
    this.#known = known
    this.#log = log
    this.#clock = clock
    this.#lifetimes = new Lifetimes(clock)
  }

  static async open(store: StateStore, log: Log, clock: QueueClock = systemClock): Promise<UpwardQueue> {
    const queue = new UpwardQueue(store, await History.read(store), await KnownTags.read(store), log, clock)
    for (const [key, value] of await store.states(queuePrefix)) {
      const item = readItem(value)
      if (item === undefined) log.error('an entry of the queue upwards cannot be read and is passed over', { key })
      else queue.#take(item)
    }
    return queue
  }

  /** Told when something was added, and when something has ended. */
  onChange(listener: () => void): void {
    this.#listener = listener
  }

  /** For the way down. */
  get pushes(): LocalPushes {
    return this.#tags
  }

  /** Whether the item that waits last for the tag would set it to this. */
  willBe(repository: Repository, tag: Tag): Digest | null | undefined {
    const last = this.#tags.numbersOf(nameOf(repository, tag)).at(-1)
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
    const waiting = this.#tags.numbersOf(name).at(-1)
    const before = waiting === undefined ? undefined : this.#items.get(waiting)
    if (before !== undefined) return baseOf(before)
    return this.#known.there(name, here ?? null)
  }

  /** Takes a place in the queue for each. To be called in the same turn as the changes are applied, so that orders agree. */
  record(deeds: readonly (Deed & { readonly bytes: number })[]): Recording {
    const at = this.#now()
    const items = deeds.map((deed): Item => ({ ...deed, number: this.#next++, at }))
    const changes: StateChange[] = []
    for (const item of items) {
      this.#take(item)
      this.#lifetimes.own(item)
      this.#recording.add(item.number)
      changes.push(set(keyOf(item.number), item), ...this.#keep(item))
    }
    const forgotten = this.#known.forget(items.flatMap(tagsOf))
    return {
      changes: [...changes, ...forgotten.changes],
      confirm: () => {
        for (const item of items) this.#recording.delete(item.number)
        forgotten.confirm()
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

  /** @param wait milliseconds from now until it may be tried again */
  postpone(item: Item, setback: Omit<Setback, 'nextAt'>, wait: number): void {
    this.#setbacks.set(item.number, { ...setback, nextAt: this.#now() + wait })
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
    const learnt = this.#known.learn(outcome.kind === 'delivered' ? [] : this.#differences(item, outcome))
    await this.#store.apply([
      set(keyOf(item.number), undefined),
      ...(contentOf(item) === undefined ? [] : [set(`${keepPrefix}${pad(item.number)}`, undefined)]),
      ...moved.map((each) => set(keyOf(each.number), each)),
      ...learnt.changes,
      ...told
    ])
    confirm()
    for (const each of moved) this.#items.set(each.number, each)
    learnt.confirm()
    this.#forget(item)
    if (outcome.kind !== 'delivered')
      this.#log.warn(`upwards: ${outcome.kind}`, { what: ended.what, reason: outcome.reason, correlationId })
    else this.#log.info('upwards: delivered', { what: ended.what, correlationId })
    this.#listener()
  }

  /** Ends what has waited for longer than its time to live. Not to be called while something is being sent. */
  async expire(timeToLive: number): Promise<void> {
    const now = this.#now()
    await this.#writeCorrected()
    const waiting = [...this.#items.values()].filter(({ number }) => !this.#recording.has(number))
    for (const item of waiting) if (this.#lifetimes.isUndated(item, now)) await this.#beginLife(item, now)
    const over = waiting.filter((item) => this.#lifetimes.isOver(item, timeToLive, now))
    // Reasons first: what holds an item up is often over together with it.
    for (const [item, reason] of over.map((each) => [each, this.#whyNot(each)] as const))
      await this.end(item, { kind: 'expired', reason })
  }

  /** When the next item expires; undefined where nothing waits. */
  expiresAt(timeToLive: number): number | undefined {
    const now = this.#now()
    const times = [...this.#items.values()].map((item) => this.#lifetimes.endOf(item, timeToLive, now))
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
    this.#lifetimes.own(item)
  }

  /** The time; where the clock was set, what was dated by it before goes along. */
  #now(): number {
    const by = this.#lifetimes.shift()
    if (by !== 0) {
      for (const [number, item] of this.#items)
        if (this.#lifetimes.isOwn(item)) {
          this.#items.set(number, { ...item, at: item.at + by })
          this.#corrected.add(number)
        }
      for (const [number, setback] of this.#setbacks)
        this.#setbacks.set(number, { ...setback, nextAt: setback.nextAt + by })
    }
    return this.#clock.now()
  }

  async #writeCorrected(): Promise<void> {
    const corrected = [...this.#corrected].filter((number) => !this.#recording.has(number))
    if (corrected.length === 0) return
    const items = corrected.flatMap((number) => this.#items.get(number) ?? [])
    await this.#store.apply(items.map((item) => set(keyOf(item.number), item)))
    for (const number of corrected) this.#corrected.delete(number)
  }

  /** Why an item has not gone up. */
  #whyNot(item: Item): string {
    const own = this.#setbacks.get(item.number)?.reason
    if (own !== undefined) return own
    const before = waitsBehind(item, this.#items.values())
    if (before !== undefined) return `it waited behind ${describeDeed(before)}: ${this.#whyNot(before)}`
    return 'the parent was not reached in its time to live'
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
  #differences(item: Item, outcome: Exclude<Outcome, { kind: 'delivered' }>): [name: string, known: Known][] {
    return tagsOf(item)
      .filter((name) => this.#tags.numbersOf(name).length === 1)
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
    this.#tags.add(item)
  }

  #forget(item: Item): void {
    this.#items.delete(item.number)
    this.#setbacks.delete(item.number)
    this.#lifetimes.forget(item)
    this.#tags.remove(item)
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
