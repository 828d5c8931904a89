import { createHmac } from 'node:crypto'
import type { Settings } from '../settings/document.ts'
import { Rights } from './rights.ts'

/** One of a token's two passwords. */
export interface Slot {
  readonly hash: string
  /** Names this password in issued tokens without giving anything of it away; another password has another one. */
  readonly fingerprint: string
  /** Milliseconds since the epoch; never is Infinity. */
  readonly expires: number
}

/** A client token as the settings in force have it. */
export interface ClientToken {
  /** What clients log in as. */
  readonly name: string
  readonly enabled: boolean
  readonly slots: readonly Slot[]
  readonly rights: Rights
}

/** The client tokens in force, by name. */
export class ClientTokens {
  readonly #byName = new Map<string, ClientToken>()

  /**
   * @param fingerprintKey keys the fingerprints, so that one in a token's payload says nothing about the hash
   * @param duplicate told of a name that a second token bears; the first one keeps it
   */
  constructor(
    settings: Pick<Settings, 'scopeMaps' | 'tokens'>,
    fingerprintKey: Uint8Array,
    duplicate: (name: string) => void = () => undefined
  ) {
    for (const [key, token] of Object.entries(settings.tokens)) {
      const name = token.name ?? key
      if (this.#byName.has(fold(name))) duplicate(name)
      else
        this.#byName.set(fold(name), {
          name,
          enabled: token.status === 'enabled',
          slots: [token.passwords.password1, token.passwords.password2].flatMap((password) =>
            password === undefined ? [] : [slotOf(password, fingerprintKey)]
          ),
          rights: Rights.of(settings.scopeMaps[token.scopeMap]?.actions ?? [])
        })
    }
  }

  get(name: string): ClientToken | undefined {
    return this.#byName.get(fold(name))
  }
}

/** Whether a password may be used at `now` (milliseconds since the epoch). */
export function isLive(slot: Slot, now: number): boolean {
  return now < slot.expires
}

/** @param key keys the fingerprint */
export function slotOf(
  password: { readonly hash: string; readonly expiry?: string | undefined },
  key: Uint8Array
): Slot {
  return {
    hash: password.hash,
    fingerprint: createHmac('sha256', key).update(password.hash).digest('base64url').slice(0, 22),
    expires: password.expiry === undefined ? Infinity : Date.parse(password.expiry)
  }
}

/** Names in ACR differ by more than case, and clients write them in either (connected registry release notes, 0.7). */
function fold(name: string): string {
  return name.toLowerCase()
}
