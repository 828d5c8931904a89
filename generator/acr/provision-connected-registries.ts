import { gatewayActionsOf, sameActions } from './actions.ts'
import type { Acr, ConnectedRegistryState } from './acr.ts'
import { ancestorsOf, told, type ConnectedRegistrySteps } from './connected-registry-steps.ts'
import { lastChangeFailed } from './failed-change.ts'
import type { Outcome } from './provision.ts'
import type { Wanted } from './wanted.ts'

const kind = 'connected registry'

type Tell = (outcome: Outcome) => void

/** What was made for a connected registry, and is of no use without it. */
export interface Leftovers {
  readonly name: string
  readonly state?: ConnectedRegistryState
  readonly token?: string
  readonly scopeMap?: string
}

/**
 * What is there of those that are to go. Of one that is gone already, as after a run that stopped half-way, the token and scope map
 * are found by the names that Causeway and az give them, if they open its gateway and nobody else's business.
 */
export async function leftoversOf(
  acr: Acr,
  wanted: Wanted,
  current: readonly ConnectedRegistryState[]
): Promise<readonly Leftovers[]> {
  const found: Leftovers[] = []
  for (const name of wanted.retired) {
    const state = current.find((each) => same(each.name, name))
    const { token, scopeMap } = await syncPairOf(acr, name, state)
    const left: Leftovers = {
      name,
      ...(state === undefined ? {} : { state }),
      ...(token === undefined || wanted.tokens.some((each) => same(each.name, token)) ? {} : { token }),
      ...(scopeMap === undefined || wanted.scopeMaps.some((each) => same(each.name, scopeMap)) ? {} : { scopeMap })
    }
    if (left.state !== undefined || left.token !== undefined || left.scopeMap !== undefined) found.push(left)
  }
  return found
}

async function syncPairOf(
  acr: Acr,
  name: string,
  state: ConnectedRegistryState | undefined
): Promise<{ readonly token?: string; readonly scopeMap?: string }> {
  const ownScopeMap = async (map: string): Promise<boolean> => {
    const actions = (await acr.scopeMap(map))?.actions ?? []
    const gateway = `gateway/${name.toLowerCase()}/`
    return actions.some((action) => action.toLowerCase().startsWith(gateway))
  }
  for (const token of state === undefined ? [`${name}-sync-token`, name] : [state.syncToken]) {
    const there = await acr.token(token)
    if (there === undefined) continue
    const isOwn = await ownScopeMap(there.scopeMap)
    if (state === undefined && !isOwn) continue
    return { token, ...(isOwn ? { scopeMap: there.scopeMap } : {}) }
  }
  for (const scopeMap of [`${name}-sync`, name]) if (await ownScopeMap(scopeMap)) return { scopeMap }
  return {}
}

/**
 * Takes away what is to go, children first, makes what is not there, parents first, and changes what differs.
 * In this order nothing that is deleted is still used: gateway in ancestors, registry, token, scope map.
 */
export async function provisionConnectedRegistries(
  acr: Acr,
  wanted: Wanted,
  current: readonly ConnectedRegistryState[],
  steps: ConnectedRegistrySteps,
  leftovers: readonly Leftovers[],
  tell: Tell
): Promise<void> {
  for (const { state } of leftovers) if (state !== undefined) await closeGateway(acr, wanted, current, state, tell)
  for (const { name } of steps.deletions) {
    await acr.deleteConnectedRegistry(name)
    if (!steps.creations.some(({ registry }) => same(registry.name, name))) tell({ kind, name, outcome: 'deleted' })
  }
  for (const { token, scopeMap } of leftovers) {
    if (token !== undefined) {
      await acr.deleteToken(token)
      tell({ kind: 'token', name: token, outcome: 'deleted' })
    }
    if (scopeMap !== undefined) {
      await acr.deleteScopeMap(scopeMap)
      tell({ kind: 'scope map', name: scopeMap, outcome: 'deleted' })
    }
  }
  for (const { registry, anew } of steps.creations) {
    await acr.createConnectedRegistry(registry)
    const { name } = registry
    if (anew === undefined) tell({ kind, name, outcome: 'created' })
    else tell({ kind, name, outcome: 'recreated', detail: told(anew), differences: anew })
  }
  for (const { name, changes, whole, differences } of steps.updates) {
    if (whole === undefined) await acr.updateConnectedRegistry(name, changes)
    else await acr.createConnectedRegistry(whole)
    tell({ kind, name, outcome: 'updated', detail: told(differences), differences })
  }
  for (const name of steps.deactivations) {
    await acr.deactivateConnectedRegistry(name)
    const differences = [{ action: 'change', path: 'activation', before: 'Active', after: 'Inactive' } as const]
    tell({ kind, name, outcome: 'updated', detail: told(differences), differences })
  }
  for (const name of steps.unchanged) tell({ kind, name, outcome: 'unchanged' })
}

/** Those above that are of this site have their scope maps as the site wants them; the rest is done here. */
async function closeGateway(
  acr: Acr,
  wanted: Wanted,
  current: readonly ConnectedRegistryState[],
  registry: ConnectedRegistryState,
  tell: Tell
): Promise<void> {
  const gone = new Set(gatewayActionsOf(registry.name))
  for (const { syncToken } of ancestorsOf(current, registry)) {
    const name = (await acr.token(syncToken))?.scopeMap
    if (name === undefined || wanted.scopeMaps.some((each) => same(each.name, name))) continue
    const { actions, failed } = (await acr.scopeMap(name)) ?? { actions: [] }
    const rest = actions.filter((action) => !gone.has(action.toLowerCase()))
    if (sameActions(actions, rest) && failed !== true) continue
    await acr.updateScopeMap(name, rest)
    const removed = actions.filter((action) => !rest.includes(action))
    tell({
      kind: 'scope map',
      name,
      outcome: 'updated',
      detail: removed.length > 0 ? removed.map((action) => `-${action}`).join(' ') : lastChangeFailed
    })
  }
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
