import { randomUUID } from 'node:crypto'
import type { Exchange, Headers } from '../cloud-http.ts'
import { rightsOf, type RegistryFacts } from './access.ts'
import { RegistryError, registryHeaders } from './errors.ts'
import type { Principal } from './registry-tokens.ts'
import { grant, parseScope, type Access } from './scopes.ts'

/** The user name that goes with a refresh token in the place of a password (connected-registry §5). */
const nullGuid = '00000000-0000-0000-0000-000000000000'

/** Verifies a token of the directory; undefined where it is none. */
export type VerifyEntra = (token: string) => Promise<{ readonly clientId: string } | undefined>

/** `/oauth2/token` and `/oauth2/exchange`. Answers have one field each: the lifetime stands in the token (arm-wire §10). */
export async function oauth2(exchange: Exchange, facts: RegistryFacts, verifyEntra: VerifyEntra): Promise<void> {
  const path = exchange.url.pathname
  if (path === '/oauth2/exchange' && exchange.method === 'POST') return trade(exchange, facts, verifyEntra)
  if (path === '/oauth2/token' && exchange.method === 'GET') {
    const principal = (await fromHeader(exchange, facts)) ?? { kind: 'anonymous' }
    return issue(exchange, facts, principal, exchange.url.searchParams)
  }
  if (path === '/oauth2/token' && exchange.method === 'POST') {
    const form = await exchange.form()
    return issue(exchange, facts, await fromForm(form, facts), form)
  }
  throw new RegistryError('NOT_FOUND')
}

async function trade(exchange: Exchange, facts: RegistryFacts, verifyEntra: VerifyEntra): Promise<void> {
  const form = await exchange.form()
  if (form.get('grant_type') !== 'access_token') throw badRequest('grant_type must be access_token')
  checkService(form, facts)
  const identity = await verifyEntra(form.get('access_token') ?? '')
  if (identity === undefined) throw new RegistryError('UNAUTHORIZED')
  const principal: Principal = { kind: 'entra', name: identity.clientId }
  const token = await facts.tokens.issueRefresh(principal, facts.knobs.refreshTokenSeconds)
  exchange.json(200, { refresh_token: token }, tokenHeaders())
}

async function issue(
  exchange: Exchange,
  facts: RegistryFacts,
  principal: Principal,
  parameters: URLSearchParams
): Promise<void> {
  checkService(parameters, facts)
  const rights = rightsOf(facts, principal)
  if (rights === undefined) throw new RegistryError('UNAUTHORIZED')
  const access = grant(readScopes(parameters), rights)
  const token = await facts.tokens.issueAccess(principal, access, facts.knobs.accessTokenSeconds)
  exchange.json(200, { access_token: token }, tokenHeaders())
}

/** Nobody, or a wrong password: without credentials one is anonymous, with wrong ones refused. */
async function fromHeader(exchange: Exchange, facts: RegistryFacts): Promise<Principal | undefined> {
  const header = exchange.header('authorization')
  if (header === undefined) return undefined
  const encoded = /^Basic +(\S+)$/i.exec(header)?.[1]
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return authenticate(text.slice(0, Math.max(colon, 0)), text.slice(colon + 1), facts)
}

/** The Azure SDK asks for an anonymous token with the grant `password` and an empty refresh token (connected-registry §5). */
async function fromForm(form: URLSearchParams, facts: RegistryFacts): Promise<Principal> {
  switch (form.get('grant_type')) {
    case 'refresh_token': {
      const principal = await facts.tokens.verifyRefresh(form.get('refresh_token') ?? '')
      if (principal === undefined) throw new RegistryError('UNAUTHORIZED')
      return principal
    }
    case 'password': {
      const username = form.get('username')
      if (username === null || username === '') return { kind: 'anonymous' }
      return authenticate(username, form.get('password') ?? '', facts)
    }
    default:
      throw badRequest('grant_type must be refresh_token or password')
  }
}

async function authenticate(username: string, password: string, facts: RegistryFacts): Promise<Principal> {
  if (username === nullGuid) {
    const principal = await facts.tokens.verifyRefresh(password)
    if (principal !== undefined) return principal
  } else {
    const name = facts.directory.authenticate(username, password)
    if (name !== undefined) return { kind: 'token', name }
  }
  throw new RegistryError('UNAUTHORIZED')
}

function checkService(parameters: URLSearchParams, facts: RegistryFacts): void {
  if (parameters.get('service')?.toLowerCase() !== facts.loginServer)
    throw badRequest(`service must be ${facts.loginServer}`)
}

/** `scope` may be repeated, and one may hold several with spaces between. */
function readScopes(parameters: URLSearchParams): Access[] {
  return parameters
    .getAll('scope')
    .flatMap((scope) => scope.split(' '))
    .filter((scope) => scope !== '')
    .map((scope) => {
      const parsed = parseScope(scope)
      if (parsed === undefined) throw badRequest(`not a scope: ${scope.slice(0, 200)}`)
      return parsed
    })
}

/** As recorded (arm-wire §10). */
function tokenHeaders(): Headers {
  return {
    ...registryHeaders,
    'x-ms-correlation-request-id': randomUUID(),
    'x-ms-ratelimit-remaining-calls-per-second': '166.63'
  }
}

function badRequest(message: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { message })
}
