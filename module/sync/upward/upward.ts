import { newCorrelationId } from '../../log/correlation.ts'
import { withFields, type Log } from '../../log/log.ts'
import type { Allowance } from '../allowance.ts'
import { BudgetSpent } from '../budget.ts'
import { codeOf, reasonOf } from '../failure.ts'
import { Patience } from '../patience.ts'
import { asParentFault, type Clock } from '../ports.ts'
import { closeWithWindow } from '../window-guard.ts'
import { SyncWindows } from '../window.ts'
import { ChunkSize } from './chunks.ts'
import { deliver } from './deliver.ts'
import { describeDeed, type Item } from './item.ts'
import type { ParentTarget, UpwardContent } from './ports.ts'
import type { UpwardQueue } from './queue.ts'
import { forgetUploads } from './send-blob.ts'
import { isOfItem } from './whose-fault.ts'

export interface UpwardConfiguration {
  /** As for the way down. */
  readonly schedule?: string | undefined
  readonly window?: string | undefined
  /** For how long a push or a delete waits, in milliseconds. */
  readonly timeToLive: number
}

export interface UpwardOptions {
  readonly queue: UpwardQueue
  readonly content: UpwardContent
  /** Each delivery has an id of its own, which goes along with all that the parent is asked for it. */
  readonly parent: (correlationId?: string) => ParentTarget | undefined
  readonly allowance: Allowance
  readonly log: Log
  readonly clock: Clock
  /** From 0 to below 1. */
  readonly random?: () => number
  /** Told of what changed: see {@link Upward.state}. */
  readonly onChange?: () => void
}

/** What the way up does now. */
export interface UpwardState {
  /** What is being sent: `push samples/app:1.0`. */
  readonly sending?: string
  /** Why nothing goes up for now. */
  readonly reason?: string
  /** Milliseconds since 1970: when it is tried again. */
  readonly nextAt?: number
  /** Since this process began. */
  readonly bytesSent: number
}

const minute = 60_000
const hour = 60 * minute
const firstHold = 5000
const longestHold = 15 * minute
/** Faults of single items one after another, after which it is the parent that is in trouble. */
const mostInARow = 3
const noItemHold = 10 * hour

/** Takes what was pushed and deleted here up to the parent, one after another, while the sync window is open. */
export class Upward {
  readonly #options: UpwardOptions
  readonly #random: () => number
  readonly #chunks = new ChunkSize()
  readonly #stopping = new AbortController()
  #configuration: UpwardConfiguration = { timeToLive: 2 * 24 * hour }
  #windows = new SyncWindows(undefined, undefined)
  #running: Promise<void> | undefined
  #interrupt = new AbortController()
  #wake = new AbortController()
  #paused = false
  /** Somebody asked: until the queue has been gone through once, or nothing goes up, windows do not matter. */
  #asked = false
  #holds = 0
  /** By what has passed: a clock that is set back must not hold everything up for as long. */
  #heldUntil = 0
  #inARow = 0
  #sending: Item | undefined
  #reason: string | undefined
  #bytesSent = 0

  constructor(options: UpwardOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
    options.queue.onChange(() => {
      this.#wake.abort()
      options.onChange?.()
    })
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal)
  }

  /** New settings, or another parent: what was parked may go now. */
  configure(configuration: UpwardConfiguration): void {
    this.#configuration = configuration
    this.#windows = new SyncWindows(configuration.schedule, configuration.window)
    this.#again('the settings changed')
  }

  /** Sends what waits, be a window open or not. */
  sendNow(): void {
    if (this.#paused) return
    this.#asked = true
    this.#again('sending was asked for')
  }

  /** The parent can be reached, as was seen elsewhere just now. */
  parentAnswers(): void {
    if (this.#holds === 0) return
    this.#heldUntil = 0
    this.#wake.abort()
  }

  setPaused(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    this.#again(paused ? 'sync was paused' : 'sync was resumed')
  }

  get state(): UpwardState {
    const { queue, clock } = this.#options
    const due = queue.dueAt()
    const next = due === undefined ? undefined : Math.max(due, this.#holdEnds)
    return {
      bytesSent: this.#bytesSent,
      ...(this.#sending === undefined ? {} : { sending: describeDeed(this.#sending) }),
      ...(this.#reason === undefined || queue.size === 0 ? {} : { reason: this.#reason }),
      ...(next === undefined || next <= clock.now() ? {} : { nextAt: next })
    }
  }

  /** Ends what is under way; it goes on from there with the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('sync is stopping'))
    await this.#running
  }

  #again(why: string): void {
    this.#holds = 0
    this.#heldUntil = 0
    this.#options.queue.retryAll()
    this.#interrupt.abort(new Error(why))
    this.#wake.abort()
  }

  async #run(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      this.#interrupt = new AbortController()
      this.#wake = new AbortController()
      try {
        await this.#step(stopping)
      } catch (error) {
        if (isAborted(stopping)) return
        // The disk's troubles are told by whoever else writes to it; the queue is as it was.
        this.#options.log.warn('the queue upwards cannot be worked on', { reason: reasonOf(error) })
        this.#hold(reasonOf(error))
        await this.#wait(this.#heldUntil - this.#options.clock.elapsed(), stopping)
      }
    }
  }

  async #step(stopping: AbortSignal): Promise<void> {
    const { clock, queue, parent } = this.#options
    const { timeToLive } = this.#configuration
    await queue.expire(timeToLive)
    const until = Math.min(queue.expiresAt(timeToLive) ?? Infinity, clock.now() + noItemHold)
    const correlationId = newCorrelationId()
    const target = parent(correlationId)
    const now = clock.now()
    const wait = (time: number): Promise<void> =>
      this.#wait(Math.min(time, until) - clock.now(), AbortSignal.any([stopping, this.#wake.signal]))
    if (this.#paused || target === undefined || queue.size === 0) {
      if (queue.size === 0) {
        this.#asked = false
        await forgetUploads(this.#options.content.index)
      }
      return wait(Infinity)
    }
    const window = this.#windows.at(now)
    if (!window.open && !this.#asked) {
      this.#say('the sync window is closed')
      // A clock may jump to the right time meanwhile.
      return wait(Math.min(window.opensAt ?? Infinity, now + minute))
    }
    if (this.#holdEnds > now) return wait(this.#holdEnds)
    const item = queue.next()
    if (item === undefined) {
      this.#asked = false
      return wait(queue.dueAt() ?? Infinity)
    }
    await this.#send(item, target, correlationId, AbortSignal.any([stopping, this.#interrupt.signal]))
  }

  async #send(item: Item, parent: ParentTarget, correlationId: string, signal: AbortSignal): Promise<void> {
    const { clock, queue } = this.#options
    const done = new AbortController()
    const closing = new AbortController()
    const closed = closeWithWindow(this.#windows, clock, closing, done.signal, () => this.#asked)
    const own = AbortSignal.any([signal, closing.signal])
    this.#sending = item
    this.#options.onChange?.()
    try {
      await this.#options.allowance.mayFetch()
      const outcome = await deliver(item, {
        ...this.#options,
        parent,
        chunks: this.#chunks,
        patience: new Patience(clock, this.#random, own, () => undefined),
        signal: own,
        onSent: (bytes) => (this.#bytesSent += bytes)
      })
      this.#holds = 0
      this.#inARow = 0
      this.#reason = undefined
      await queue.end(item, outcome, correlationId)
    } catch (error) {
      if (!own.aborted) this.#failed(item, error, correlationId)
    } finally {
      done.abort()
      await closed
      this.#sending = undefined
    }
  }

  /**
   * What holds for the parent or the link as such stops everything for a while; what holds for this item alone lets the others
   * go on, all but those that have to come after it.
   */
  #failed(item: Item, error: unknown, correlationId: string): void {
    const { queue } = this.#options
    const log = withFields(this.#options.log, { correlationId })
    const fault = asParentFault(error)
    const reason = reasonOf(error)
    const tries = (queue.setback(item)?.tries ?? 0) + 1
    if (!isOfItem(error)) {
      log.debug('upwards: waiting', { reason })
      this.#hold(reason, fault?.retryAfterSeconds, error instanceof BudgetSpent ? longestHold : undefined)
      return
    }
    const parked = fault?.transient !== true
    const wait = Math.max(
      backoff(parked ? hour : 30_000, parked ? 12 * hour : hour, tries, this.#random),
      (fault?.retryAfterSeconds ?? 0) * 1000
    )
    if (parked) log.warn('upwards: parked', { what: describeDeed(item), code: codeOf(error), reason })
    else this.#inARow += 1
    queue.postpone(item, { reason, tries, parked }, wait)
    if (this.#inARow >= mostInARow) this.#hold(reason)
  }

  #hold(reason: string, afterSeconds = 0, least = firstHold): void {
    this.#inARow = 0
    this.#asked = false
    this.#holds += 1
    const wait = backoff(least, longestHold, this.#holds, this.#random)
    this.#heldUntil = this.#options.clock.elapsed() + Math.max(wait, afterSeconds * 1000)
    this.#say(reason)
  }

  /** By the clock as it is now. */
  get #holdEnds(): number {
    const { clock } = this.#options
    return clock.now() + this.#heldUntil - clock.elapsed()
  }

  #say(reason: string): void {
    if (this.#reason === reason) return
    this.#reason = reason
    this.#options.onChange?.()
  }

  async #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    try {
      // Timers take no more than that.
      await this.#options.clock.delay(Math.min(Math.max(1, milliseconds), 2 ** 31 - 1), signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** The linter takes a signal that was not aborted before a wait for one that is not after it. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

/** Doubles with each try, between a half more and a half less. */
function backoff(first: number, most: number, tries: number, random: () => number): number {
  return Math.min(most, first * 2 ** Math.min(tries - 1, 20)) * (0.75 + 0.5 * random())
}
