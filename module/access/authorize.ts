import type { Repository } from '../oci/name.ts'
import type { CatalogRange, Rights, ScopeAction } from './rights.ts'
import { holds, type Granted } from './scopes.ts'

type RepositoryNeed = 'pull' | 'push' | 'delete' | 'list'

/** What a request is about to do. `login` is anything that only needs somebody known. */
export type Need =
  | { readonly kind: 'login' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'repository'; readonly repository: Repository; readonly action: RepositoryNeed }

/** Who is allowed to do it. */
export interface Caller {
  /** The client token's name; empty for somebody who did not say who they are. */
  readonly name: string
  /** What of the repositories the catalog may show them: sorted, and without one standing in another. */
  readonly catalog: readonly CatalogRange[]
  /**
   * Whether the scope map in force allows this too, whatever a bearer token was asked for: a mount that names no source finds
   * the blob in repositories which its client did not know it would need a scope for.
   */
  may(action: RepositoryNeed, repository: Repository): boolean
  /** Whether it allows this for every repository that there is or could be. */
  mayEverywhere(action: RepositoryNeed): boolean
}

export type Decision =
  | { readonly kind: 'allowed'; readonly caller: Caller }
  /** 401: log in, or fetch another bearer token (RFC 6750, section 3.1). */
  | { readonly kind: 'challenge'; readonly error?: 'invalid_token' | 'insufficient_scope'; readonly message: string }
  /** 403: logging in again would not help. */
  | { readonly kind: 'denied'; readonly message: string; readonly name?: string }

/** In whose name something is asked: one of the client tokens, or nobody's, which is the empty name. */
export interface Principal {
  readonly name: string
  readonly rights: Rights
}

/**
 * Decides for a caller who is known, or may stay unknown.
 *
 * @param granted what the caller's bearer token holds; undefined for Basic, which is bound by the scope map alone
 */
export function decide(principal: Principal, granted: readonly Granted[] | undefined, need: Need): Decision {
  const allowed: Decision = { kind: 'allowed', caller: callerOf(principal) }
  if (need.kind === 'login') return allowed
  if (need.kind === 'catalog')
    return granted?.some(({ type, name }) => type === 'registry' && name === 'catalog') === false
      ? insufficient('the bearer token was not asked for registry:catalog:*')
      : allowed
  const { repository, action } = need
  // The scope map in force decides, not what it was when the bearer token was issued.
  if (!principal.rights.allow(repository, scopeOf(action))) return refuse(principal, action, repository)
  return isGranted(granted, action, repository)
    ? allowed
    : insufficient(`the bearer token does not hold ${scopeOf(action)} on ${repository}`)
}

/** Whoever has not logged in may do so; for the others it would change nothing. */
function refuse({ name }: Principal, action: RepositoryNeed, repository: Repository): Decision {
  return name === ''
    ? insufficient(`${scopeOf(action)} on ${repository} is not for anonymous callers: log in with a client token`)
    : {
        kind: 'denied',
        name,
        message: `the scope map of token ${name} does not allow ${scopeOf(action)} on ${repository}`
      }
}

function insufficient(message: string): Decision {
  return { kind: 'challenge', error: 'insufficient_scope', message }
}

function scopeOf(action: RepositoryNeed): ScopeAction {
  return action === 'list' ? 'metadata_read' : action
}

/** Clients list tags with the token they asked for to pull: for them that is one scope, in ACR it is two. */
function isGranted(granted: readonly Granted[] | undefined, action: RepositoryNeed, repository: Repository): boolean {
  const enough = action === 'list' ? (['metadata_read', 'pull'] as const) : [action]
  return granted === undefined || enough.some((each) => holds(granted, repository, each))
}

/** The catalog shows what can be pulled and listed (connected registry, "view repositories"). */
function callerOf({ name, rights }: Principal): Caller {
  return {
    name,
    get catalog() {
      return rights.catalogRanges()
    },
    may: (action, repository) => rights.allow(repository, scopeOf(action)),
    mayEverywhere: (action) => rights.allowEverywhere(scopeOf(action))
  }
}
