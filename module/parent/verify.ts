import { realmOf } from './authorizer.ts'
import { parseChallenges } from './challenge.ts'
import { basicOf } from './credentials.ts'
import { ParentError } from './errors.ts'
import { ask, discard, readAll } from './exchange.ts'
import type { Outbound } from './outbound.ts'
import { askerWith, refusal } from './refusal.ts'

/** What the parent lets somebody do, as its token says: the "access" claim of distribution's tokens. */
export interface ParentGrant {
  readonly type: 'repository' | 'registry'
  readonly name: string
  readonly actions: readonly string[]
}

export interface Verification {
  readonly origin: URL
  /** Of every request. */
  readonly headers: Readonly<Record<string, string>>
  readonly tokenName: string
  readonly password: string
  /** `repository:<name>:<action>,…` */
  readonly scopes: readonly string[]
  readonly signal: AbortSignal
}

/**
 * Asks the parent's token endpoint for a token in somebody else's name, as their own client would, and reads what it
 * grants. The token itself is not kept.
 *
 * @returns undefined where the parent refuses the name or the password
 * @throws {ParentError} where it cannot be asked, or gives its tokens in a way that cannot be read; the signal's reason
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export async function verifyToken(outbound: Outbound, verification: Verification): Promise<ParentGrant[] | undefined> {
  const { origin, tokenName, password, scopes, signal } = verification
  const base = await ask(outbound, {
    method: 'GET',
    url: new URL('/v2/', origin),
    headers: verification.headers,
    signal
  })
  await discard(base)
  const bearer = parseChallenges(base.headers['www-authenticate']).find(
    ({ scheme, parameters }) => scheme === 'bearer' && 'realm' in parameters
  )
  if (base.status !== 401 || bearer === undefined)
    throw new ParentError(
      'PARENT_PROTOCOL',
      `${origin.host} names no token endpoint: tokens can be verified with parents that ask for Bearer tokens`
    )
  const url = new URL(realmOf(origin, bearer.parameters['realm'] ?? ''))
  const service = bearer.parameters['service']
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  const authorization = `Basic ${basicOf({ tokenName, password })}`
  const headers = { ...verification.headers, accept: 'application/json', authorization }
  const answer = await ask(outbound, { method: 'GET', url, headers, signal })
  if (answer.status === 401 || answer.status === 403) {
    await discard(answer)
    return undefined
  }
  if (answer.status !== 200) throw await refusal(answer, 'its token endpoint', askerWith([{ tokenName, password }]))
  return readGrants(await readAll(answer, 1024 * 1024, signal), url.host)
}

/** What a token says is taken from whoever gave it, over a connection that is trusted: its signature proves nothing more. */
function readGrants(bytes: Buffer, host: string): ParentGrant[] {
  let access: unknown
  try {
    const { access_token, token } = JSON.parse(bytes.toString()) as { access_token?: unknown; token?: unknown }
    const payload = String(access_token ?? token).split('.')[1] ?? ''
    access = (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { access?: unknown }).access ?? []
  } catch {
    // Told below: a parser's words would repeat what may be half a token.
  }
  if (!Array.isArray(access))
    throw new ParentError('PARENT_PROTOCOL', `the tokens of ${host} do not say what they grant`)
  return access.filter(isGrant)
}

function isGrant(each: unknown): each is ParentGrant {
  if (typeof each !== 'object' || each === null) return false
  const { type, name, actions } = each as Record<string, unknown>
  return (type === 'repository' || type === 'registry') && typeof name === 'string' && Array.isArray(actions)
}
