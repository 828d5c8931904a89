import { isRepository } from '../oci/name.ts'

/** What ACR's scope maps can allow on a repository (`az acr scope-map create --help`). */
export const repositoryActions = [
  'content/read',
  'content/write',
  'content/delete',
  'metadata/read',
  'metadata/write'
] as const
export type RepositoryAction = (typeof repositoryActions)[number]

/** What a sync token needs beside its repositories, on `gateway/<connected registry>`. */
export const gatewayActions = ['config/read', 'config/write', 'message/read', 'message/write'] as const

/** ACR's hard limit (management docs, container-registry-skus). */
export const mostActionsPerScopeMap = 500

/** One rule of a scope map: an action on a repository, on everything below a folder, or on everything. */
export interface Permission {
  /** A repository name; a folder ending in `/*`; or `*` for every repository. */
  readonly pattern: string
  readonly action: RepositoryAction
}

/** What reading a scope map's actions gives: the permissions, or the reason for each action that is refused. */
export interface ScopeMapReading {
  readonly permissions: readonly Permission[]
  readonly problems: readonly { readonly index: number; readonly reason: string }[]
}

/**
 * Reads the actions of a scope map by ACR's grammar: `repositories/<name>/content/read` and its siblings, where the name
 * may end in one `/*` or be `*`; letters are lower-cased as ACR does. Gateway actions are accepted, and mean nothing here.
 *
 * @param actions as ACR stores them
 * @returns permissions that were understood and problems by index; permissions are additive, so order does not matter
 * @see https://learn.microsoft.com/azure/container-registry/container-registry-token-based-repository-permissions
 */
export function readScopeMap(actions: readonly string[]): ScopeMapReading {
  const permissions: Permission[] = []
  const problems: { index: number; reason: string }[] = []
  actions.forEach((action, index) => {
    const read = readAction(action.toLowerCase())
    if (typeof read === 'string') problems.push({ index, reason: read })
    else if (read !== undefined) permissions.push(read)
  })
  if (actions.length > mostActionsPerScopeMap)
    problems.push({
      index: mostActionsPerScopeMap,
      reason: `${actions.length} actions, and a scope map holds at most ${mostActionsPerScopeMap}`
    })
  return { permissions, problems }
}

/** Whether a permission's pattern covers a repository. `samples/*` covers what is below `samples`, not `samples` itself. */
export function covers(pattern: string, repository: string): boolean {
  if (pattern === '*') return true
  return pattern.endsWith('/*') ? repository.startsWith(pattern.slice(0, -1)) : pattern === repository
}

/** The permission, nothing for a gateway action, or the reason why the action is refused. */
function readAction(action: string): Permission | undefined | string {
  const segments = action.split('/')
  const verb = segments.slice(-2).join('/')
  const name = segments.slice(1, -2).join('/')
  if (segments[0] === 'gateway')
    return gatewayActions.some((known) => known === verb) && /^[a-z0-9_-]+$/.test(name)
      ? undefined
      : `not a gateway action; use gateway/<connected registry>/${gatewayActions.join('|')}`
  if (segments[0] !== 'repositories') return 'must begin with repositories/ or gateway/'
  if (!isRepositoryAction(verb)) return `unknown action ${verb}; use one of ${repositoryActions.join(', ')}`
  if (!isRepositoryPattern(name)) return `not a repository name, a folder ending in /*, or *: ${name}`
  return { pattern: name, action: verb }
}

function isRepositoryAction(text: string): text is RepositoryAction {
  return (repositoryActions as readonly string[]).includes(text)
}

/** Whether a text is a repository name, a folder ending in `/*`, or `*`. */
export function isRepositoryPattern(name: string): boolean {
  return name === '*' || isRepository(name.endsWith('/*') ? name.slice(0, -2) : name)
}
