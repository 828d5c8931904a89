import { covers, readScopeMap, type Permission, type RepositoryAction } from '../settings/scope-map.ts'

/** Actions of docker's token scopes, with the scope-map action that allows each; the last two are ACR's. */
const actionsOfScopes = {
  pull: 'content/read',
  push: 'content/write',
  delete: 'content/delete',
  metadata_read: 'metadata/read',
  metadata_write: 'metadata/write'
} as const satisfies Record<string, RepositoryAction>

export type ScopeAction = keyof typeof actionsOfScopes
export const scopeActions = Object.keys(actionsOfScopes) as ScopeAction[]

export function isScopeAction(text: string): text is ScopeAction {
  return Object.hasOwn(actionsOfScopes, text)
}

/** What a scope map allows. */
export class Rights {
  readonly #patterns = new Map<RepositoryAction, string[]>()

  constructor(permissions: readonly Permission[]) {
    for (const { action, pattern } of permissions) {
      const patterns = this.#patterns.get(action)
      if (patterns === undefined) this.#patterns.set(action, [pattern])
      else patterns.push(pattern)
    }
  }

  /** @param actions a scope map's, as the settings hold them */
  static of(actions: readonly string[]): Rights {
    return new Rights(readScopeMap(actions).permissions)
  }

  allow(repository: string, action: ScopeAction): boolean {
    return this.#patterns.get(actionsOfScopes[action])?.some((pattern) => covers(pattern, repository)) ?? false
  }
}
