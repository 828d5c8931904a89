import { createHmac } from 'node:crypto'
import type { Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import type { Settings } from '../settings/document.ts'
import { decide, type Decision, type Need } from './authorize.ts'
import { accessTokenSeconds, Bearer } from './bearer.ts'
import { ClientTokens, isLive, type ClientToken, type Slot } from './client-tokens.ts'
import { PasswordCheck, type PasswordCheckOptions } from './passwords.ts'
import { grant } from './scopes.ts'
import { loadSigningKey } from './signing-key.ts'

/** Who asks the token endpoint for a token. */
export type TokenCredentials =
  | { readonly kind: 'password'; readonly name: string; readonly password: string }
  | { readonly kind: 'refresh'; readonly token: string }

export interface TokenRequest {
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

/** Who may do what, by the settings in force. */
export interface Access {
  /** Takes effect at once, also for bearer tokens that were issued before. */
  configure(settings: Pick<Settings, 'scopeMaps' | 'tokens'>): void
  /**
   * @param authorization the request's `Authorization` header
   * @throws {OciError} `TOOMANYREQUESTS`
   */
  authorize(authorization: string | undefined, need: Need): Promise<Decision>
  /** The token endpoint. @throws {OciError} `UNAUTHORIZED`, `TOOMANYREQUESTS` */
  issue(request: TokenRequest): Promise<TokenReply>
}

export interface AccessOptions {
  /** Where the key that signs bearer tokens is kept; made where it is absent. */
  readonly folder: string
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  readonly verifyPassword?: PasswordCheckOptions['verify']
}

/** Until {@link Access.configure} nobody is known. */
export async function createAccess({ folder, log, now = Date.now, verifyPassword }: AccessOptions): Promise<Access> {
  const key = await loadSigningKey(folder, log)
  const check = new PasswordCheck({ now, log, ...(verifyPassword === undefined ? {} : { verify: verifyPassword }) })
  return new ClientTokenAccess(key, check, now, log)
}

/** A client token, and the password by which it is known. */
interface Known {
  readonly token: ClientToken
  readonly slot: Slot
}

class ClientTokenAccess implements Access {
  readonly #bearer: Bearer
  readonly #passwords: PasswordCheck
  readonly #now: () => number
  readonly #log: Log
  /** Derived, so that fingerprints in payloads say nothing about the signature's key. */
  readonly #fingerprintKey: Uint8Array
  #tokens: ClientTokens

  constructor(key: Uint8Array, passwords: PasswordCheck, now: () => number, log: Log) {
    this.#bearer = new Bearer(key, now)
    this.#passwords = passwords
    this.#now = now
    this.#log = log
    this.#fingerprintKey = createHmac('sha256', key).update('slot fingerprints').digest()
    this.#tokens = new ClientTokens({ scopeMaps: {}, tokens: {} }, this.#fingerprintKey)
  }

  configure(settings: Pick<Settings, 'scopeMaps' | 'tokens'>): void {
    this.#tokens = new ClientTokens(settings, this.#fingerprintKey, (name) =>
      this.#log.warn('two client tokens bear one name; the first one is used', { name })
    )
  }

  async authorize(authorization: string | undefined, need: Need): Promise<Decision> {
    if (authorization === undefined) return { kind: 'challenge', message: 'authentication required' }
    const basic = readBasic(authorization)
    if (basic !== undefined) {
      const known = await this.#byPassword(basic.name, basic.password)
      return known === undefined
        ? { kind: 'challenge', message: 'the token name or the password is not right' }
        : decide(known.token, undefined, need)
    }
    const payload = await this.#bearer.read('access_token', /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '')
    const known = payload && this.#bySlot(payload.name, payload.slot)
    return known === undefined
      ? { kind: 'challenge', error: 'invalid_token', message: 'the bearer token is not valid, or not any more' }
      : decide(known.token, payload?.access, need)
  }

  async issue({ service, scopes, credentials, offline }: TokenRequest): Promise<TokenReply> {
    const known = await this.#identify(credentials)
    if (known === undefined)
      throw new OciError(
        'UNAUTHORIZED',
        credentials === undefined
          ? 'authentication required: this registry gives no anonymous access'
          : 'the token name or the password is not right'
      )
    const { token, slot } = known
    const base = { name: token.name, slot: slot.fingerprint, service, access: grant(scopes, token.rights) }
    const expires = Math.min(this.#now() + accessTokenSeconds * 1000, slot.expires)
    const access = await this.#bearer.issue({ ...base, kind: 'access_token', expires })
    // As good as the password it came from, and gone with it: docker keeps it in the password's place after a login.
    const refresh = offline
      ? { refresh_token: await this.#bearer.issue({ ...base, kind: 'refresh_token', expires: slot.expires }) }
      : {}
    return {
      token: access,
      access_token: access,
      expires_in: Math.max(Math.floor((expires - this.#now()) / 1000), 1),
      issued_at: new Date(this.#now()).toISOString(),
      ...refresh
    }
  }

  async #identify(credentials: TokenCredentials | undefined): Promise<Known | undefined> {
    if (credentials === undefined) return undefined
    if (credentials.kind === 'password') return this.#byPassword(credentials.name, credentials.password)
    const payload = await this.#bearer.read('refresh_token', credentials.token)
    return payload && this.#bySlot(payload.name, payload.slot)
  }

  async #byPassword(name: string, password: string): Promise<Known | undefined> {
    const token = this.#tokens.get(name)
    const slot = await this.#passwords.check(name, password, token)
    // Settings may have changed while the password was derived: what counts is what is in force now.
    return slot && this.#bySlot(name, slot.fingerprint)
  }

  /** A changed, disabled or removed token, and a rotated or expired password, are found here at each request. */
  #bySlot(name: string, fingerprint: string): Known | undefined {
    const token = this.#tokens.get(name)
    const slot = token?.slots.find((each) => each.fingerprint === fingerprint)
    return token?.enabled === true && slot !== undefined && isLive(slot, this.#now()) ? { token, slot } : undefined
  }
}

/** RFC 7617: the name ends at the first colon; what follows is the password, colons and all. */
function readBasic(authorization: string): { readonly name: string; readonly password: string } | undefined {
  const encoded = /^Basic +(\S+)$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? { name: text, password: '' } : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}
