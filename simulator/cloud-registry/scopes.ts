/** What a token may be asked to do on a repository, in the words of ACR's token endpoint. */
export const scopeActions = ['pull', 'push', 'delete', 'metadata_read', 'metadata_write'] as const
export type ScopeAction = (typeof scopeActions)[number]

/** One entry of an access token, and one thing a request needs. */
export interface Access {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** How the actions of scope maps are called at the token endpoint. */
const scopeMapNames: Readonly<Record<ScopeAction, string>> = {
  pull: 'content/read',
  push: 'content/write',
  delete: 'content/delete',
  metadata_read: 'metadata/read',
  metadata_write: 'metadata/write'
}

/** What decides who may do what: the actions of a scope map, everything, or reading alone. */
export type Rights =
  | { readonly kind: 'scope map'; readonly actions: readonly string[] }
  | { readonly kind: 'everything' }
  | { readonly kind: 'reading' }

/** Reads `repository:<name>:<action>,<action>`; undefined for what is no scope. */
export function parseScope(text: string): Access | undefined {
  const first = text.indexOf(':')
  const last = text.lastIndexOf(':')
  if (first <= 0 || last === first) return undefined
  const actions = text.slice(last + 1).split(',')
  return { type: text.slice(0, first), name: text.slice(first + 1, last), actions }
}

/**
 * The part of what was asked that is allowed. The service grants less without an error, and an entry of which nothing is left is
 * missing.
 */
export function grant(asked: readonly Access[], rights: Rights): Access[] {
  return asked
    .map((scope) => ({ ...scope, actions: scope.actions.flatMap((action) => allowed(scope, action, rights)) }))
    .filter((scope) => scope.actions.length > 0)
}

/** Whether an access token's entries allow a thing. */
export function allows(access: readonly Access[], need: { type: string; name: string; action: string }): boolean {
  return access.some(
    (entry) => entry.type === need.type && entry.name === need.name && entry.actions.includes(need.action)
  )
}

function allowed(scope: Access, action: string, rights: Rights): readonly string[] {
  // The catalogue is of the whole registry: no scope map can give it (https://github.com/Azure/acr/issues/675).
  if (scope.type === 'registry')
    return rights.kind === 'everything' && scope.name === 'catalog' && action === '*' ? ['*'] : []
  if (scope.type !== 'repository') return []
  const candidates = action === '*' ? scopeActions : scopeActions.filter((known) => known === action)
  return candidates.filter((candidate) => allowedOnRepository(scope.name, candidate, rights))
}

function allowedOnRepository(repository: string, action: ScopeAction, rights: Rights): boolean {
  switch (rights.kind) {
    case 'everything':
      return true
    case 'reading':
      return action === 'pull' || action === 'metadata_read'
    case 'scope map':
      return rights.actions.some((entry) =>
        grants(entry.toLowerCase(), repository.toLowerCase(), scopeMapNames[action])
      )
  }
}

/** `repositories/<pattern>/<verb>`, the pattern being a name, `folder/*` or `*`. */
function grants(entry: string, repository: string, verb: string): boolean {
  if (!entry.startsWith('repositories/') || !entry.endsWith(`/${verb}`)) return false
  const pattern = entry.slice('repositories/'.length, -(verb.length + 1))
  if (pattern === '*' || pattern === repository) return true
  return pattern.endsWith('/*') && repository.startsWith(pattern.slice(0, -1))
}
