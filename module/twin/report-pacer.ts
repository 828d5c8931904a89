/** What the pacer needs of time; a test brings its own. */
export interface Clock {
  /** Milliseconds since any fixed moment. */
  now(): number
  /** Calls back once after so many milliseconds; the result cancels. */
  after(milliseconds: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: Date.now,
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  }
}

export interface ReportPacerOptions {
  /** Sends a report of how things stand at that moment. */
  readonly send: () => void
  /** Seconds between two reports of mere progress (`status.progressSeconds`). */
  readonly progressSeconds: number
  /** Milliseconds in which changes of state become one report. */
  readonly coalesceMs?: number
  /** Reports of changed state in any 24 hours, at most. */
  readonly statePerDay?: number
  /** How many of those may follow each other without a pause. */
  readonly stateBurst?: number
  readonly clock?: Clock
  /** From 0 to 1, exclusive. */
  readonly random?: () => number
}

const dayMs = 86_400_000

/**
 * Decides when the module reports. Ten thousand devices share a hub that counts every update, so a change of state goes out at
 * once and progress rarely, with jitter; and a device that flaps runs out of its day's budget and then reports as often as the
 * budget refills, each time with the latest. Progress has its own interval and carries a waiting change of state with it.
 */
export class ReportPacer {
  readonly #send: () => void
  readonly #coalesceMs: number
  readonly #burst: number
  readonly #refillMs: number
  readonly #clock: Clock
  readonly #random: () => number
  #progressMs: number
  #tokens: number
  #countedAt: number
  #stateSince: number | undefined
  #progressWaiting = false
  #progressDue: number
  #cancel: () => void = () => undefined

  constructor(options: ReportPacerOptions) {
    const { statePerDay = 200, stateBurst = 40, clock = systemClock } = options
    this.#send = options.send
    this.#coalesceMs = options.coalesceMs ?? 1_000
    this.#burst = stateBurst
    // A full bucket and what refills within a day together make the day's budget.
    this.#refillMs = dayMs / (statePerDay - stateBurst)
    this.#clock = clock
    this.#random = options.random ?? Math.random
    this.#progressMs = options.progressSeconds * 1_000
    this.#tokens = stateBurst
    this.#countedAt = clock.now()
    this.#progressDue = this.#nextProgress()
  }

  /** Something is different now: an image became ready, a fault came or went. */
  stateChanged(): void {
    this.#stateSince ??= this.#clock.now()
    this.#schedule()
  }

  /** Some more bytes, and nothing else. */
  progressed(): void {
    this.#progressWaiting = true
    this.#schedule()
  }

  /** @param seconds between two reports of mere progress, from now on */
  setProgressSeconds(seconds: number): void {
    if (seconds * 1_000 === this.#progressMs) return
    this.#progressMs = seconds * 1_000
    this.#progressDue = this.#nextProgress()
    this.#schedule()
  }

  close(): void {
    this.#cancel()
    this.#stateSince = undefined
    this.#progressWaiting = false
  }

  #schedule(): void {
    this.#cancel()
    const due = Math.min(this.#stateDue(), this.#progressWaiting ? this.#progressDue : Infinity)
    if (due !== Infinity) this.#cancel = this.#clock.after(Math.max(0, due - this.#clock.now()), () => this.#report())
  }

  #report(): void {
    const now = this.#clock.now()
    const stateDue = this.#stateDue()
    const progressIsDue = this.#progressWaiting && this.#progressDue <= now
    // A timer may be early by a fraction, or cut short where it would not fit one.
    if (stateDue > now && !progressIsDue) {
      this.#schedule()
      return
    }
    if (!progressIsDue) this.#tokens -= 1
    this.#stateSince = undefined
    this.#progressWaiting = false
    this.#progressDue = this.#nextProgress()
    this.#send()
  }

  /** When a waiting change of state may go out: after it was coalesced, and when there is budget. */
  #stateDue(): number {
    if (this.#stateSince === undefined) return Infinity
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#countedAt) / this.#refillMs)
    this.#countedAt = now
    const affordable = now + Math.max(0, Math.ceil((1 - this.#tokens) * this.#refillMs))
    return Math.max(this.#stateSince + this.#coalesceMs, affordable)
  }

  #nextProgress(): number {
    return this.#clock.now() + this.#progressMs * (0.9 + this.#random() * 0.2)
  }
}
