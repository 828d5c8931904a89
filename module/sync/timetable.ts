import type { Retry } from './failure.ts'
import type { Clock } from './ports.ts'
import { closeWithWindow, waitForWindow } from './window-guard.ts'
import { SyncWindows } from './window.ts'

export interface TimetableSettings {
  readonly intervalMinutes: number
  readonly schedule?: string | undefined
  readonly window?: string | undefined
}

/** First waits after a failed pass: for faults that pass by themselves, and for those that somebody has to mend. */
const soonMs = 5000
const lateMs = 60_000

/** When a pass may run, and when the next one does. */
export class Timetable {
  readonly #clock: Clock
  readonly #random: () => number
  #windows = new SyncWindows(undefined, undefined)
  /** Milliseconds. */
  #interval = Infinity
  /** Passes in a row that are worth another try soon. */
  #failures = 0

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  configure({ intervalMinutes, schedule, window }: TimetableSettings): void {
    this.#interval = intervalMinutes * 60_000
    this.#windows = new SyncWindows(schedule, window)
  }

  /** Whether something may be fetched now. */
  get isOpen(): boolean {
    return this.#windows.at(this.#clock.now()).open
  }

  /** Milliseconds until the next pass: the interval with a tenth of jitter, or less after a failure, twice as long each time. */
  pause({ retry }: { readonly retry?: Retry }): number {
    this.#failures = retry === undefined ? 0 : this.#failures + 1
    if (retry === undefined) return this.#interval * (0.9 + 0.2 * this.#random())
    const first = retry.soon ? soonMs : lateMs
    const backoff = first * 2 ** Math.min(this.#failures - 1, 20) * (0.75 + 0.5 * this.#random())
    return Math.min(Math.max(backoff, (retry.afterSeconds ?? 0) * 1000), this.#interval * (0.9 + 0.2 * this.#random()))
  }

  /** When the next pass begins after a pause, as events tell it; undefined where no window is to come. */
  nextSync(pause: number): { readonly nextSyncAt: string } | undefined {
    const now = this.#clock.now()
    // Where the window is closed, a pause is nothing to wait for.
    const next = this.#windows.at(now).open ? now + pause : now
    const state = this.#windows.at(next)
    const at = state.open ? next : state.opensAt
    return at === undefined ? undefined : { nextSyncAt: new Date(at).toISOString() }
  }

  /** When the window ends that a pass begins in now, as events tell it. */
  windowEnd(): { readonly windowEndsAt?: string } {
    const state = this.#windows.at(this.#clock.now())
    if (!state.open || state.endsAt === undefined) return {}
    return { windowEndsAt: new Date(state.endsAt).toISOString() }
  }

  /** @throws the signal's reason */
  waitForWindow(signal: AbortSignal): Promise<void> {
    return waitForWindow(this.#windows, this.#interval, this.#clock, this.#random, signal)
  }

  /**
   * Aborts `closing` when the window ends, unless somebody waits for what is under way.
   *
   * @param done ends this
   */
  closeWithWindow(closing: AbortController, done: AbortSignal, isWaitedFor: () => boolean): Promise<void> {
    return closeWithWindow(this.#windows, this.#clock, closing, done, isWaitedFor)
  }
}
