import type { Repository } from '../oci/name.ts'
import type { ClientToken } from './client-tokens.ts'
import type { ScopeAction } from './rights.ts'
import { holds, type Granted } from './scopes.ts'

/** What a request is about to do. `login` is anything that only needs somebody known. */
export type Need =
  | { readonly kind: 'login' }
  | { readonly kind: 'catalog' }
  | {
      readonly kind: 'repository'
      readonly repository: Repository
      readonly action: 'pull' | 'push' | 'delete' | 'list'
    }

/** Somebody who proved to be one of the client tokens. */
export interface Caller {
  readonly name: string
  /** Whether the catalog may show them this repository. */
  mayList(repository: Repository): boolean
}

export type Decision =
  | { readonly kind: 'allowed'; readonly caller: Caller }
  /** 401: log in, or fetch another bearer token (RFC 6750, section 3.1). */
  | { readonly kind: 'challenge'; readonly error?: 'invalid_token' | 'insufficient_scope'; readonly message: string }
  /** 403: logging in again would not help. */
  | { readonly kind: 'denied'; readonly message: string }

/**
 * Decides for a caller who is known.
 *
 * @param granted what the caller's bearer token holds; undefined for Basic, which is bound by the scope map alone
 */
export function decide(token: ClientToken, granted: readonly Granted[] | undefined, need: Need): Decision {
  const allowed: Decision = { kind: 'allowed', caller: callerOf(token) }
  if (need.kind === 'login') return allowed
  if (need.kind === 'catalog')
    return granted?.some(({ type, name }) => type === 'registry' && name === 'catalog') === false
      ? insufficient('the bearer token was not asked for registry:catalog:*')
      : allowed
  const { repository, action } = need
  const scope: ScopeAction = action === 'list' ? 'metadata_read' : action
  // The scope map in force decides, not what it was when the bearer token was issued.
  if (!token.rights.allow(repository, scope))
    return { kind: 'denied', message: `the scope map of token ${token.name} does not allow ${scope} on ${repository}` }
  // Clients list tags with the token they asked for to pull: for them that is one scope, in ACR it is two.
  const held =
    granted === undefined ||
    [scope, ...(action === 'list' ? (['pull'] as const) : [])].some((each) => holds(granted, repository, each))
  return held ? allowed : insufficient(`the bearer token does not hold ${scope} on ${repository}`)
}

function insufficient(message: string): Decision {
  return { kind: 'challenge', error: 'insufficient_scope', message }
}

/** The catalog shows what can be pulled and listed (connected registry, "view repositories"). */
function callerOf({ name, rights }: ClientToken): Caller {
  return {
    name,
    mayList: (repository) => rights.allow(repository, 'pull') && rights.allow(repository, 'metadata_read')
  }
}
