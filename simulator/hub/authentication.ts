import { createHmac, timingSafeEqual } from 'node:crypto'
import { HubError } from './errors.ts'

/** A shared access policy of the hub; every one here has all rights. */
export interface HubPolicy {
  readonly name: string
  /** The key, in base64. */
  readonly key: string
}

/** Checks an Entra access token; gives undefined, or throws, where it is not one of the pretend login's or is expired. */
export type VerifyBearer = (token: string) => BearerClaims | undefined | Promise<BearerClaims | undefined>

export interface BearerClaims {
  /** The token's `aud`. */
  readonly audience: string
}

/** Where Entra tokens for a hub's service API must be meant for (azure-sdk.md §4). */
const audience = 'https://iothubs.azure.net'

export interface AuthenticationOptions {
  readonly hostName: string
  readonly policies: readonly HubPolicy[]
  readonly verifyBearer?: VerifyBearer | undefined
}

/**
 * Checks an `Authorization` header.
 *
 * @param path the request's path, which a narrower `sr` must be a prefix of
 * @returns the policy's name, or `bearer`
 * @throws HubError IotHubUnauthorizedAccess, with the same text whatever was wrong, as the hub does
 */
export async function authenticate(
  header: string | undefined,
  path: string,
  options: AuthenticationOptions
): Promise<string> {
  const [scheme, credential, ...rest] = header?.split(' ') ?? []
  if (credential !== undefined && rest.length === 0) {
    if (scheme === 'SharedAccessSignature') {
      const policy = checkSignature(credential, path, options)
      if (policy !== undefined) return policy
    } else if (scheme?.toLowerCase() === 'bearer') {
      const meant = await audienceOf(credential, options.verifyBearer)
      if (meant === audience || meant === `${audience}/`) return 'bearer'
    }
  }
  throw new HubError('IotHubUnauthorizedAccess', 'Unauthorized')
}

async function audienceOf(token: string, verify: VerifyBearer | undefined): Promise<string | undefined> {
  try {
    return (await verify?.(token))?.audience
  } catch {
    // Verifiers built on a JWT library throw for a bad token; to the caller it is one 401 either way.
    return undefined
  }
}

/** `sr=<resource>&sig=<HMAC>&skn=<policy>&se=<seconds>`: signed is `sr` as it is written, a line feed, and `se`. */
function checkSignature(credential: string, path: string, options: AuthenticationOptions): string | undefined {
  const fields = new Map(
    credential.split('&').map((pair) => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals), pair.slice(equals + 1)] as const
    })
  )
  const resource = fields.get('sr')
  const signature = decode(fields.get('sig'))
  const policyName = decode(fields.get('skn'))
  const expiry = fields.get('se')
  if (resource === undefined || signature === undefined || policyName === undefined || expiry === undefined)
    return undefined
  const policy = options.policies.find(({ name }) => name === policyName)
  if (policy === undefined) return undefined
  const expected = createHmac('sha256', Buffer.from(policy.key, 'base64')).update(`${resource}\n${expiry}`).digest()
  const given = Buffer.from(signature, 'base64')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
  if (!/^\d+$/.test(expiry) || Number(expiry) * 1000 <= Date.now()) return undefined
  return covers(decode(resource), `${options.hostName}${path}`) ? policy.name : undefined
}

function covers(resource: string | undefined, wanted: string): boolean {
  if (resource === undefined) return false
  const scope = resource.toLowerCase()
  const target = wanted.toLowerCase()
  return target === scope || target.startsWith(scope.endsWith('/') ? scope : `${scope}/`)
}

function decode(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined
  }
}
