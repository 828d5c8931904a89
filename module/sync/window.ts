import { Cron } from 'croner'
import { parseDuration } from '../settings/duration.ts'
import { isContinuous } from '../settings/sync-settings.ts'

/** Where a moment stands; times in milliseconds since 1970. */
export type WindowState =
  | { readonly open: true; /** Undefined where it never ends. */ readonly endsAt?: number }
  | { readonly open: false; /** Undefined where none is to come. */ readonly opensAt?: number }

/** Windows that follow each other are told as one, up to this: what is beyond concerns nobody now. */
const horizon = 8 * 24 * 3_600_000

/** When something may be fetched: always, or in windows that a schedule opens. */
export class SyncWindows {
  readonly #cron: Cron | undefined
  readonly #length: number

  /**
   * @param schedule cron, five fields, UTC; without one, or with ACR's `* * * * *`, it is always open
   * @param window ISO 8601
   */
  constructor(schedule: string | undefined, window: string | undefined) {
    const length = window === undefined ? undefined : parseDuration(window)
    const always = schedule === undefined || isContinuous(schedule) || length === undefined
    this.#cron = always ? undefined : new Cron(schedule, { paused: true, utcOffset: 0 })
    this.#length = length ?? 0
  }

  /** Milliseconds that a window is open for; undefined where it is always open. */
  get length(): number | undefined {
    return this.#cron === undefined ? undefined : this.#length
  }

  at(now: number): WindowState {
    if (this.#cron === undefined) return { open: true }
    const began = this.#lastOpening(now)
    if (began === undefined || began + this.#length <= now) {
      const next = this.#cron.nextRun(new Date(now))
      return { open: false, ...(next === null ? {} : { opensAt: next.getTime() }) }
    }
    let endsAt = began + this.#length
    for (let last = began; endsAt < now + horizon;) {
      const later = this.#lastOpening(endsAt)
      if (later === undefined || later <= last) break
      last = later
      endsAt = later + this.#length
    }
    return { open: true, endsAt }
  }

  /** The last opening at or before a moment. */
  #lastOpening(moment: number): number | undefined {
    return this.#cron?.previousRuns(1, new Date(moment + 1))[0]?.getTime()
  }
}
