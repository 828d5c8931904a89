import type { Clock } from '../ports.ts'
import type { Item } from './item.ts'

/** A clock that says less was never set: gateways without a battery begin in 1970. What was pushed then lives from when it is. */
const earliestTime = Date.parse('2025-01-01T00:00:00Z')
/** Milliseconds. A time server slews a clock that is off by less, which is all the same to what waits for days. */
const leastShift = 60_000

/**
 * How long items have waited. That is told by the time of day, which outlives the process; but gateways begin weeks or years off and
 * are set right later, and nothing is older or younger for that.
 */
export class Lifetimes {
  readonly #clock: Pick<Clock, 'now' | 'elapsed'>
  /** Numbers of items whose time is by the clock of this process. */
  readonly #own = new Set<number>()
  /** When this process began, by the clock as it is now. */
  #began: number
  #offset: number

  constructor(clock: Pick<Clock, 'now' | 'elapsed'>) {
    this.#clock = clock
    this.#began = clock.now()
    this.#offset = this.#began - clock.elapsed()
  }

  /** @returns by how many milliseconds the clock was set since this was asked last; 0 where it was not */
  shift(): number {
    const by = this.#clock.now() - this.#clock.elapsed() - this.#offset
    if (Math.abs(by) < leastShift) return 0
    this.#offset += by
    this.#began += by
    return by
  }

  /** Its time is by the clock of this process: it goes along where that is set. */
  own({ number }: Item): void {
    this.#own.add(number)
  }

  isOwn({ number }: Item): boolean {
    return this.#own.has(number)
  }

  forget({ number }: Item): void {
    this.#own.delete(number)
  }

  /** Its time is one of a clock that was not set, and the clock is right now. */
  isUndated({ at }: Item, now: number): boolean {
    return at < earliestTime && now >= earliestTime
  }

  isOver(item: Item, timeToLive: number, now: number): boolean {
    const since = this.#since(item)
    return since >= earliestTime && now - since >= timeToLive
  }

  endOf(item: Item, timeToLive: number, now: number): number {
    const since = this.#since(item)
    return (since < earliestTime ? now : since) + timeToLive
  }

  /** What is dated later than this process began, and is not of it, was dated by a clock that was ahead, or is behind now. */
  #since(item: Item): number {
    return this.isOwn(item) ? item.at : Math.min(item.at, this.#began)
  }
}
