import type { Dispatcher } from 'undici'
import { ParentError } from './errors.ts'
import { one } from './exchange.ts'
import { incompleteHeader, isMarked, readLineage } from './registry-answer.ts'

/** What the answers of a parent tell beside their content. */
export interface ParentNews {
  /** This registry's own id, by which it is known again among its own ancestors. */
  readonly self?: string | undefined
  /** The parent's id and those of its ancestors, nearest first; empty where the parent is no Causeway. */
  readonly onLineage?: ((ids: readonly string[]) => void) | undefined
  /** Seconds by which the parent's clock is ahead of this one; below 0 where it is behind, 0 as far as can be told. */
  readonly onClock?: ((seconds: number) => void) | undefined
  /** A certificate on the way is not valid yet, or no longer, by this device's clock. */
  readonly onCertificateTime?: (() => void) | undefined
}

/** Looks at the answers of one parent: whether it is ourselves, and what time it is there. */
export class ParentWatch {
  readonly #origin: URL
  readonly #news: ParentNews
  #incompleteAnswers = 0

  constructor(origin: URL, news: ParentNews) {
    this.#origin = origin
    this.#news = news
  }

  /** How many of its answers said that it lacks what it is to have. */
  get incompleteAnswers(): number {
    return this.#incompleteAnswers
  }

  /**
   * @param asked when the question was sent, in milliseconds since 1970
   * @returns `PARENT_LOOP` where this registry is among its own ancestors
   */
  answered(
    url: URL,
    status: number,
    headers: Dispatcher.ResponseData['headers'],
    asked: number
  ): ParentError | undefined {
    if (url.origin !== this.#origin.origin) return undefined
    this.#readDate(one(headers['date']), one(headers['age']), asked)
    const lineage = readLineage(headers)
    // A proxy that answers for a parent which is away says nothing of the parent.
    if (lineage === undefined && (status >= 500 || !isMarked(headers))) return undefined
    if (lineage !== undefined && headers[incompleteHeader] !== undefined) this.#incompleteAnswers += 1
    const { self, onLineage } = this.#news
    const hops = self === undefined ? -1 : (lineage?.indexOf(self) ?? -1)
    onLineage?.(hops < 0 ? (lineage ?? []) : (lineage ?? []).slice(0, hops))
    if (hops < 0) return undefined
    return new ParentError(
      'PARENT_LOOP',
      hops === 0
        ? `${url.host} is this registry itself: set the endpoint of the registry above it`
        : `${url.host} syncs from this registry, over ${hops} other${hops === 1 ? '' : 's'}: one of them has the wrong parent; nothing is fetched in a circle`
    )
  }

  /**
   * A token that was made just now says what time it is where it was made. Some are dated back on purpose, ACR's by a quarter
   * of an hour: only a beginning in the future and an end in the past tell of clocks.
   */
  token(value: string, asked: number): void {
    const { nbf, iat, exp } = claimsOf(value)
    const begins = Math.max(nbf ?? 0, iat ?? 0) * 1000
    if (begins > Date.now()) this.#news.onClock?.((begins - Date.now()) / 1000)
    else if (exp !== undefined && exp * 1000 < asked) this.#news.onClock?.(exp - asked / 1000)
  }

  certificateTime(): void {
    this.#news.onCertificateTime?.()
  }

  /** Between question and answer the parent's clock was read: what lies in there is no skew. */
  #readDate(date: string | undefined, age: string | undefined, asked: number): void {
    const written = Date.parse(date ?? '')
    if (Number.isNaN(written)) return
    const then = written + (Number(age) > 0 ? Number(age) * 1000 : 0)
    const now = Date.now()
    // `Date` has whole seconds.
    const seconds = then + 1000 < asked ? (then + 1000 - asked) / 1000 : then > now ? (then - now) / 1000 : 0
    this.#news.onClock?.(seconds)
  }
}

/** Of a JWT; empty for what is none. */
function claimsOf(token: string): Partial<Record<'nbf' | 'iat' | 'exp', number>> {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
    const numbers = (['nbf', 'iat', 'exp'] as const).filter((name) => typeof claims[name] === 'number')
    return Object.fromEntries(numbers.map((name) => [name, claims[name]]))
  } catch {
    return {}
  }
}
