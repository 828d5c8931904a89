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

/**
 * What a call gives, or the signal's reason as soon as it aborts: not every SDK takes a signal, and those that do forget it on
 * the way, as in signing in. A late answer goes nowhere; what it still holds open ends with the process.
 */
export async function unlessAborted<Result>(call: PromiseLike<Result>, signal: AbortSignal): Promise<Result> {
  let abort: () => void = () => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => {
      reject(signal.reason as Error)
    }
  })
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([call, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

export interface Limit {
  readonly signal: AbortSignal
  /** Milliseconds. */
  readonly timeout: number
  /** What was being done and who did not answer, for the message: `reading token plant-client: registry plant`. */
  readonly what: string
}

/**
 * Gives a call a time, and ends it on Ctrl-C.
 *
 * @param call its own signal says when it is over, to whatever can be told
 * @throws {GeneratorError} `TIMED_OUT` or `CANCELLED`, and whatever the call throws
 */
export async function limited<Result>(
  call: (ended: AbortSignal) => PromiseLike<Result>,
  { signal, timeout, what }: Limit
): Promise<Result> {
  throwIfCancelled(signal)
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort()
  }, timeout)
  const ended = AbortSignal.any([signal, late.signal])
  try {
    return await unlessAborted(call(ended), ended)
  } catch (error) {
    throwIfCancelled(signal)
    if (late.signal.aborted)
      throw new GeneratorError(
        'TIMED_OUT',
        `${what} has not answered in ${Math.ceil(timeout / 1000)} s. Look at the network and at https://azure.status.microsoft, and run this again`,
        { cause: error }
      )
    throw error
  } finally {
    clearTimeout(timer)
  }
}
