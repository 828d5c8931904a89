import type { IncomingMessage, ServerResponse } from 'node:http'
import { OciError } from '../oci/errors.ts'
import type { Trail } from './audit.ts'
import type { Client, TokenIssuer, TokenRequest } from './authorizer.ts'
import { tokenPath } from './challenge.ts'
import type { Origin } from './origin.ts'
import { errorReply, json, type Reply } from './reply.ts'
import { readTokenForm } from './token-form.ts'

/** Microsoft's connected registry answers at the first, ACR at the second. */
export function isTokenPath(path: string): boolean {
  return path === tokenPath || path === '/oauth2/token'
}

/**
 * The token endpoint: GET with Basic, as docker and containers-image ask; POST with a form, as containerd, BuildKit and
 * ACR's clients do first.
 *
 * @throws {OciError} `UNAUTHORIZED`, `DENIED`, `TOOMANYREQUESTS`, `UNSUPPORTED`, `SIZE_INVALID`
 * @see https://distribution.github.io/distribution/spec/auth/token/
 * @see https://distribution.github.io/distribution/spec/auth/oauth/
 */
export async function serveToken(
  issuer: TokenIssuer,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  origin: Origin,
  trail: Trail
): Promise<Reply> {
  // Tokens belong to one caller: neither browsers nor proxies may keep them (RFC 6749, section 5.1).
  const headers = { 'Cache-Control': 'no-store' }
  try {
    const asked =
      request.method === 'POST'
        ? await readForm(request, response, origin, trail.client)
        : readQuery(request, query, origin, trail.client)
    trail.claimed = asked.credentials?.kind === 'password' ? asked.credentials.name : undefined
    return json(200, await issuer.issue(asked), headers)
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    const realm = { 'WWW-Authenticate': `Basic realm="${origin.host}", charset="UTF-8"` }
    return errorReply(error, { ...headers, ...(error.code === 'UNAUTHORIZED' ? realm : {}) })
  }
}

function readQuery(request: IncomingMessage, query: URLSearchParams, origin: Origin, client: Client): TokenRequest {
  const { method, headers } = request
  if (method !== 'GET' && method !== 'HEAD') throw new OciError('UNSUPPORTED', 'ask for tokens by GET or POST')
  const credentials = readBasic(headers.authorization)
  return {
    client,
    service: query.get('service') ?? origin.host,
    scopes: query.getAll('scope'),
    offline: query.get('offline_token') === 'true',
    ...(credentials === undefined ? {} : { credentials })
  }
}

async function readForm(
  request: IncomingMessage,
  response: ServerResponse,
  origin: Origin,
  client: Client
): Promise<TokenRequest> {
  const form = await readTokenForm(request, response)
  const common = {
    client,
    service: form.get('service') ?? origin.host,
    scopes: form.getAll('scope'),
    offline: true
  }
  const field = (name: string): string => form.get(name) ?? ''
  switch (form.get('grant_type')) {
    case 'password': {
      // ACR's SDK asks for an anonymous token with an empty form.
      if (field('username') === '') return common
      return {
        ...common,
        credentials: { kind: 'password', name: field('username'), password: field('password') }
      }
    }
    case 'refresh_token':
      return { ...common, credentials: { kind: 'refresh', token: field('refresh_token') } }
    default:
      // 405 makes containerd and BuildKit try GET.
      throw new OciError('UNSUPPORTED', 'grant_type must be password or refresh_token')
  }
}

function readBasic(authorization: string | undefined): TokenRequest['credentials'] {
  const encoded = /^Basic +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const [, name = '', password = ''] = /^([^:]*):?(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  return { kind: 'password', name, password }
}
