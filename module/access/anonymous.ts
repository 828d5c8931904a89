import type { Settings } from '../settings/document.ts'
import { readScopeMap, type Permission } from '../settings/scope-map.ts'
import type { Principal } from './authorize.ts'
import { Rights } from './rights.ts'

/** As ACR's anonymous pull: every repository, and nothing but reading. */
const everything: readonly Permission[] = [
  { pattern: '*', action: 'content/read' },
  { pattern: '*', action: 'metadata/read' }
]

/**
 * Somebody who does not say who they are, and what they may read.
 *
 * @returns undefined where anonymous pull is disabled
 */
export function anonymousPrincipal({
  anonymousPull,
  scopeMaps
}: Pick<Settings, 'anonymousPull' | 'scopeMaps'>): Principal | undefined {
  if (!anonymousPull.enabled) return undefined
  const { scopeMap } = anonymousPull
  const permissions = scopeMap === undefined ? everything : readScopeMap(scopeMaps[scopeMap]?.actions ?? []).permissions
  // Whatever else the scope map allows, to those who log in: without a name nobody changes anything.
  return { name: '', rights: new Rights(permissions.filter(({ action }) => action.endsWith('/read'))) }
}
