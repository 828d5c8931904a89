import { OciError } from '../oci/errors.ts'

export interface GateLimits {
  /** Work done at the same time. */
  readonly running: number
  /** Work that may wait in one lane. There are as many lanes as there are client tokens, and one more. */
  readonly waitingPerLane: number
}

/**
 * Lets dear work through a few at a time, and turns it away rather than letting a queue grow without end. Lanes take turns,
 * so that guesses at one name delay only those who come with that name.
 */
export class Gate {
  readonly #limits: GateLimits
  readonly #lanes = new Map<string, (() => void)[]>()
  #running = 0

  constructor(limits: GateLimits) {
    this.#limits = limits
  }

  /** @throws {OciError} `TOOMANYREQUESTS` where the lane is full */
  async run<T>(lane: string, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limits.running) this.#running += 1
    else await this.#wait(lane)
    try {
      return await work()
    } finally {
      const next = this.#next()
      // The place is handed over, not given back: nobody who comes in between can take it.
      if (next === undefined) this.#running -= 1
      else next()
    }
  }

  #wait(lane: string): Promise<void> {
    const waiting = this.#lanes.get(lane) ?? []
    if (waiting.length >= this.#limits.waitingPerLane)
      throw new OciError('TOOMANYREQUESTS', 'too many passwords are being checked; try again in a moment')
    this.#lanes.set(lane, waiting)
    return new Promise((start) => {
      waiting.push(start)
    })
  }

  /** The first of the lane whose turn it is; the lane goes to the end. */
  #next(): (() => void) | undefined {
    const [first] = this.#lanes
    if (first === undefined) return undefined
    const [lane, waiting] = first
    this.#lanes.delete(lane)
    const start = waiting.shift()
    if (waiting.length > 0) this.#lanes.set(lane, waiting)
    return start
  }
}
