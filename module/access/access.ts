import { createHmac } from 'node:crypto'
import type { Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import type { Settings } from '../settings/document.ts'
import { anonymousPrincipal } from './anonymous.ts'
import { decide, type Decision, type Need, type Principal } from './authorize.ts'
import { accessTokenSeconds, Bearer } from './bearer.ts'
import { ClientTokens, isLive, type ClientToken, type Slot } from './client-tokens.ts'
import { LoginHints } from './login-hints.ts'
import { Networks } from './networks.ts'
import { ParentTokens, type ParentVerifier } from './parent-tokens.ts'
import { PasswordCheck, type PasswordCheckOptions } from './passwords.ts'
import { grant } from './scopes.ts'
import { loadSigningKey } from './signing-key.ts'
import { Throttle } from './throttle.ts'

/** Where a request comes from, as its connection has it. */
export interface Client {
  readonly address: string
  /** Whether this hop is TLS. */
  readonly encrypted: boolean
  /** Under which its request is logged. */
  readonly correlationId: string
}

/** Who asks the token endpoint for a token. */
export type TokenCredentials =
  | { readonly kind: 'password'; readonly name: string; readonly password: string }
  | { readonly kind: 'refresh'; readonly token: string }

export interface TokenRequest {
  readonly client: Client
  /** The registry as the client addresses it: `host[:port]`. */
  readonly service: string
  /** As asked for; what is not allowed is left out of the token. */
  readonly scopes: readonly string[]
  /** Undefined for somebody who did not say who they are. */
  readonly credentials?: TokenCredentials
  /** Whether the client wants a refresh token too. */
  readonly offline: boolean
}

/** Field names on the wire; docker reads `token`, ACR's clients `access_token`. */
export interface TokenReply {
  readonly token: string
  readonly access_token: string
  /** Seconds. */
  readonly expires_in: number
  readonly issued_at: string
  readonly refresh_token?: string
}

/** What this room reads of the settings. */
export type AccessSettings = Pick<Settings, 'scopeMaps' | 'tokens' | 'anonymousPull' | 'parentTokens' | 'registry'>

/** Who may do what, by the settings in force. */
export interface Access {
  /**
   * Takes effect at once, also for bearer tokens that were issued before.
   *
   * @param settings undefined where there are none: then nobody is known
   */
  configure(settings: AccessSettings | undefined): void
  /**
   * @param authorization the request's `Authorization` header
   * @throws {OciError} `TOOMANYREQUESTS`
   */
  authorize(authorization: string | undefined, need: Need, client: Client): Promise<Decision>
  /** The token endpoint. @throws {OciError} `UNAUTHORIZED`, `DENIED`, `TOOMANYREQUESTS` */
  issue(request: TokenRequest): Promise<TokenReply>
  /** Whether a connection from this address is a proxy's whose `X-Forwarded-*` headers count. */
  readonly isTrustedProxy: (address: string) => boolean
  /** Waits until everything that is kept over restarts is on disk. */
  close(): Promise<void>
}

export interface AccessOptions {
  /** Where the key that signs bearer tokens is kept, and what was learned of passwords; made where it is absent. */
  readonly folder: string
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  readonly verifyPassword?: PasswordCheckOptions['verify']
  readonly networks?: Networks
  /** Whom to ask about tokens that the settings do not know, where they allow it. */
  readonly parent?: (correlationId?: string) => ParentVerifier | undefined
  /** Told of credentials that came over plain HTTP from afar and were refused. Must not throw. */
  readonly onInsecureCredentials?: (address: string) => void
}

/** Until {@link Access.configure} nobody is known. */
export async function createAccess(options: AccessOptions): Promise<Access> {
  const { folder, log, now = Date.now, verifyPassword, parent = () => undefined } = options
  const key = await loadSigningKey(folder, log)
  const hints = await LoginHints.load(folder, key, log)
  const passwords = new PasswordCheck({
    now,
    log,
    hints,
    ...(verifyPassword === undefined ? {} : { verify: verifyPassword })
  })
  // Derived, so that fingerprints in payloads say nothing about the signature's key.
  const fingerprintKey = createHmac('sha256', key).update('slot fingerprints').digest()
  const parentTokens = await ParentTokens.load({ folder, log, now, passwords, fingerprintKey, parent })
  return new ClientTokenAccess({
    bearer: new Bearer(key, now),
    passwords,
    parentTokens,
    fingerprintKey,
    hints,
    networks: options.networks ?? new Networks(),
    now,
    log,
    onInsecureCredentials: options.onInsecureCredentials ?? (() => undefined)
  })
}

interface Parts {
  readonly bearer: Bearer
  readonly passwords: PasswordCheck
  readonly parentTokens: ParentTokens
  readonly fingerprintKey: Uint8Array
  readonly hints: LoginHints
  readonly networks: Networks
  readonly now: () => number
  readonly log: Log
  readonly onInsecureCredentials: (address: string) => void
}

/** A client token, and the password by which it is known. */
interface Known {
  readonly token: ClientToken
  readonly slot: Slot
}

const wrongPassword = 'the token name or the password is not right'

class ClientTokenAccess implements Access {
  readonly #parts: Parts
  readonly #throttle = new Throttle(() => performance.now())
  #tokens: ClientTokens
  #anonymous: Principal | undefined
  #plainCredentials: 'refused' | 'allowed' = 'refused'

  constructor(parts: Parts) {
    this.#parts = parts
    this.#tokens = new ClientTokens({ scopeMaps: {}, tokens: {} }, parts.fingerprintKey)
  }

  configure(settings: AccessSettings | undefined): void {
    const { log, fingerprintKey, networks, parentTokens } = this.#parts
    this.#tokens = new ClientTokens(settings ?? { scopeMaps: {}, tokens: {} }, fingerprintKey, (name) =>
      log.warn('two client tokens bear one name; the first one is used', { name })
    )
    this.#anonymous = settings && anonymousPrincipal(settings)
    this.#plainCredentials = settings?.registry.plainHttpCredentials ?? 'refused'
    networks.configure(settings?.registry.trustedProxies ?? [])
    parentTokens.configure(settings?.parentTokens)
  }

  readonly isTrustedProxy = (address: string): boolean => this.#parts.networks.isTrustedProxy(address)

  async close(): Promise<void> {
    await Promise.all([this.#parts.hints.saved(), this.#parts.parentTokens.saved()])
  }

  async authorize(authorization: string | undefined, need: Need, client: Client): Promise<Decision> {
    if (authorization === undefined) return this.#withoutName(need, client)
    const basic = readBasic(authorization)
    if (basic !== undefined) {
      if (!this.#takesCredentials(client)) return this.#refusePlain(client)
      const known = await this.#byPassword(basic.name, basic.password, scopesOf(need), client)
      // Wrong credentials are never taken for none: whoever sends them is told, and logs out or in (ACR, anonymous pull).
      if (known === undefined) return { kind: 'challenge', message: wrongPassword }
      this.#throttle.token(known.token.name)
      return decide(known.token, undefined, need)
    }
    const payload = await this.#parts.bearer.read('access_token', /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '')
    if (payload?.name === '' && this.#anonymous !== undefined) {
      this.#throttleAnonymous(client)
      return decide(this.#anonymous, payload.access, need)
    }
    if (!this.#takesCredentials(client)) return this.#refusePlain(client)
    const known = payload && this.#bySlot(payload.name, payload.slot)
    if (known === undefined)
      return { kind: 'challenge', error: 'invalid_token', message: 'the bearer token is not valid, or not any more' }
    this.#throttle.token(known.token.name)
    return decide(known.token, payload?.access, need)
  }

  async issue({ client, service, scopes, credentials, offline }: TokenRequest): Promise<TokenReply> {
    if (credentials === undefined) return this.#issueAnonymous(client, service, scopes)
    if (!this.#takesCredentials(client)) throw new OciError('DENIED', this.#refusePlain(client).message)
    const known =
      credentials.kind === 'password'
        ? await this.#byPassword(credentials.name, credentials.password, scopes, client)
        : await this.#byRefreshToken(credentials.token)
    if (known === undefined) throw new OciError('UNAUTHORIZED', wrongPassword)
    const { token, slot } = known
    this.#throttle.token(token.name)
    const { bearer, now } = this.#parts
    const base = { name: token.name, slot: slot.fingerprint, service, access: grant(scopes, token.rights) }
    const expires = Math.min(now() + accessTokenSeconds * 1000, slot.expires)
    const access = await bearer.issue({ ...base, kind: 'access_token', expires })
    // As good as the password it came from, and gone with it: docker keeps it in the password's place after a login.
    const refresh = offline
      ? { refresh_token: await bearer.issue({ ...base, kind: 'refresh_token', expires: slot.expires }) }
      : {}
    return { ...this.#reply(access, expires), ...refresh }
  }

  /** Docker decides by the answer to `/v2/` whether it will ever log in: there everybody is challenged. */
  #withoutName(need: Need, client: Client): Decision {
    if (this.#anonymous === undefined && !this.#takesCredentials(client))
      // Before a password has been sent, not after.
      return { kind: 'denied', message: this.#plainMessage(client) }
    if (this.#anonymous !== undefined && need.kind === 'repository') {
      const decision = decide(this.#anonymous, undefined, need)
      if (decision.kind === 'allowed') {
        this.#throttleAnonymous(client)
        return decision
      }
    }
    return { kind: 'challenge', message: 'authentication required' }
  }

  async #issueAnonymous(client: Client, service: string, scopes: readonly string[]): Promise<TokenReply> {
    if (this.#anonymous === undefined)
      throw new OciError('UNAUTHORIZED', 'authentication required: this registry gives no anonymous access')
    this.#throttleAnonymous(client)
    const expires = this.#parts.now() + accessTokenSeconds * 1000
    const access = grant(scopes, this.#anonymous.rights)
    const kind = 'access_token'
    return this.#reply(await this.#parts.bearer.issue({ kind, name: '', slot: '', service, access, expires }), expires)
  }

  #reply(token: string, expires: number): TokenReply {
    const now = this.#parts.now()
    return {
      token,
      access_token: token,
      expires_in: Math.max(Math.floor((expires - now) / 1000), 1),
      issued_at: new Date(now).toISOString()
    }
  }

  #throttleAnonymous({ address }: Client): void {
    this.#throttle.anonymous(address, this.isTrustedProxy(address))
  }

  #takesCredentials({ address, encrypted }: Client): boolean {
    return encrypted || this.#plainCredentials === 'allowed' || this.#parts.networks.isNear(address)
  }

  #refusePlain(client: Client): Extract<Decision, { kind: 'denied' }> {
    const { address, correlationId } = client
    // Whoever is told warns once; a line for each try would be a way to fill the log.
    this.#parts.log.debug('credentials over plain HTTP were refused', { address, correlationId })
    this.#parts.onInsecureCredentials(address)
    return { kind: 'denied', message: this.#plainMessage(client) }
  }

  #plainMessage({ address }: Client): string {
    return `credentials over plain HTTP are not taken from ${address}, where others may read them: come through the API proxy, give this registry a certificate (registry.tls), or allow it (registry.plainHttpCredentials)`
  }

  async #byRefreshToken(text: string): Promise<Known | undefined> {
    const payload = await this.#parts.bearer.read('refresh_token', text)
    return payload && this.#bySlot(payload.name, payload.slot)
  }

  /** @param scopes what the parent is asked about, for a token that only it knows */
  async #byPassword(
    name: string,
    password: string,
    scopes: readonly string[],
    { correlationId }: Client
  ): Promise<Known | undefined> {
    const { passwords, parentTokens } = this.#parts
    const token = this.#tokens.get(name)
    const slot =
      token === undefined && parentTokens.enabled
        ? await parentTokens.check(name, password, scopes, correlationId)
        : await passwords.check(name, password, token, correlationId)
    // Settings may have changed while the password was derived: what counts is what is in force now.
    return slot && this.#bySlot(name, slot.fingerprint)
  }

  /** A changed, disabled or removed token, and a rotated or expired password, are found here at each request. */
  #bySlot(name: string, fingerprint: string): Known | undefined {
    // What the settings say of a name goes before what the parent says of it.
    const token = this.#tokens.get(name) ?? this.#parts.parentTokens.get(name)
    const slot = token?.slots.find((each) => each.fingerprint === fingerprint)
    return token?.enabled === true && slot !== undefined && isLive(slot, this.#parts.now())
      ? { token, slot }
      : undefined
  }
}

/** What a token for this would be asked with. */
function scopesOf(need: Need): string[] {
  return need.kind === 'repository' ? [`repository:${need.repository}:pull`] : []
}

/** RFC 7617: the name ends at the first colon; what follows is the password, colons and all. */
function readBasic(authorization: string): { readonly name: string; readonly password: string } | undefined {
  const encoded = /^Basic +(\S+)$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? { name: text, password: '' } : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}
