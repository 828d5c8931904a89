import { networkCodeOf, refusalOf } from '../azure/errors.ts'
import { pause, throwIfCancelled } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'

export interface RetryOptions {
  readonly signal: AbortSignal
  /** Milliseconds before the second try; each later one waits twice as long, give or take a quarter. */
  readonly delay: number
}

const mostTries = 4
/** A throttle counts by the minute: whoever gives up before one is over has not waited (facts: azure-sdk §7). */
const throttled = { tries: 7, slower: 2 } as const
const passing = new Set([408, 429, 500, 502, 503, 504])

/**
 * Sends until it gets through: throttling, the service's own faults, broken connections and silence pass. All that is sent
 * this way may be sent twice: reads, a whole deployment manifest, and patches that an etag guards.
 *
 * @param send limits its own time, as with `limited` of azure/wait.ts
 * @throws whatever the last try threw; `CANCELLED` is ours
 */
export async function withRetries<Result>(send: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled(options.signal)
    try {
      return await send()
    } catch (error) {
      const isThrottled = refusalOf(error).status === 429
      if (attempt >= (isThrottled ? throttled.tries : mostTries) || !mayPass(error)) throw error
      const base = isThrottled ? options.delay * throttled.slower : options.delay
      const backoff = Math.min(base * 2 ** (attempt - 1), 60_000) * (0.75 + Math.random() / 2)
      await pause(Math.max(backoff, retryAfter(error)), options.signal)
    }
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof GeneratorError) return error.code === 'TIMED_OUT'
  const { status } = refusalOf(error)
  const network = networkCodeOf(error)
  if (status !== undefined) return passing.has(status)
  // A name or certificate that is wrong stays wrong.
  return network !== undefined && network !== 'ENOTFOUND' && !/CERT|SELF_SIGNED|UNABLE_TO/.test(network)
}

/** Milliseconds that the service asks for, a minute at the most. */
function retryAfter(error: unknown): number {
  const headers = (error as { response?: { headers?: Record<string, unknown> } }).response?.headers
  const seconds = Number(headers?.['retry-after'])
  return Number.isFinite(seconds) ? Math.min(seconds, 60) * 1000 : 0
}
