import { RegistryError } from './errors.ts'
import type { RegistryKnobs } from './knobs.ts'

/** Refuses requests as the knobs say, before anything else is looked at. */
export class Throttle {
  readonly #knobs: RegistryKnobs
  readonly #now: () => number
  #level = 0
  #since = 0

  constructor(knobs: RegistryKnobs, now: () => number) {
    this.#knobs = knobs
    this.#now = now
  }

  /** @throws {RegistryError} with the status and, where there is one, a `Retry-After` in seconds */
  admit(path: string): void {
    const { refuse, rate } = this.#knobs
    if (refuse !== undefined && refuse.next > 0 && (refuse.path?.test(path) ?? true)) {
      refuse.next -= 1
      throw refusal(refuse.status, refuse.retryAfter)
    }
    if (rate !== undefined) this.#spend(rate)
  }

  #spend(rate: { readonly capacity: number; readonly perSecond: number }): void {
    const now = this.#now()
    // The bucket is full at first.
    this.#level = Math.min(
      rate.capacity,
      this.#since === 0 ? rate.capacity : this.#level + ((now - this.#since) / 1000) * rate.perSecond
    )
    this.#since = now
    if (this.#level < 1) throw refusal(429, Math.max(1, Math.ceil((1 - this.#level) / rate.perSecond)))
    this.#level -= 1
  }
}

function refusal(status: 429 | 500 | 502 | 503, retryAfter: number | undefined): RegistryError {
  return new RegistryError(status === 429 ? 'TOOMANYREQUESTS' : 'UNAVAILABLE', {
    status,
    headers: { 'retry-after': retryAfter }
  })
}
