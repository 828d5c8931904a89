import { askedHeader } from './errors.ts'
import type { ShowWait } from './wait.ts'

/** How often the SDKs send again what did not get through, after the first time; their own three are over within seconds. */
export const mostRetries = 4

/** Seconds, where nothing else is said; whoever is told to wait longer does so better by running the command again. */
const longestWait = 120

/** Milliseconds before the second try where a throttle does not say for how long: it counts by the minute, so all come to more. */
const firstDelay = 5000

/** A wait that nobody has to be told of, in seconds. */
const unnoticed = 2

export interface ThrottlingOptions {
  readonly showWait?: ShowWait | undefined
  /** Milliseconds before the second try; each later one waits twice as long. */
  readonly delay?: number
  /** Seconds that are waited; where a service asks for more, it is told at once. */
  readonly longest?: number
}

interface Headers {
  get(name: string): string | undefined
  set(name: string, value: string): void
  delete(name: string): void
}

/**
 * What the SDKs' own retries lack, told them by the header that they look at: they never send a bare 429 again, and wait for as long
 * as they are asked to, be it an hour, without a word. To be put inside of the retries.
 */
export class Throttling {
  readonly name = 'causewayThrottling'
  readonly #options: ThrottlingOptions
  readonly #tries = new WeakMap<object, number>()
  readonly #shown = new WeakMap<object, () => void>()

  constructor(options: ThrottlingOptions) {
    this.#options = options
  }

  async sendRequest<Request extends object, Answer extends { readonly status: number; readonly headers: Headers }>(
    request: Request,
    next: (request: Request) => Promise<Answer>
  ): Promise<Answer> {
    this.#shown.get(request)?.()
    this.#shown.delete(request)
    const retries = this.#tries.get(request) ?? 0
    this.#tries.set(request, retries + 1)
    const answer = await next(request)
    if (answer.status !== 429 && answer.status !== 503) return answer
    const { headers } = answer
    const asked = secondsIn(headers.get('retry-after'))
    if (asked !== undefined) headers.set(askedHeader, String(asked))
    if (asked !== undefined && asked > (this.#options.longest ?? longestWait)) headers.delete('retry-after')
    else if (asked === undefined && answer.status === 429)
      headers.set('retry-after-ms', String(spread((this.#options.delay ?? firstDelay) * 2 ** retries)))
    const wait = waitIn(headers)
    if (wait > unnoticed && retries < mostRetries) await this.#show(request, wait)
    return answer
  }

  async #show(request: object, seconds: number): Promise<void> {
    const ended = await this.#options.showWait?.(`Azure asks for patience: ${Math.ceil(seconds)} s`)
    if (ended !== undefined) this.#shown.set(request, ended)
  }
}

/** Seconds until the retries send again; 0 where they do not, or at once. */
function waitIn(headers: Headers): number {
  const milliseconds = headers.get('retry-after-ms')
  return milliseconds === undefined ? (secondsIn(headers.get('retry-after')) ?? 0) : Number(milliseconds) / 1000
}

/** Retry-After is a number of seconds, or a date (RFC 9110 §10.2.3). */
function secondsIn(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return Number(value)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000))
}

/** Give or take a quarter, so that the jobs of a pipeline do not come back together. */
function spread(milliseconds: number): number {
  return Math.round(milliseconds * (0.75 + Math.random() / 2))
}
