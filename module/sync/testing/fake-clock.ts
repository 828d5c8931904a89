import type { Clock } from '../ports.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/** Time that goes on when a test says so, for everybody who waits. */
export class FakeClock implements Clock {
  #now: number
  /** What {@link now} would be, had nobody set it. */
  #elapsed = 0
  #sleepers: Sleeper[] = []

  /** @param start ISO 8601 */
  constructor(start: string) {
    this.#now = Date.parse(start)
  }

  now(): number {
    return this.#now
  }

  elapsed(): number {
    return this.#elapsed
  }

  get time(): string {
    return new Date(this.#now).toISOString()
  }

  /** The clock is set, as a time server does it: nobody's wait gets shorter. */
  jump(time: string): void {
    const by = Date.parse(time) - this.#now
    this.#now += by
    this.#sleepers = this.#sleepers.map((sleeper) => ({ ...sleeper, at: sleeper.at + by }))
  }

  delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other.wake !== wake)
        reject(signal.reason as Error)
      }
      const wake = (): void => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      if (signal.aborted) {
        abort()
        return
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#sleepers.push({ at: this.#now + Math.ceil(milliseconds), wake })
    })
  }

  /** Lets everything happen that is due until then, in its order. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds
    for (;;) {
      await settle()
      const next = this.#sleepers.toSorted((one, other) => one.at - other.at)[0]
      if (next === undefined || next.at > until) break
      this.#sleepers = this.#sleepers.filter((other) => other !== next)
      this.#goOnTo(Math.max(this.#now, next.at))
      next.wake()
    }
    this.#goOnTo(until)
    await settle()
  }

  #goOnTo(time: number): void {
    this.#elapsed += time - this.#now
    this.#now = time
  }

  /** @param time ISO 8601 */
  async advanceTo(time: string): Promise<void> {
    await this.advance(Date.parse(time) - this.#now)
  }
}

/** Until nothing happens by itself any more: promises and immediates, a good many of them in a row. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
