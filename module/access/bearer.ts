import { hash, randomUUID } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { Lru } from './lru.ts'
import type { Granted } from './scopes.ts'

/** Seconds that an access token is good for; docker takes nothing below 60. */
export const accessTokenSeconds = 600
const issuer = 'causeway'
/** Longer ones never came from here. */
const longestToken = 12 * 1024
const mostRemembered = 2000

/** ACR's names for the two kinds (docs/AAD-OAuth.md of Azure/acr). */
type Kind = 'access_token' | 'refresh_token'

const payloadSchema = z.object({
  sub: z.string(),
  exp: z.number().optional(),
  grant_type: z.enum(['access_token', 'refresh_token']),
  slot: z.string(),
  access: z
    .array(z.object({ type: z.enum(['repository', 'registry']), name: z.string(), actions: z.array(z.string()) }))
    .default([])
})

/** What one of our tokens says. */
export interface BearerPayload {
  /** The client token it was given to; empty where nobody said who they are. */
  readonly name: string
  /** The fingerprint of the password it was given for: with another password it is worth nothing. Empty for anonymous. */
  readonly slot: string
  readonly access: readonly Granted[]
  /** Milliseconds since the epoch; never is Infinity. */
  readonly expires: number
}

export interface Issue {
  readonly kind: Kind
  readonly name: string
  readonly slot: string
  readonly service: string
  readonly access: readonly Granted[]
  /** Milliseconds since the epoch; Infinity for a token without an end. */
  readonly expires: number
}

/** Makes and reads bearer tokens: JWTs, signed with a key that never leaves the device. */
export class Bearer {
  readonly #key: Uint8Array
  readonly #now: () => number
  readonly #verified = new Lru<BearerPayload & { readonly kind: Kind }>(mostRemembered)

  constructor(key: Uint8Array, now: () => number) {
    this.#key = key
    this.#now = now
  }

  issue({ kind, name, slot, service, access, expires }: Issue): Promise<string> {
    const claims = { grant_type: kind, slot, ...(kind === 'access_token' ? { access } : {}) }
    const token = new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(issuer)
      .setSubject(name)
      .setAudience(service)
      .setJti(randomUUID())
      .setIssuedAt(seconds(this.#now()))
      .setNotBefore(seconds(this.#now()))
    return (expires === Infinity ? token : token.setExpirationTime(seconds(expires))).sign(this.#key)
  }

  /** What a token says, or undefined where it is none of ours, expired, or of the other kind. */
  async read(kind: Kind, token: string): Promise<BearerPayload | undefined> {
    if (token.length > longestToken) return undefined
    const id = hash('sha256', token, 'base64')
    let payload = this.#verified.get(id)
    if (payload === undefined) {
      payload = await this.#verify(token)
      if (payload === undefined) return undefined
      this.#verified.set(id, payload)
    }
    return payload.kind === kind && this.#now() < payload.expires ? payload : undefined
  }

  async #verify(token: string): Promise<(BearerPayload & { readonly kind: Kind }) | undefined> {
    try {
      // The audience is not compared: one device answers under several names (its own, the API proxy's, 127.0.0.1).
      const options = { algorithms: ['HS256'], issuer, currentDate: new Date(this.#now()), clockTolerance: 5 }
      const { sub, exp, grant_type, slot, access } = payloadSchema.parse(
        (await jwtVerify(token, this.#key, options)).payload
      )
      return { name: sub, kind: grant_type, slot, access, expires: exp === undefined ? Infinity : exp * 1000 }
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof z.ZodError) return undefined
      throw error
    }
  }
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}
