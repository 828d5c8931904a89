import { isRepository, type Repository } from '../oci/name.ts'
import { isScopeAction, scopeActions, type Rights, type ScopeAction } from './rights.ts'

/** What a token was given, in the form in which token payloads carry it (distribution's "access" claim). */
export interface Granted {
  readonly type: 'repository' | 'registry'
  readonly name: string
  readonly actions: readonly string[]
}

/** Asked scopes that are looked at; docker asks for one to three. */
const mostScopes = 64
/** A token travels in a header, and Node takes 16 KiB of them: grants beyond this many characters are left out. */
const mostCharacters = 8000

/**
 * What of the asked scopes is allowed. Never an error: a client that asks for too much gets what it may have, and learns
 * the rest when it uses it. Unknown types, names and actions are left out.
 *
 * @param scopes `repository:<name>:<action>,<action>` or `registry:catalog:*`, one or several in each text
 * @see https://distribution.github.io/distribution/spec/auth/scope/
 */
export function grant(scopes: readonly string[], rights: Rights): Granted[] {
  const wanted = new Map<Repository, Set<ScopeAction>>()
  let catalog = false
  for (const scope of scopes.flatMap((text) => text.split(' ')).slice(0, mostScopes)) {
    if (scope === 'registry:catalog:*') catalog = true
    else addRepository(wanted, scope)
  }
  const granted = [...wanted].map(([name, actions]): Granted => {
    return { type: 'repository', name, actions: [...actions].filter((action) => rights.allow(name, action)) }
  })
  return fitting([
    ...(catalog ? [{ type: 'registry', name: 'catalog', actions: ['*'] } as const] : []),
    ...granted.filter(({ actions }) => actions.length > 0)
  ])
}

/** Whether a token's grants hold an action on a repository. */
export function holds(granted: readonly Granted[], repository: Repository, action: ScopeAction): boolean {
  return granted.some(({ type, name, actions }) => {
    return type === 'repository' && name === repository && actions.includes(action)
  })
}

function fitting(granted: readonly Granted[]): Granted[] {
  let left = mostCharacters
  return granted.filter((each) => (left -= JSON.stringify(each).length) >= 0)
}

function addRepository(wanted: Map<Repository, Set<ScopeAction>>, scope: string): void {
  const [, name = '', list = ''] = /^repository:(.+):([^:]*)$/.exec(scope) ?? []
  if (!isRepository(name)) return
  const actions = wanted.get(name) ?? new Set()
  wanted.set(name, actions)
  for (const action of list.split(','))
    // `*` is docker's and ACR's word for everything.
    if (action === '*') for (const each of scopeActions) actions.add(each)
    else if (isScopeAction(action)) actions.add(action)
}
