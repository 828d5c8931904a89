import type { Repository } from '../oci/name.ts'
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

/** One repository, or all whose names begin so; the empty prefix stands for every one. */
export type CatalogRange = { readonly repository: Repository } | { readonly prefix: string }

/** What a scope map allows. */
export class Rights {
  readonly #patterns = new Map<RepositoryAction, string[]>()
  /** Made when first asked for: most tokens never list. */
  #catalogRanges: readonly CatalogRange[] | undefined

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

  /**
   * What can be pulled and listed, as names and prefixes that stand apart from each other, sorted: a list is then read range by
   * range, and what lies between is never looked at.
   */
  catalogRanges(): readonly CatalogRange[] {
    this.#catalogRanges ??= rangesOf(
      this.#patterns.get(actionsOfScopes.pull) ?? [],
      this.#patterns.get(actionsOfScopes.metadata_read) ?? []
    )
    return this.#catalogRanges
  }

  /** Whether there is no repository for which it is not allowed. */
  allowEverywhere(action: ScopeAction): boolean {
    return this.#patterns.get(actionsOfScopes[action])?.includes('*') ?? false
  }

  allow(repository: string, action: ScopeAction): boolean {
    return this.#patterns.get(actionsOfScopes[action])?.some((pattern) => covers(pattern, repository)) ?? false
  }
}

/** Of two patterns that touch one holds the other, so what both lists allow is made of patterns of theirs. */
function rangesOf(some: readonly string[], others: readonly string[]): readonly CatalogRange[] {
  const isIn = (pattern: string, patterns: readonly string[]): boolean => patterns.some((each) => covers(each, pattern))
  const both = [...new Set([...some, ...others])].filter((each) => isIn(each, some) && isIn(each, others))
  return both
    .filter((each) => !both.some((other) => other !== each && covers(other, each)))
    .map((pattern) => pattern.replace(/\*$/, ''))
    .sort()
    .map((text) => (text === '' || text.endsWith('/') ? { prefix: text } : { repository: text as Repository }))
}
