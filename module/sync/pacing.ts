import type { Clock } from './ports.ts'

/** A ceiling for some hours of the day; a `to` before `from` is on the next day. */
export interface PacedHours {
  /** `HH:MM`, UTC. */
  readonly from: string
  readonly to: string
  readonly bytesPerSecond: number
}

/** Ceilings for what is fetched. */
export interface PacingSettings {
  readonly bytesPerSecond?: number | undefined
  readonly hours?: readonly PacedHours[] | undefined
}

/** Time in which nothing came that may be made up for, in milliseconds: timers are late, and links are uneven. */
const credit = 100
/** No debt takes this long at any ceiling that the settings allow: the clock was set back. */
const longestDebt = 600_000
const day = 86_400_000

/** Holds what is fetched, over all connections together, to so many bytes per second. */
export class Pacing {
  readonly #clock: Clock
  #settings: PacingSettings = {}
  /** The moment until which all that came is accounted for. */
  #paidUntil = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  configure(settings: PacingSettings | undefined): void {
    this.#settings = settings ?? {}
  }

  /** Whether there is a ceiling at any time. */
  get isPaced(): boolean {
    return this.#settings.bytesPerSecond !== undefined || (this.#settings.hours ?? []).length > 0
  }

  /** Bytes per second at a moment, or undefined where there is no ceiling. */
  ceilingAt(time: number): number | undefined {
    const { hours = [], bytesPerSecond } = this.#settings
    const now = ((time % day) + day) % day
    return hours.find((entry) => covers(entry, now))?.bytesPerSecond ?? bytesPerSecond
  }

  /** Waits until the next bytes may come after these did. Once the signal is aborted nobody waits. */
  async after(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.now()
    const ceiling = this.ceilingAt(now)
    if (ceiling === undefined) {
      this.#paidUntil = now
      return
    }
    const paidUntil = this.#paidUntil - now > longestDebt ? now : this.#paidUntil
    this.#paidUntil = Math.max(paidUntil, now - credit) + (bytes / ceiling) * 1000
    const wait = this.#paidUntil - now
    if (wait <= 0 || signal.aborted) return
    try {
      await this.#clock.delay(wait, signal)
    } catch (error) {
      // What came is kept all the same; whoever reads the stream notices the signal.
      if (!isAborted(signal)) throw error
    }
  }
}

/** The linter takes a signal that was not aborted before a wait for one that is not after it. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

function covers({ from, to }: PacedHours, now: number): boolean {
  const begin = millisecondsOf(from)
  const end = millisecondsOf(to)
  return begin < end ? now >= begin && now < end : now >= begin || now < end
}

function millisecondsOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return (hours * 60 + minutes) * 60_000
}
