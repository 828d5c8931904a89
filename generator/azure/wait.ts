import { setTimeout as sleep } from 'node:timers/promises'
import { GeneratorError } from '../errors.ts'

/** How a wait looks again, and when it gives up. */
export interface Patience {
  readonly signal: AbortSignal
  /** Milliseconds between two looks. */
  readonly interval: number
  /** Milliseconds until it gives up. */
  readonly timeout: number
}

/** Shows what Azure keeps a person waiting for, until what it gives is called. */
export type ShowWait = (what: string) => Promise<() => void>

/**
 * Looks again and again until `look` gives something.
 *
 * @param describe what is being waited for, for the message of a wait that ends in vain
 * @throws {GeneratorError} `TIMED_OUT` or `CANCELLED`, and whatever `look` throws
 */
export async function waitFor<Result>(
  look: () => Promise<Result | undefined>,
  describe: () => string,
  { signal, interval, timeout }: Patience
): Promise<Result> {
  const deadline = Date.now() + timeout
  for (;;) {
    throwIfCancelled(signal)
    const result = await look()
    if (result !== undefined) return result
    if (Date.now() + interval > deadline)
      throw new GeneratorError('TIMED_OUT', `after ${Math.round(timeout / 1000)} s: ${describe()}`)
    await pause(interval, signal)
  }
}

/** @throws {GeneratorError} `CANCELLED` */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch {
    throwIfCancelled(signal)
  }
}

/** @throws {GeneratorError} `CANCELLED` */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new GeneratorError('CANCELLED', 'stopped; run the same command again to go on')
}
