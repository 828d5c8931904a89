import type { ConnectedRegistry, ScopeMap } from '@azure/arm-containerregistry'
import { mostActionsPerScopeMap } from '../../module/settings/scope-map.ts'
import { GeneratorError } from '../errors.ts'
import { changeActions, sameActions } from './actions.ts'
import { leafOf, type CloudRegistry } from './cloud-registry.ts'

/** The connected registries of one cloud registry, above and below each other. Ids are compared without regard to case. */
export class Family {
  readonly #all: readonly ConnectedRegistry[]

  constructor(all: readonly ConnectedRegistry[]) {
    this.#all = all
  }

  find(name: string): ConnectedRegistry | undefined {
    return this.#all.find((each) => key(each.name) === key(name))
  }

  parentOf(registry: ConnectedRegistry): ConnectedRegistry | undefined {
    const parent = registry.parent?.id
    return parent === undefined ? undefined : this.find(leafOf(parent))
  }

  childrenOf(registry: ConnectedRegistry): readonly ConnectedRegistry[] {
    return this.#all.filter(
      (each) => each.parent?.id !== undefined && key(leafOf(each.parent.id)) === key(registry.name)
    )
  }

  /** The registry above, the one above that, and so on up to the root. */
  ancestorsOf(registry: ConnectedRegistry): readonly ConnectedRegistry[] {
    const ancestors: ConnectedRegistry[] = []
    for (let at = this.parentOf(registry); at !== undefined && !ancestors.includes(at); at = this.parentOf(at))
      ancestors.push(at)
    return ancestors
  }

  /** Everything below, at any depth and through every child: az 2.x forgets all but the last child's. */
  descendantsOf(registry: ConnectedRegistry): readonly ConnectedRegistry[] {
    return this.childrenOf(registry).flatMap((child) => [child, ...this.descendantsOf(child)])
  }

  /** Those without a registry above them. */
  roots(): readonly ConnectedRegistry[] {
    return this.#all.filter((each) => each.parent?.id === undefined)
  }
}

/** A sync scope map that is to change, and into what. */
export interface SyncChange {
  readonly registry: string
  readonly scopeMap: ScopeMap
  readonly actions: readonly string[]
}

/** The scope map of a connected registry's sync token. */
export async function syncScopeMap(cloud: CloudRegistry, registry: ConnectedRegistry): Promise<ScopeMap> {
  const token = await cloud.token(leafOf(registry.parent?.syncProperties.tokenId))
  return cloud.scopeMap(leafOf(token.scopeMapId))
}

/**
 * Works out a change of a connected registry's sync scope map, and changes nothing yet: what cannot be done is known before
 * the first of several is changed.
 *
 * @throws {GeneratorError} `USAGE` where it would come to more actions than a scope map holds
 */
export async function planSyncChange(
  cloud: CloudRegistry,
  registry: ConnectedRegistry,
  added: readonly string[],
  removed: readonly string[]
): Promise<SyncChange> {
  const scopeMap = await syncScopeMap(cloud, registry)
  const actions = changeActions(scopeMap.actions ?? [], added, removed)
  if (actions.length > mostActionsPerScopeMap)
    throw new GeneratorError(
      'USAGE',
      `scope map ${scopeMap.name ?? ''} of connected registry ${registry.name ?? ''} would come to ${actions.length} actions, and ACR allows ${mostActionsPerScopeMap}; nothing was changed`
    )
  return { registry: registry.name ?? '', scopeMap, actions }
}

/**
 * Makes the change, where there is one. The service has no etags, so it is looked at afterwards whether it holds.
 *
 * @param tell called before the change, with what it is
 * @throws {GeneratorError} `AZURE_CONFLICT` where somebody else changed the scope map meanwhile
 */
export async function applySyncChange(
  cloud: CloudRegistry,
  change: SyncChange,
  tell: (registry: string) => void
): Promise<ScopeMap> {
  if (sameActions(change.scopeMap.actions ?? [], change.actions)) return change.scopeMap
  tell(change.registry)
  const name = change.scopeMap.name ?? ''
  const changed = await cloud.updateScopeMap(name, { actions: change.actions })
  if (sameActions(changed.actions ?? [], change.actions)) return changed
  throw new GeneratorError(
    'AZURE_CONFLICT',
    `scope map ${name} was changed by somebody else at the same time; run this again`
  )
}

function key(name: string | undefined): string {
  return (name ?? '').toLowerCase()
}
