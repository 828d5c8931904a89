import type { Status } from './status/status.ts'

/** Seconds. Signed links and tokens allow for some minutes: told before they fail. */
const toldFrom = 120
/** Seconds; below what it is told from, or a clock that drifts would be told of again and again. */
const forgottenBelow = 60
/** The part by which it has to change to be told anew. */
const noticeable = 0.1

/** Compares this device's clock with the parent's. */
export class ClockWatch {
  readonly #status: Pick<Status, 'setFault' | 'clearFault'>
  readonly #now: () => number
  /** Milliseconds since 1970: it cannot be earlier than this. */
  #newest: number
  #skew: number | undefined
  #told: number | undefined

  /** @param lastSyncEndedAt ISO 8601: when the clock was right enough to speak to the parent */
  constructor(
    status: Pick<Status, 'setFault' | 'clearFault'>,
    lastSyncEndedAt: string | undefined,
    now: () => number = Date.now
  ) {
    this.#status = status
    this.#now = now
    this.#newest = lastSyncEndedAt === undefined ? 0 : Date.parse(lastSyncEndedAt)
  }

  /** Seconds by which this clock is ahead of the parent's, below 0 where it is behind; undefined before it is known. */
  get skewSeconds(): number | undefined {
    return this.#skew
  }

  /** @param parentAhead seconds by which the parent's clock is ahead of this one */
  readonly measured = (parentAhead: number): void => {
    this.#newest = this.#now() + parentAhead * 1000
    this.#take(-parentAhead, "the parent's")
  }

  /** A certificate on the way is not valid yet, or no longer: where this clock was set back, that is why. */
  readonly certificateTime = (): void => {
    const behind = (this.#newest - this.#now()) / 1000
    if (behind > toldFrom) this.#take(-behind, 'what it was when this device last synced, at the least')
  }

  #take(skew: number, comparedWith: string): void {
    // 0 has a sign, which nobody wants to see in a metric.
    this.#skew = skew === 0 ? 0 : skew
    const seconds = Math.round(Math.abs(skew))
    if (seconds < forgottenBelow) {
      if (this.#told !== undefined) this.#status.clearFault('ClockSkew')
      this.#told = undefined
    } else if (seconds >= toldFrom && (this.#told === undefined || isNoticeable(skew - this.#told, this.#told))) {
      this.#told = skew
      this.#status.setFault(
        'ClockSkew',
        `this device's clock is ${seconds} seconds ${skew > 0 ? 'ahead of' : 'behind'} ${comparedWith}: certificates, tokens and sync windows go by it; check the time service (NTP) of this device, then the parent's`
      )
    }
  }
}

function isNoticeable(change: number, told: number): boolean {
  return Math.abs(change) > Math.max(forgottenBelow, Math.abs(told) * noticeable)
}
