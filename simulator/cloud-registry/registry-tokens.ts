import { randomBytes, randomUUID } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import type { Access } from './scopes.ts'

/** Who stands behind a registry's token. */
export type Principal =
  | { readonly kind: 'token'; readonly name: string }
  | { readonly kind: 'entra'; readonly name: string }
  | { readonly kind: 'anonymous' }

export interface AccessToken {
  readonly principal: Principal
  readonly access: readonly Access[]
}

/** Issues and verifies one registry's own JWTs, with the claims of connected-registry §5. */
export class RegistryTokens {
  readonly #key = randomBytes(32)
  readonly #loginServer: string
  readonly #tenantId: string
  readonly #now: () => number

  constructor(loginServer: string, tenantId: string, now: () => number) {
    this.#loginServer = loginServer
    this.#tenantId = tenantId
    this.#now = now
  }

  /** @param lifetime seconds */
  issueAccess(principal: Principal, access: readonly Access[], lifetime: number): Promise<string> {
    return this.#sign({ ...claimsOf(principal), access, roles: [], grant_type: 'access_token' }, lifetime)
  }

  /** Only people and services of the directory get one; tokens of the registry send their password each time. */
  issueRefresh(principal: Principal, lifetime: number): Promise<string> {
    const permissions = { actions: ['read', 'write', 'delete'], notActions: [] }
    return this.#sign(
      { ...claimsOf(principal), grant_type: 'refresh_token', tenant: this.#tenantId, permissions, roles: [] },
      lifetime
    )
  }

  /** What an access token says, or undefined where it is none, altered or expired. */
  async verifyAccess(token: string): Promise<AccessToken | undefined> {
    const claims = await this.#verify(token, 'access_token')
    return claims === undefined
      ? undefined
      : { principal: principalOf(claims), access: (claims['access'] ?? []) as readonly Access[] }
  }

  async verifyRefresh(token: string): Promise<Principal | undefined> {
    const claims = await this.#verify(token, 'refresh_token')
    return claims === undefined ? undefined : principalOf(claims)
  }

  #sign(claims: Record<string, unknown>, lifetime: number): Promise<string> {
    const issued = Math.floor(this.#now() / 1000)
    return new SignJWT({
      jti: randomUUID(),
      nbf: issued - 900,
      exp: issued + lifetime,
      iat: issued,
      iss: 'Azure Container Registry',
      aud: this.#loginServer,
      version: '1.0',
      ...claims
    })
      .setProtectedHeader({ typ: 'JWT', alg: 'HS256', kid: 'simulator' })
      .sign(this.#key)
  }

  async #verify(token: string, grantType: string): Promise<Record<string, unknown> | undefined> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: ['HS256'],
        audience: this.#loginServer,
        currentDate: new Date(this.#now())
      })
      return payload['grant_type'] === grantType ? payload : undefined
    } catch {
      return undefined
    }
  }
}

function claimsOf(principal: Principal): Record<string, unknown> {
  return { sub: principal.kind === 'anonymous' ? '' : principal.name, rid: principal.kind }
}

function principalOf(claims: Record<string, unknown>): Principal {
  const kind = claims['rid']
  if (kind === 'token' || kind === 'entra') return { kind, name: String(claims['sub']) }
  return { kind: 'anonymous' }
}
