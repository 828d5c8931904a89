import type { ConnectedRegistry, ScopeMap, Token } from '@azure/arm-containerregistry'
import { slots } from '../secrets/store.ts'
import type { ConnectedRegistryState, ScopeMapState, TokenState } from './acr.ts'
import { leafOf } from './cloud-registry.ts'
import { isUnderWay, lastChangeOf } from './settled.ts'

/* What Resource Manager tells of things, as the nouns of acr.ts. */

export function scopeMapState(scopeMap: ScopeMap): ScopeMapState {
  return { actions: scopeMap.actions ?? [], ...lastChangeOf(scopeMap) }
}

/** Those on which an operation is under way are read, and waited for, by themselves. */
export function listedScopeMap(scopeMap: ScopeMap): ScopeMapState | undefined {
  return scopeMap.actions === undefined || isUnderWay(scopeMap) ? undefined : scopeMapState(scopeMap)
}

/**
 * The specification's example of a list leaves the credentials out (facts: arm-wire §4). A password that seems to be gone is made
 * anew, so none is taken for gone by a list.
 */
export function listedToken(token: Token): TokenState | undefined {
  return (token.credentials?.passwords ?? []).length > 0 && !isUnderWay(token) ? tokenState(token) : undefined
}

export function tokenState(token: Token): TokenState {
  // Only the slots that were ever filled are listed, in no order that means anything (facts: arm-wire §4).
  const passwords = slots.flatMap((slot) => {
    const found = token.credentials?.passwords?.find((password) => password.name === slot)
    return found === undefined ? [] : [[slot, (found.creationTime ?? new Date(0)).toISOString()] as const]
  })
  return {
    scopeMap: leafOf(token.scopeMapId ?? ''),
    status: token.status?.toLowerCase() === 'disabled' ? 'disabled' : 'enabled',
    passwords: Object.fromEntries(passwords),
    ...lastChangeOf(token)
  }
}

export function connectedRegistryState(registry: ConnectedRegistry): ConnectedRegistryState {
  const { schedule, syncWindow, messageTtl, tokenId = '' } = registry.parent?.syncProperties ?? {}
  const logLevel = registry.logging?.logLevel
  const collection = registry.garbageCollection
  return {
    name: registry.name ?? '',
    mode: registry.mode ?? '',
    syncToken: leafOf(tokenId),
    ...(registry.parent?.id === undefined ? {} : { parent: leafOf(registry.parent.id) }),
    clientTokens: (registry.clientTokenIds ?? []).map(leafOf),
    notifications: registry.notificationsList ?? [],
    active: registry.activation?.status === 'Active',
    ...(schedule === undefined ? {} : { schedule }),
    ...(syncWindow === undefined ? {} : { syncWindow }),
    ...(messageTtl === undefined ? {} : { messageTtl }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(collection === undefined ? {} : { garbageCollection: collection }),
    ...lastChangeOf(registry)
  }
}
