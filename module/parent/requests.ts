import { correlationHeader } from '../log/correlation.ts'
import type { Log } from '../log/log.ts'
import { isDigest, type Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { Authorizer, Purpose, Spent } from './authorizer.ts'
import { ParentError } from './errors.ts'
import { ask, askFollowing, discard, type Answer, type Method } from './exchange.ts'
import type { Outbound } from './outbound.ts'
import type { OutgoingBody } from './outgoing.ts'
import { refusal } from './refusal.ts'

/** A request to the parent, without the proof of who asks. */
export interface Wanted {
  readonly method?: Method
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | OutgoingBody | undefined
  /** Whether an answer that sends elsewhere is the answer. */
  readonly stays?: boolean
  readonly signal?: AbortSignal | undefined
}

/** A signed link may end between the redirect and the use of it; after that many the store itself is the trouble. */
const mostLinks = 3

/** What a parent's requests have in common. */
export interface RequestsOptions {
  readonly origin: URL
  readonly outbound: Outbound
  readonly authorizer: Authorizer
  readonly userAgent: string
  readonly log: Log
  /** Sent with every request, so that the parent's log has it too. */
  readonly correlationId?: string | undefined
}

/** Requests to one parent. */
export class Requests {
  readonly #options: RequestsOptions

  constructor(options: RequestsOptions) {
    this.#options = options
  }

  /** The same, with an id that the parent gets with every request. */
  correlated(correlationId: string): Requests {
    return new Requests({ ...this.#options, correlationId })
  }

  /** What every request says of who asks. */
  get headers(): Readonly<Record<string, string>> {
    const { userAgent, correlationId } = this.#options
    return {
      'user-agent': userAgent,
      ...(correlationId === undefined ? {} : { [correlationHeader.toLowerCase()]: correlationId })
    }
  }

  /** @param path absolute, with what belongs behind a question mark */
  url(path: string): URL {
    return new URL(path, this.#options.origin)
  }

  /** Asks with proof of identity, renewing it once, and asking anew for signed links that have ended. */
  async send(what: Wanted, purpose: Purpose, subject: string): Promise<Answer> {
    const { origin, outbound, authorizer, log } = this.#options
    const { headers } = this
    const { signal } = what
    const errand = { headers, signal }
    const spent: Spent = new Set()
    let authorization = await authorizer.begin(purpose, spent, errand)
    for (let links = 1; ;) {
      const answer = await (what.stays === true ? ask : askFollowing)(outbound, {
        method: what.method ?? 'GET',
        url: what.url,
        headers: {
          ...headers,
          ...what.headers,
          ...(authorization === undefined ? {} : { authorization })
        },
        body: what.body,
        signal
      })
      const elsewhere = answer.url.origin !== what.url.origin
      if (answer.status < 500 && ![401, 407, 429].includes(answer.status)) authorizer.answered()
      if (!elsewhere && answer.status === 401)
        authorization = await authorizer.respond(answer, purpose, subject, spent, errand)
      else if (elsewhere && [401, 403, 404, 410].includes(answer.status)) {
        await discard(answer)
        log.debug('a link of the parent is not taken', { host: answer.url.host, status: answer.status, links })
        if (links >= mostLinks)
          throw new ParentError(
            'PARENT_FAILED',
            `${origin.host} sends to ${answer.url.host} for ${subject}, which answers ${answer.status}: check this device's clock, and that firewalls let it there`
          )
        links += 1
      } else return answer
    }
  }

  /** An answer that is none of the wanted ones, as an error; its connection is free then. */
  refusal(answer: Answer, subject: string, deed?: Parameters<typeof refusal>[3]): Promise<ParentError> {
    return refusal(answer, subject, this.#options.authorizer.asker, deed)
  }
}

/** As people write it. */
export function nameOf(repository: Repository, reference: Tag | Digest): string {
  return isDigest(reference) ? `${repository}@${reference}` : `${repository}:${reference}`
}
