import { pause } from '../azure/wait.ts'

/** What a hub counts calls by. */
export type CallKind = 'configuration' | 'query' | 'read' | 'update' | 'other'

/**
 * Calls a minute that one unit of the smallest paid tier allows (facts: azure-sdk §7). A larger hub allows more; going by the
 * smallest costs minutes where a fleet has thousands, and never a 429.
 */
const perMinute: Readonly<Record<CallKind, number>> = {
  configuration: 20,
  query: 20,
  read: 6000,
  update: 3000,
  other: 6000
}

/** Where time comes from; tests bring their own. */
export interface PaceClock {
  now(): number
  pause(milliseconds: number, signal: AbortSignal): Promise<void>
}

/** Keeps calls below a hub's throttles: as many at once as a minute allows, then one at a time as they come free. */
export class Pace {
  readonly #clock: PaceClock
  readonly #free: Partial<Record<CallKind, { tokens: number; at: number }>> = {}

  constructor(clock: PaceClock = { now: () => performance.now(), pause }) {
    this.#clock = clock
  }

  /** Resolves when the next call of this kind may go. @throws {GeneratorError} `CANCELLED` */
  async take(kind: CallKind, signal: AbortSignal): Promise<void> {
    const most = perMinute[kind]
    const perMillisecond = most / 60_000
    const now = this.#clock.now()
    const bucket = (this.#free[kind] ??= { tokens: most, at: now })
    bucket.tokens = Math.min(most, bucket.tokens + (now - bucket.at) * perMillisecond)
    bucket.at = now
    bucket.tokens -= 1
    // A debt is a place in the queue: whoever comes later waits longer.
    if (bucket.tokens < 0) await this.#clock.pause(-bucket.tokens / perMillisecond, signal)
  }
}
