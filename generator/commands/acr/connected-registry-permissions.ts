import { checkActions, syncActionsOf } from '../../acr/actions.ts'
import { applySyncChange, Family, planSyncChange } from '../../acr/family.ts'
import { checkName } from '../../acr/names.ts'
import { GeneratorError } from '../../errors.ts'
import type { AcrCommand } from './command.ts'
import type { Invocation } from './invocation.ts'
import { scopeMapShape } from './shapes.ts'

/**
 * What is added is added to all above first, so that nothing is asked of a parent that may not fetch it; what is removed is
 * removed from all below first. The registry itself is last, as in az. All changes are worked out before the first is made.
 */
export async function updatePermissions(call: Invocation): ReturnType<AcrCommand['run']> {
  const { args } = call
  const name = checkName('connected registry', args.text('--name'))
  const adding = lowered(args.list('--add') ?? [])
  const removing = lowered(args.list('--remove') ?? [])
  if (adding.length + removing.length === 0)
    throw args.usage('no repository permissions to update: give --add or --remove')
  const both = adding.filter((repository) => removing.includes(repository))
  if (both.length > 0) throw args.usage(`update ambiguity: to be added and removed: ${both.join(', ')}`)
  // Whatever the mode: the names are checked before Azure is called.
  checkActions(syncActionsOf(adding, 'readonly'))
  const removed = syncActionsOf(removing, 'readwrite')
  const cloud = await call.registry()
  const family = new Family(await cloud.connectedRegistries())
  const target = family.find(name)
  if (target === undefined)
    throw new GeneratorError(
      'AZURE_NOT_FOUND',
      `registry ${cloud.address.name} has no connected registry ${name}. Check the name, --registry and --resource-group`
    )
  const added = syncActionsOf(adding, target.mode)
  const below = removing.length === 0 ? [] : family.descendantsOf(target)
  const above = adding.length === 0 ? [] : family.ancestorsOf(target)
  const changes = []
  for (const each of below) changes.push(await planSyncChange(cloud, each, [], removed))
  for (const each of above) changes.push(await planSyncChange(cloud, each, added, []))
  const own = await planSyncChange(cloud, target, added, removed)
  const tell = (registry: string): void => {
    call.warn(`Updating the repository permissions of ${registry}.`)
  }
  for (const change of changes) await applySyncChange(cloud, change, tell)
  return scopeMapShape(await applySyncChange(cloud, own, tell))
}

function lowered(names: readonly string[]): readonly string[] {
  return [...new Set(names.map((name) => name.toLowerCase()))]
}
