/** What the pacer needs of time; a test brings its own. */
export interface Clock {
  /** Milliseconds since any fixed moment, whatever the device's clock is set to meanwhile. */
  elapsed(): number
  /** Milliseconds since the epoch by the device's clock, which outlives this process. */
  now(): number
  /** Calls back once after so many milliseconds; the result cancels. */
  after(milliseconds: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  elapsed: () => performance.now(),
  now: Date.now,
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  }
}

/** What is left of the day's budget. */
export interface Budget {
  readonly tokens: number
  /** When that was so, by the device's clock. */
  readonly at: number
}

export interface ReportPacerOptions {
  /** Sends a report of how things stand at that moment. */
  readonly send: () => void
  /** Seconds between two reports of mere progress (`status.progressSeconds`). */
  readonly progressSeconds: number
  /** Milliseconds in which changes become one report. */
  readonly coalesceMs?: number
  /** Reports of any kind in any 24 hours, at most (`status.updatesPerDay`). */
  readonly updatesPerDay?: number
  /** What the process before this one had left: a module that is restarted again and again has no more than one that is not. */
  readonly left?: Budget | undefined
  /** Told of what is left after each report. */
  readonly onSpent?: (left: Budget) => void
  readonly clock?: Clock
  /** From 0 to 1, exclusive. */
  readonly random?: () => number
}

/** Where the settings say nothing else. */
export const defaultUpdatesPerDay = 200
const dayMs = 86_400_000
/** The part of a day's budget that may be spent without a pause. */
const burstPart = 0.2
/** The part of that which only a change of state may spend. */
const keptPart = 0.25

/** What waits to be told. */
type Waiting = 'state' | 'image' | 'progress'

/**
 * Decides when the module reports. Ten thousand devices share a hub that counts every update, so there is one budget for a
 * day, of which every report takes one whatever it is for: a bucket that refills steadily. A change of state goes out at once;
 * an image's as long as the bucket is not nearly empty, so that a sync of a thousand images leaves something for the news that
 * it failed; progress rarely, with jitter, and under the same condition. What has to wait is told with the latest, and every
 * report tells everything.
 */
export class ReportPacer {
  readonly #send: () => void
  readonly #onSpent: (left: Budget) => void
  readonly #coalesceMs: number
  readonly #clock: Clock
  readonly #random: () => number
  #budget: { readonly burst: number; readonly kept: number; readonly refillMs: number }
  #updatesPerDay: number
  #progressMs: number
  #tokens: number
  #countedAt: number
  readonly #waitingSince = new Map<Waiting, number>()
  #progressDue: number
  #cancel: () => void = () => undefined

  constructor(options: ReportPacerOptions) {
    const { updatesPerDay = defaultUpdatesPerDay, clock = systemClock } = options
    this.#send = options.send
    this.#onSpent = options.onSpent ?? (() => undefined)
    this.#coalesceMs = options.coalesceMs ?? 1_000
    this.#clock = clock
    this.#random = options.random ?? Math.random
    this.#progressMs = options.progressSeconds * 1_000
    this.#updatesPerDay = updatesPerDay
    this.#budget = budgetOf(updatesPerDay)
    this.#tokens = Math.min(this.#budget.burst, options.left?.tokens ?? this.#budget.burst)
    // A clock that was set back since then only delays the refill.
    this.#countedAt = clock.elapsed() - Math.max(0, clock.now() - (options.left?.at ?? clock.now()))
    this.#progressDue = this.#nextProgress()
  }

  /** Something about the module as a whole is different now: a fault came or went, a sync ended. */
  stateChanged(): void {
    this.#wait('state')
  }

  /** An image became ready, or failed. */
  imageChanged(): void {
    this.#wait('image')
  }

  /** Some more bytes, and nothing else. */
  progressed(): void {
    this.#wait('progress')
  }

  /**
   * Takes new settings from now on.
   *
   * @param progressSeconds between two reports of mere progress
   */
  configure({ progressSeconds, updatesPerDay }: { progressSeconds: number; updatesPerDay: number }): void {
    if (progressSeconds * 1_000 === this.#progressMs && updatesPerDay === this.#updatesPerDay) return
    this.#refill()
    this.#progressMs = progressSeconds * 1_000
    this.#updatesPerDay = updatesPerDay
    const full = this.#tokens / this.#budget.burst
    this.#budget = budgetOf(updatesPerDay)
    // As full as it was: a new one that is filled at once would let two days' budgets meet in one.
    this.#tokens = full * this.#budget.burst
    this.#progressDue = this.#nextProgress()
    this.#schedule()
  }

  close(): void {
    this.#cancel()
    this.#waitingSince.clear()
  }

  #wait(what: Waiting): void {
    if (!this.#waitingSince.has(what)) this.#waitingSince.set(what, this.#clock.elapsed())
    this.#schedule()
  }

  #schedule(): void {
    this.#cancel()
    const due = this.#due()
    if (due !== Infinity)
      this.#cancel = this.#clock.after(Math.max(0, due - this.#clock.elapsed()), () => this.#report())
  }

  #report(): void {
    // A timer may be early by a fraction, or cut short where it would not fit one.
    if (this.#due() > this.#clock.elapsed()) {
      this.#schedule()
      return
    }
    this.#tokens -= 1
    this.#onSpent({ tokens: this.#tokens, at: this.#clock.now() })
    this.#waitingSince.clear()
    this.#progressDue = this.#nextProgress()
    this.#send()
  }

  /** When the next report may go out, for whichever reason comes first. */
  #due(): number {
    this.#refill()
    const { kept } = this.#budget
    const state = this.#waitingSince.get('state')
    const image = this.#waitingSince.get('image')
    return Math.min(
      state === undefined ? Infinity : Math.max(state + this.#coalesceMs, this.#affordable(0)),
      image === undefined ? Infinity : Math.max(image + this.#coalesceMs, this.#affordable(kept)),
      this.#waitingSince.has('progress') ? Math.max(this.#progressDue, this.#affordable(kept)) : Infinity
    )
  }

  /** When a report leaves so many in the bucket. */
  #affordable(kept: number): number {
    return this.#clock.elapsed() + Math.max(0, Math.ceil((1 + kept - this.#tokens) * this.#budget.refillMs))
  }

  #refill(): void {
    const now = this.#clock.elapsed()
    const { burst, refillMs } = this.#budget
    this.#tokens = Math.min(burst, this.#tokens + Math.max(0, now - this.#countedAt) / refillMs)
    this.#countedAt = now
  }

  #nextProgress(): number {
    return this.#clock.elapsed() + this.#progressMs * (0.9 + this.#random() * 0.2)
  }
}

/** A full bucket and what refills within a day together make the day's budget. */
function budgetOf(updatesPerDay: number): { burst: number; kept: number; refillMs: number } {
  const burst = Math.max(1, Math.floor(updatesPerDay * burstPart))
  return { burst, kept: Math.floor(burst * keptPart), refillMs: dayMs / Math.max(1, updatesPerDay - burst) }
}
