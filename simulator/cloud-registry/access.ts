import type { Exchange } from '../cloud-http.ts'
import { RegistryError } from './errors.ts'
import type { RegistryKnobs } from './knobs.ts'
import type { AccessToken, RegistryTokens } from './registry-tokens.ts'
import { allows, type Rights } from './scopes.ts'

/** What a request is about to do. `ping` needs a token, and nothing of it. */
export type Need = 'ping' | { readonly type: 'repository' | 'registry'; readonly name: string; readonly action: string }

/** Says whether a request may go on. */
export interface Gate {
  /** @throws {RegistryError} with a challenge */
  check(exchange: Exchange, need: Need): Promise<AccessToken | undefined>
}

/** What a registry asks about its tokens, whoever keeps them. */
export interface Directory {
  /** The token's name where name and password are right and it is enabled. */
  authenticate(name: string, password: string): string | undefined
  isEnabled(name: string): boolean
  /** `repositories/<pattern>/<verb>` and others, which mean nothing on this side. */
  actionsOf(name: string): readonly string[]
}

/** A registry as its data plane sees it. */
export interface RegistryFacts {
  readonly loginServer: string
  readonly anonymousPullEnabled: () => boolean
  readonly directory: Directory
  readonly knobs: RegistryKnobs
  readonly tokens: RegistryTokens
}

/** ACR takes bearer tokens alone on its routes: Basic is refused there, for tokens at least (https://github.com/Azure/acr/issues/466). */
export function tokenGate(facts: RegistryFacts): Gate {
  return {
    async check(exchange, need) {
      const bearer = /^Bearer +(\S+)$/i.exec(exchange.header('authorization') ?? '')?.[1]
      const token = bearer === undefined ? undefined : await facts.tokens.verifyAccess(bearer)
      if (token === undefined || isRevoked(facts, token)) throw challenge(facts, need, 'invalid_token')
      if (need !== 'ping' && !allows(token.access, need)) throw challenge(facts, need, 'insufficient_scope')
      return token
    }
  }
}

/** The rights behind a principal at this moment; undefined where there are none at all. */
export function rightsOf(facts: RegistryFacts, principal: AccessToken['principal']): Rights | undefined {
  switch (principal.kind) {
    case 'entra':
      return { kind: 'everything' }
    case 'anonymous':
      return facts.anonymousPullEnabled() ? { kind: 'reading' } : undefined
    case 'token':
      return { kind: 'scope map', actions: facts.directory.actionsOf(principal.name) }
  }
}

function isRevoked(facts: RegistryFacts, token: AccessToken): boolean {
  if (!facts.knobs.revokeAtOnce) return false
  if (token.principal.kind === 'token') return !facts.directory.isEnabled(token.principal.name)
  return token.principal.kind === 'anonymous' && !facts.anonymousPullEnabled()
}

/** `/v2/` names neither scope nor error; a repository names both, and says it again in the body with capitals (arm-wire §10). */
function challenge(facts: RegistryFacts, need: Need, error: 'invalid_token' | 'insufficient_scope'): RegistryError {
  const server = facts.loginServer
  const base = `Bearer realm="https://${server}/oauth2/token",service="${server}"`
  if (need === 'ping') return new RegistryError('UNAUTHORIZED', { headers: { 'www-authenticate': base } })
  // Pushing reads as well: the challenge asks for both, or the client's HEAD of a blob would be refused next.
  const actions = need.action === 'push' ? 'pull,push' : need.action
  return new RegistryError('UNAUTHORIZED', {
    detail: [{ Type: need.type, Name: need.name, Action: need.action }],
    headers: { 'www-authenticate': `${base},scope="${need.type}:${need.name}:${actions}",error="${error}"` }
  })
}
