import type { ConnectedRegistry } from '@azure/arm-containerregistry'
import { checkActions, gatewayActionsOf, isReadWrite, sameActions, syncActionsOf } from '../../acr/actions.ts'
import type { CloudRegistry } from '../../acr/cloud-registry.ts'
import { applySyncChange, Family, planSyncChange, type SyncChange } from '../../acr/family.ts'
import { leafOf } from '../../acr/cloud-registry.ts'
import { always, defaultMessageTtl, mostClientTokens } from '../../acr/connected-registry-values.ts'
import { checkName } from '../../acr/names.ts'
import { GeneratorError } from '../../errors.ts'
import type { Option } from './arguments.ts'
import type { AcrCommand } from './command.ts'
import {
  checkMessageTtl,
  checkNotifications,
  checkSchedule,
  checkSyncWindow,
  settings
} from './connected-registry-options.ts'
import type { Invocation } from './invocation.ts'
import { connectedRegistryShape } from './shapes.ts'

export const createOptions: readonly Option[] = [
  {
    names: ['--repository'],
    arity: 'some',
    append: true,
    help: 'repositories to sync; a sync token and its scope map are made for them'
  },
  { names: ['--sync-token'], arity: 'one', help: 'a sync token that is there already, in place of --repository' },
  { names: ['--parent', '-p'], arity: 'one', help: 'the connected registry above it (default: the cloud registry)' },
  {
    names: ['--mode', '-m'],
    arity: 'one',
    choices: ['ReadOnly', 'ReadWrite'],
    help: 'what clients may do; it cannot be changed later (default: ReadOnly)'
  },
  { names: ['--client-tokens'], arity: 'some', append: true, help: 'tokens whose holders may use it' },
  {
    names: ['--notifications'],
    arity: 'some',
    append: true,
    help: 'what to send events about: REPOSITORY[:TAG][@DIGEST]:ACTION'
  },
  ...settings
]

/** What was asked for, checked as far as it can be without Azure. */
interface Wanted {
  readonly name: string
  readonly mode: 'ReadOnly' | 'ReadWrite'
  readonly parent: string | undefined
  readonly syncToken: string | undefined
  readonly repositories: readonly string[]
}

/**
 * az's order (facts: arm-wire §9): data endpoint, those above, scope map, token, registry. Nothing is undone where it stops
 * half-way; run again, it goes on, since what is there already is found to be as wanted.
 */
export async function createConnectedRegistry(call: Invocation): ReturnType<AcrCommand['run']> {
  const wanted = wantedOf(call)
  const properties = propertiesOf(call)
  const clientTokens = clientTokensOf(call, call.args.list('--client-tokens') ?? [])
  const cloud = await call.registry()
  await enableDataEndpoint(call, cloud)
  const parentId = wanted.parent === undefined ? undefined : await extendAncestors(call, cloud, wanted, wanted.parent)
  const tokenId =
    wanted.syncToken === undefined ? await createSyncToken(call, cloud, wanted) : cloud.idOf('tokens', wanted.syncToken)
  const { syncProperties, ...others } = properties
  const created = await cloud.createConnectedRegistry(wanted.name, {
    mode: wanted.mode,
    parent: { ...(parentId === undefined ? {} : { id: parentId }), syncProperties: { tokenId, ...syncProperties } },
    ...(clientTokens.length === 0 ? {} : { clientTokenIds: clientTokens.map((token) => cloud.idOf('tokens', token)) }),
    ...others
  })
  return connectedRegistryShape(created)
}

function wantedOf(call: Invocation): Wanted {
  const { args } = call
  const name = checkName('new connected registry', args.text('--name'))
  const repositories = args.list('--repository') ?? []
  const syncToken = args.optional('--sync-token')
  if ((syncToken === undefined) === (repositories.length === 0))
    throw args.usage('give either --sync-token or --repository')
  if (syncToken !== undefined) checkName('token', syncToken)
  const parent = args.optional('--parent')
  if (parent !== undefined) checkName('connected registry', parent)
  const mode = args.optional('--mode') === 'ReadWrite' ? 'ReadWrite' : 'ReadOnly'
  if (!args.has('--mode')) call.warn('--mode was not given: it will be ReadOnly, and that cannot be changed later.')
  checkActions([...syncActionsOf(repositories, mode), ...gatewayActionsOf(name)])
  return { name, mode, parent, syncToken, repositories }
}

type Properties = Pick<ConnectedRegistry, 'logging' | 'notificationsList' | 'garbageCollection'> & {
  readonly syncProperties: { readonly schedule: string; readonly messageTtl: string; readonly syncWindow?: string }
}

function propertiesOf({ args }: Invocation): Properties {
  const schedule = checkSchedule('--sync-schedule', args.optional('--sync-schedule') ?? always)
  const window = args.optional('--sync-window')
  if (window === undefined && schedule !== always)
    throw args.usage('--sync-schedule needs --sync-window: for how long a sync may take, such as PT4H')
  const notifications = checkNotifications('--notifications', args.list('--notifications') ?? [])
  const enabled = args.threeState('--gc-enabled')
  const collection = args.optional('--gc-schedule')
  return {
    syncProperties: {
      schedule,
      messageTtl: checkMessageTtl(args.optional('--sync-message-ttl') ?? defaultMessageTtl),
      ...(window === undefined ? {} : { syncWindow: checkSyncWindow(window) })
    },
    logging: {
      logLevel: args.optional('--log-level') ?? 'Information',
      auditLogStatus: args.threeState('--audit-logs-enabled') === true ? 'Enabled' : 'Disabled'
    },
    ...(notifications.length === 0 ? {} : { notificationsList: [...new Set(notifications)] }),
    ...(enabled === undefined && collection === undefined
      ? {}
      : {
          garbageCollection: {
            ...(enabled === undefined ? {} : { enabled }),
            ...(collection === undefined ? {} : { schedule: checkSchedule('--gc-schedule', collection) })
          }
        })
  }
}

export function clientTokensOf(call: Invocation, names: readonly string[]): readonly string[] {
  const tokens = [...new Set(names.map((token) => checkName('token', token)))]
  if (tokens.length > mostClientTokens)
    throw call.args.usage(`${tokens.length} client tokens, and a connected registry has at most ${mostClientTokens}`)
  return tokens
}

/** Without it, Azure refuses connected registries (facts: connected-registry §4). */
async function enableDataEndpoint(call: Invocation, cloud: CloudRegistry): Promise<void> {
  const registry = await cloud.get()
  const { name } = cloud.address
  if (registry.sku.name !== 'Premium')
    throw new GeneratorError(
      'AZURE_REFUSED',
      `connected registries need the Premium SKU, and registry ${name} is ${registry.sku.name}; az acr update -n ${name} --sku Premium changes it`
    )
  if (registry.dataEndpointEnabled === true) return
  await call.confirm(
    `Dedicated data endpoints must be enabled to use connected-registry. Enabling might impact your firewall rules. Are you sure you want to enable it for '${name}' registry?`
  )
  await cloud.update({ dataEndpointEnabled: true })
}

/** Those above fetch for it, so they get its repositories, by its mode, and its gateway. @returns the parent's id */
async function extendAncestors(
  call: Invocation,
  cloud: CloudRegistry,
  wanted: Wanted,
  parentName: string
): Promise<string> {
  const family = new Family(await cloud.connectedRegistries())
  const parent = family.find(parentName)
  if (parent?.id === undefined)
    throw new GeneratorError('AZURE_NOT_FOUND', `the parent connected registry '${parentName}' could not be found`)
  if (wanted.mode === 'ReadWrite' && !isReadWrite(parent.mode))
    throw call.args.usage(
      `can't create the registry '${wanted.name}' with mode 'ReadWrite' when the mode of its parent '${parentName}' is '${parent.mode ?? ''}'`
    )
  const added = [...(await repositoryActionsOf(cloud, wanted)), ...gatewayActionsOf(wanted.name)]
  const changes: SyncChange[] = []
  for (const ancestor of [parent, ...family.ancestorsOf(parent)])
    changes.push(await planSyncChange(cloud, ancestor, added, []))
  for (const change of changes)
    await applySyncChange(cloud, change, (registry) => {
      call.warn(`Adding '${wanted.name}' and its repositories to connected registry '${registry}' sync scope map.`)
    })
  return parent.id
}

/** With a sync token of its own making az forgets those above; they get what its scope map has. */
async function repositoryActionsOf(cloud: CloudRegistry, wanted: Wanted): Promise<readonly string[]> {
  if (wanted.syncToken === undefined) return syncActionsOf(wanted.repositories, wanted.mode)
  const token = await cloud.token(wanted.syncToken)
  const { actions = [] } = await cloud.scopeMap(leafOf(token.scopeMapId))
  return actions.filter((action) => action.toLowerCase().startsWith('repositories/'))
}

async function createSyncToken(call: Invocation, cloud: CloudRegistry, wanted: Wanted): Promise<string> {
  const { name } = wanted
  const actions = [...syncActionsOf(wanted.repositories, wanted.mode), ...gatewayActionsOf(name)]
  const existing = await cloud.findScopeMap(name)
  if (existing !== undefined && !sameActions(existing.actions ?? [], actions))
    call.warn(`Scope map '${name}' is there already; its actions are replaced.`)
  const scopeMap =
    existing !== undefined && sameActions(existing.actions ?? [], actions)
      ? existing
      : await cloud.createScopeMap(name, {
          description: `Created by connected registry sync token: ${name}`,
          actions
        })
  const token = await cloud.createToken(name, {
    scopeMapId: scopeMap.id ?? cloud.idOf('scopeMaps', name),
    status: 'enabled'
  })
  return token.id ?? cloud.idOf('tokens', name)
}
