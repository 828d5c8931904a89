import { parseChallenges } from './challenge.ts'
import { basicOf, fingerprintOf, type CredentialChoice, type Credentials } from './credentials.ts'
import { ParentError } from './errors.ts'
import { ask, discard, readAll, type Answer } from './exchange.ts'
import type { Outbound } from './outbound.ts'
import { askerWith, refusal, type Asker } from './refusal.ts'

/** What a proof is needed for: `base` is `/v2/` itself, `tags` a repository's list, `pull` its content. */
export type Purpose =
  | { readonly kind: 'base' }
  | { readonly kind: 'tags' | 'pull' | 'delete'; readonly repository: string }
  /** `from` is the repository that a blob is to be mounted from. */
  | { readonly kind: 'push'; readonly repository: string; readonly from?: string | undefined }

/** A bearer token asked for once, by what the challenge said. */
interface Grant {
  readonly realm: URL
  readonly service: string | undefined
  readonly scope: string
}

interface BearerToken {
  readonly value: string
  /** On the monotonic clock, in milliseconds: gateways without a battery jump in time when they find a time server. */
  readonly until: number
}

/** The proofs that one request has spent; a second refusal of the same one is an answer, not a reason to go on. */
export type Spent = Set<string>

/** What a proof is fetched for: its headers go along. */
export interface Errand {
  readonly headers: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** For a token that does not say how long it lives: what clients of the distribution spec assume at the least. */
const shortLifeSeconds = 60

/**
 * Proves to the parent who asks: Basic, or bearer tokens that it fetches, keeps while they live, and renews.
 *
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export class Authorizer {
  readonly #outbound: Outbound
  readonly #origin: URL
  readonly #choice: CredentialChoice
  readonly #grants = new Map<string, Grant>()
  readonly #tokens = new Map<string, BearerToken>()
  readonly #underWay = new Map<string, Promise<BearerToken>>()
  #latest: Grant | undefined
  #basic = false

  constructor(outbound: Outbound, origin: URL, choice: CredentialChoice) {
    this.#outbound = outbound
    this.#origin = origin
    this.#choice = choice
  }

  /** In whose name the parent is asked, and with what it must not repeat. */
  get asker(): Asker {
    const { tokenName, secrets } = askerWith(this.#choice.all)
    return { tokenName, secrets: [...secrets, ...[...this.#tokens.values()].map(({ value }) => value)] }
  }

  /** The parent has answered a request that was sent with proof, and did not refuse that. */
  answered(): void {
    const { current } = this.#choice
    if (this.#basic && current !== undefined) this.#choice.take(current)
  }

  /** The `Authorization` to begin with, or undefined where the parent has asked for none so far. */
  async begin(purpose: Purpose, spent: Spent, errand: Errand): Promise<string | undefined> {
    if (this.#basic) return this.#basicHeader(spent)
    const grant = this.#grants.get(keyOf(purpose)) ?? this.#guess(purpose)
    if (grant === undefined) return undefined
    const held = this.#tokens.get(idOf(grant))
    if (held !== undefined && held.until > performance.now()) return `Bearer ${held.value}`
    spent.add(idOf(grant))
    return `Bearer ${(await this.#fetchOnce(grant, errand)).value}`
  }

  /**
   * The `Authorization` for a second try after a 401.
   *
   * @throws {ParentError} `PARENT_UNAUTHORIZED` where the credentials are refused, `PARENT_DENIED` where they are known and do
   *   not reach this far
   */
  async respond(answer: Answer, purpose: Purpose, subject: string, spent: Spent, errand: Errand): Promise<string> {
    const challenges = parseChallenges(answer.headers['www-authenticate'])
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && 'realm' in parameters)
    if (bearer !== undefined) {
      const grant = {
        realm: realmOf(this.#origin, bearer.parameters['realm'] ?? ''),
        service: bearer.parameters['service'],
        scope: withSource(bearer.parameters['scope'] ?? '', purpose)
      }
      this.#latest = grant
      this.#basic = false
      this.#grants.set(keyOf(purpose), grant)
      if (spent.has(idOf(grant))) throw await refusal(answer, subject, this.asker, deedOf(purpose))
      await discard(answer)
      spent.add(idOf(grant))
      this.#tokens.delete(idOf(grant))
      return `Bearer ${(await this.#fetchOnce(grant, errand)).value}`
    }
    await discard(answer)
    if (!challenges.some(({ scheme }) => scheme === 'basic'))
      throw new ParentError(
        'PARENT_PROTOCOL',
        `${this.#origin.host} answers 401 and names no way to prove who asks: check that the endpoint is a registry`
      )
    const { current } = this.#choice
    if (current !== undefined && spent.has(basicKey(current)) && !this.#choice.refuse(current))
      throw this.#unauthorized(this.#origin.host)
    this.#basic = true
    return this.#basicHeader(spent)
  }

  /** ACR's challenge for content is always the repository's scope for it: asking for that at once saves a round trip each. */
  #guess(purpose: Purpose): Grant | undefined {
    if (purpose.kind === 'base' || purpose.kind === 'tags' || this.#latest === undefined) return undefined
    const actions = purpose.kind === 'push' ? 'pull,push' : purpose.kind
    return { ...this.#latest, scope: withSource(`repository:${purpose.repository}:${actions}`, purpose) }
  }

  #basicHeader(spent: Spent): string {
    const { current } = this.#choice
    if (current === undefined || spent.has(basicKey(current))) throw this.#unauthorized(this.#origin.host)
    spent.add(basicKey(current))
    return basic(current)
  }

  /** Several who need the same at once wait for one token, fetched with the headers of the first of them. */
  async #fetchOnce(grant: Grant, { headers, signal }: Errand): Promise<BearerToken> {
    const id = idOf(grant)
    const underWay = this.#underWay.get(id) ?? this.#fetch(grant, headers).finally(() => void this.#underWay.delete(id))
    this.#underWay.set(id, underWay)
    const token = await unlessAborted(underWay, signal)
    this.#tokens.set(id, token)
    return token
  }

  async #fetch(grant: Grant, headers: Errand['headers']): Promise<BearerToken> {
    const tried = new Set<Credentials>()
    for (;;) {
      const { current } = this.#choice
      const token = await this.#fetchWith(grant, current, headers)
      if (token !== undefined) {
        if (current !== undefined) this.#choice.take(current)
        return token
      }
      if (current === undefined || tried.has(current) || !this.#choice.refuse(current))
        throw this.#unauthorized(grant.realm.host)
      tried.add(current)
    }
  }

  /** @returns undefined where the credentials are refused */
  async #fetchWith(
    grant: Grant,
    credentials: Credentials | undefined,
    headers: Errand['headers']
  ): Promise<BearerToken | undefined> {
    const url = new URL(grant.realm)
    if (grant.service !== undefined) url.searchParams.set('service', grant.service)
    for (const scope of grant.scope.split(' ').filter((text) => text !== '')) url.searchParams.append('scope', scope)
    const asked = performance.now()
    const askedAt = Date.now()
    const answer = await ask(this.#outbound, {
      method: 'GET',
      url,
      headers: {
        ...headers,
        accept: 'application/json',
        ...(credentials === undefined ? {} : { authorization: basic(credentials) })
      }
    })
    if (answer.status === 401) {
      await discard(answer)
      return undefined
    }
    if (answer.status === 404) {
      await discard(answer)
      // Not what the token was wanted for is missing, which would have it removed here.
      throw new ParentError(
        'PARENT_PROTOCOL',
        `${url.host} has no token endpoint at ${url.pathname} (404), where ${this.#origin.host} sends for tokens: check the parent's endpoint, and what answers there`
      )
    }
    if (answer.status !== 200)
      throw await refusal(answer, grant.scope === '' ? 'its token endpoint' : grant.scope, {
        ...this.asker,
        tokenName: credentials?.tokenName
      })
    const { value, lifeSeconds } = readToken(await readAll(answer, 1024 * 1024), url.host)
    this.#outbound.watch?.token(value, askedAt)
    // A tenth early, at most a minute: a token must outlive the request that it is sent with.
    return { value, until: asked + (lifeSeconds - Math.min(60, lifeSeconds / 10)) * 1000 }
  }

  #unauthorized(host: string): ParentError {
    const { names } = this.#choice
    return new ParentError(
      'PARENT_UNAUTHORIZED',
      names.length === 0
        ? `${host} wants credentials and none are set: set the parent's token name and password`
        : `${host} refuses token ${names.join(' and token ')}: its password is wrong or has expired, or the token or its connected registry is disabled; make a new password and set it where the parent is set`
    )
  }
}

/**
 * A token endpoint, where a password may be sent there: to https, or to the very host that is spoken to in the clear anyway;
 * never from https down to http.
 *
 * @throws {ParentError} `PARENT_PROTOCOL`
 */
export function realmOf(origin: URL, text: string): URL {
  const realm = URL.parse(text, origin.href)
  const sameInTheClear = origin.protocol === 'http:' && realm?.hostname === origin.hostname
  if (realm !== null && (realm.protocol === 'https:' || (realm.protocol === 'http:' && sameInTheClear))) return realm
  throw new ParentError(
    'PARENT_PROTOCOL',
    `${origin.host} names a token endpoint that would get the password in the clear (${realm?.host ?? 'no address'}): nothing was sent there; check the parent's endpoint and protocol`
  )
}

function basic(credentials: Credentials): string {
  return `Basic ${basicOf(credentials)}`
}

function basicKey(credentials: Credentials): string {
  return `basic ${fingerprintOf(credentials)}`
}

function keyOf(purpose: Purpose): string {
  if (purpose.kind === 'base') return 'base'
  const from = purpose.kind === 'push' && purpose.from !== undefined ? ` ${purpose.from}` : ''
  return `${purpose.kind} ${purpose.repository}${from}`
}

function deedOf({ kind }: Purpose): 'read' | 'push' | 'delete' {
  return kind === 'push' || kind === 'delete' ? kind : 'read'
}

/** A mount needs to pull from its source as well, which no challenge can know (registry.md §6.2). */
function withSource(scope: string, purpose: Purpose): string {
  if (purpose.kind !== 'push' || purpose.from === undefined) return scope
  return `${scope} repository:${purpose.from}:pull`
}

function idOf({ realm, service, scope }: Grant): string {
  return JSON.stringify([realm.href, service, scope])
}

/** ACR sends `access_token` alone; others `token`, or both (registry.md §6.3, connected-registry.md §5). */
function readToken(bytes: Buffer, host: string): { readonly value: string; readonly lifeSeconds: number } {
  let body: Readonly<Record<string, unknown>> | null = null
  try {
    body = JSON.parse(bytes.toString()) as Readonly<Record<string, unknown>> | null
  } catch {
    // Told below: a parser's words would repeat what may be half a token.
  }
  const value = body?.['access_token'] ?? body?.['token']
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value))
    throw new ParentError('PARENT_PROTOCOL', `the token endpoint of ${host} answers without a token`)
  const told = body?.['expires_in']
  return { value, lifeSeconds: typeof told === 'number' && told > 0 ? told : (lifeOf(value) ?? shortLifeSeconds) }
}

/** A JWT's own life, from its `iat` (or `nbf`) to its `exp`: counted from now, so that a wrong clock here does not matter. */
function lifeOf(token: string): number | undefined {
  try {
    const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
    const { exp, iat, nbf } = JSON.parse(text) as Record<string, unknown>
    const from = iat ?? nbf ?? Date.now() / 1000
    return typeof exp === 'number' && typeof from === 'number' && exp > from ? exp - from : undefined
  } catch {
    return undefined
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
