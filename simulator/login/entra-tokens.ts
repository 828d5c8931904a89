import { randomBytes, randomUUID } from 'node:crypto'
import { jwtVerify, SignJWT, errors } from 'jose'

/** Who a token speaks for, as far as the pretend cloud asks. */
export interface EntraIdentity {
  readonly tenantId: string
  readonly clientId: string
  readonly objectId: string
  readonly expiresAt: Date
}

/** Why a token was refused. */
export type EntraRefusal = 'missing' | 'malformed' | 'expired' | 'audience' | 'tenant'

export class EntraTokenError extends Error {
  readonly reason: EntraRefusal

  constructor(reason: EntraRefusal) {
    super(`access token refused: ${reason}`)
    this.reason = reason
  }
}

/**
 * Issues and verifies the bearer tokens of the pretend Entra. The hub and ARM simulators are given {@link verify} and nothing
 * else. Tokens are JWTs with the claims that Azure's clients and services read; the signature is an HMAC with a key of this
 * process, because no client verifies it.
 */
export class EntraTokens {
  readonly tenantId: string
  readonly #key = randomBytes(32)
  readonly #now: () => number
  readonly #objectIds = new Map<string, string>()

  constructor(tenantId: string, now: () => number) {
    this.tenantId = tenantId
    this.#now = now
  }

  /**
   * @param audience what the token is for, such as `https://management.azure.com`
   * @param lifetime seconds
   */
  issue(clientId: string, audience: string, lifetime: number): Promise<string> {
    const issued = Math.floor(this.#now() / 1000)
    const claims = {
      aud: audience,
      iss: `https://sts.windows.net/${this.tenantId}/`,
      iat: issued,
      nbf: issued,
      exp: issued + lifetime,
      appid: clientId,
      appidacr: '1',
      idtyp: 'app',
      oid: this.#objectId(clientId),
      sub: this.#objectId(clientId),
      tid: this.tenantId,
      uti: randomBytes(16).toString('base64url'),
      ver: '1.0'
    }
    return new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: 'HS256', kid: 'simulator' }).sign(this.#key)
  }

  /**
   * @param authorization an `Authorization` header, `Bearer …`
   * @param audiences those the service answers to
   * @throws {EntraTokenError}
   */
  async verify(authorization: string | undefined, audiences: readonly string[]): Promise<EntraIdentity> {
    if (authorization === undefined) throw new EntraTokenError('missing')
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
    if (token === undefined) throw new EntraTokenError('malformed')
    return this.verifyToken(token, audiences)
  }

  /** The same for a bare token. */
  async verifyToken(token: string, audiences: readonly string[]): Promise<EntraIdentity> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: ['HS256'],
        audience: [...audiences],
        currentDate: new Date(this.#now())
      })
      if (payload['tid'] !== this.tenantId) throw new EntraTokenError('tenant')
      return {
        tenantId: this.tenantId,
        clientId: String(payload['appid']),
        objectId: String(payload['oid']),
        expiresAt: new Date((payload.exp ?? 0) * 1000)
      }
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new EntraTokenError('expired')
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
        throw new EntraTokenError('audience')
      throw error instanceof EntraTokenError ? error : new EntraTokenError('malformed')
    }
  }

  #objectId(clientId: string): string {
    const known = this.#objectIds.get(clientId) ?? randomUUID()
    this.#objectIds.set(clientId, known)
    return known
  }
}
