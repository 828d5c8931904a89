import { OciError } from '../oci/errors.ts'

export interface GateLimits {
  /** Work done at the same time. */
  readonly running: number
  /** Work that may wait, in total. */
  readonly waiting: number
  /** Work that may wait for one name, so that guesses at one token do not take every place. */
  readonly waitingPerName: number
}

/** Lets dear work through a few at a time, and turns it away rather than letting a queue grow without end. */
export class Gate {
  readonly #limits: GateLimits
  readonly #queue: { readonly name: string; readonly start: () => void }[] = []
  #running = 0

  constructor(limits: GateLimits) {
    this.#limits = limits
  }

  /** @throws {OciError} `TOOMANYREQUESTS` where the queue is full */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limits.running) this.#running += 1
    else await this.#wait(name)
    try {
      return await work()
    } finally {
      const next = this.#queue.shift()
      // The place is handed over, not given back: nobody who comes in between can take it.
      if (next === undefined) this.#running -= 1
      else next.start()
    }
  }

  #wait(name: string): Promise<void> {
    const same = this.#queue.filter((waiting) => waiting.name === name).length
    if (this.#queue.length >= this.#limits.waiting || same >= this.#limits.waitingPerName)
      throw new OciError('TOOMANYREQUESTS', 'too many passwords are being checked; try again in a moment')
    return new Promise((start) => {
      this.#queue.push({ name, start })
    })
  }
}
