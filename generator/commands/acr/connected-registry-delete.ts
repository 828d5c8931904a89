import { gatewayActionsOf } from '../../acr/actions.ts'
import { leafOf, type CloudRegistry } from '../../acr/cloud-registry.ts'
import { applySyncChange, Family, planSyncChange } from '../../acr/family.ts'
import { checkName } from '../../acr/names.ts'
import { slots } from '../../secrets/store.ts'
import type { AcrCommand } from './command.ts'
import type { Invocation } from './invocation.ts'
import { forget } from './passwords.ts'

/** What is left of a connected registry when it is gone (facts: arm-wire §13). */
interface Leftovers {
  readonly name: string
  readonly token: string
  readonly scopeMap: string
  readonly parent: string | undefined
}

/** Registry, token, scope map, then the registries above: in this order nothing that is deleted is still used. */
export async function deleteConnectedRegistry(call: Invocation): ReturnType<AcrCommand['run']> {
  const name = checkName('connected registry', call.args.text('--name'))
  const cleanup = call.args.has('--cleanup')
  await call.confirm(
    `Are you sure you want to delete the connected registry '${name}' in '${call.args.text('--registry')}'${cleanup ? '' : ' without cleanup flag enabled'}?`
  )
  const cloud = await call.registry()
  const registry = await cloud.connectedRegistry(name)
  const token = await cloud.token(leafOf(registry.parent?.syncProperties.tokenId))
  const leftovers: Leftovers = {
    name,
    token: token.name ?? '',
    scopeMap: leafOf(token.scopeMapId),
    parent: registry.parent?.id === undefined ? undefined : leafOf(registry.parent.id)
  }
  await cloud.deleteConnectedRegistry(name)
  if (!cleanup) {
    call.warn(`Connected registry successfully deleted. Please clean up:\n${commandsFor(cloud, leftovers)}`)
    return null
  }
  try {
    await cleanUp(call, cloud, leftovers)
  } catch (error) {
    call.warn(`The connected registry is deleted, and not all that was made for it:\n${commandsFor(cloud, leftovers)}`)
    throw error
  }
  return null
}

async function cleanUp(call: Invocation, cloud: CloudRegistry, leftovers: Leftovers): Promise<void> {
  await cloud.deleteToken(leftovers.token)
  await forget(call, cloud, leftovers.token, slots)
  await cloud.deleteScopeMap(leftovers.scopeMap)
  if (leftovers.parent === undefined) return
  const family = new Family(await cloud.connectedRegistries())
  const parent = family.find(leftovers.parent)
  const above = parent === undefined ? [] : [parent, ...family.ancestorsOf(parent)]
  for (const ancestor of above) {
    const change = await planSyncChange(cloud, ancestor, [], gatewayActionsOf(leftovers.name))
    await applySyncChange(cloud, change, (changed) => {
      call.warn(`Removing '${leftovers.name}' gateway permissions from connected registry '${changed}' sync scope map.`)
    })
  }
}

function commandsFor(cloud: CloudRegistry, { name, token, scopeMap, parent }: Leftovers): string {
  const registry = cloud.address.name
  const gateway = `causeway acr scope-map update -n <its sync scope map> -r ${registry} --remove-gateway ${name} config/read config/write message/read message/write`
  return [
    `  causeway acr token delete -n ${token} -r ${registry} --yes`,
    `  causeway acr scope-map delete -n ${scopeMap} -r ${registry} --yes`,
    ...(parent === undefined ? [] : [`and for ${parent} and all above it:`, `  ${gateway}`])
  ].join('\n')
}
