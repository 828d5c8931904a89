import { asParentFault, type Clock } from './ports.ts'

/** Tries of one request within a pass, the first one included. */
const mostTries = 4
const firstWaitMs = 1000
/** A parent that asks for more is left alone until a later pass. */
const longestWaitMs = 120_000

/** How often and how long after a fault one pass asks again. */
export class Patience {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #signal: AbortSignal
  readonly #onAnswer: () => void
  #heard = false
  #answered = false

  /** @param onAnswer called at the parent's first answer of the pass that a registry gives which works */
  constructor(clock: Clock, random: () => number, signal: AbortSignal, onAnswer: () => void) {
    this.#clock = clock
    this.#random = random
    this.#signal = signal
    this.#onAnswer = onAnswer
  }

  /** Whether the parent has done in this pass what it was asked for, or said that it has no such thing. */
  get isAnswered(): boolean {
    return this.#answered
  }

  /** The parent has done what it was asked for. */
  answered(): void {
    if (this.#answered) return
    this.#heard = true
    this.#answered = true
    this.#onAnswer()
  }

  /** Asks, again where that may help. */
  async ask<T>(work: () => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      try {
        const answer = await work()
        this.answered()
        return answer
      } catch (error) {
        await this.waitOrThrow(error, tried)
      }
    }
  }

  /**
   * Waits before the next try.
   *
   * @param tried times that this did not work without getting further
   * @throws the error, where another try would not help: it is none of the parent's, or not a passing one, or it has been
   *   tried enough, or the parent is not there at all (which is for the time between passes)
   */
  async waitOrThrow(error: unknown, tried: number): Promise<void> {
    this.#signal.throwIfAborted()
    const fault = asParentFault(error)
    if (fault === undefined) throw error
    // Somebody is there; a proxy that refuses or fails in the parent's place is no parent that answers.
    if (!isUseless(fault.code)) this.#heard = true
    if (fault.code === 'PARENT_NOT_FOUND') this.answered()
    if (!fault.transient || tried >= mostTries || !this.#heard) throw error
    const wait =
      fault.retryAfterSeconds === undefined
        ? firstWaitMs * 2 ** (tried - 1) * (0.5 + this.#random())
        : (fault.retryAfterSeconds + this.#random()) * 1000
    if (wait > longestWaitMs) throw error
    await this.#clock.delay(wait, this.#signal)
  }
}

/** Faults after which there is nothing to ask this parent for, whatever the image. */
export function stopsPass(code: string): boolean {
  return isUseless(code) || code === 'PARENT_THROTTLED'
}

/** There is no use in this parent, whatever it is asked for. */
function isUseless(code: string): boolean {
  return ['PARENT_UNREACHABLE', 'PARENT_UNTRUSTED', 'PARENT_UNAUTHORIZED', 'PARENT_LOOP'].includes(code)
}
