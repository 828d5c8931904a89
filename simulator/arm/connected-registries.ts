import {
  checkIdle,
  checkName,
  childId,
  childName,
  optionalObject,
  optionalString,
  optionalStrings,
  required,
  type ArmContext,
  type Call,
  type Json,
  type Reply
} from './context.ts'
import {
  mayBeBelow,
  member,
  mergeGarbageCollection,
  mergeLogging,
  mergeSyncProperties,
  readMode,
  readNotifications,
  readSyncProperties
} from './connected-registry-rules.ts'
import { methodNotAllowed, serveChild } from './child-resource.ts'
import { ArmError, notFound } from './errors.ts'
import { dataEndpointOf, renderSystemData, systemData, type ConnectedRegistry } from './state.ts'

const kind = 'connectedRegistries'

/** For one cloud registry, and client tokens of one connected registry (connected-registry §1). */
const mostConnectedRegistries = 50
const mostClientTokens = 50

/** `…/connectedRegistries`, `…/{name}` and `…/{name}/deactivate` (arm-wire §6). */
export function connectedRegistries(
  context: ArmContext,
  call: Call,
  name: string | undefined,
  verb: string | undefined
): Reply {
  const all = call.registry.connectedRegistries
  if (name === undefined && call.query.has('$filter'))
    throw new ArmError('NotSimulated', 'Filtering connected registries is not simulated.')
  if (name !== undefined && verb !== undefined) {
    if (call.method !== 'POST' || verb.toLowerCase() !== 'deactivate') throw methodNotAllowed(`${call.method} ${verb}`)
    const existing = all.get(name.toLowerCase())
    if (existing === undefined) throw notFound(name)
    return deactivate(context, call, existing)
  }
  return serveChild(context, call, name, {
    kind,
    all,
    render: (each) => render(context, call, each),
    put: (wanted, existing) => put(context, call, wanted, existing),
    patch: (existing) => patch(context, call, existing),
    remove: (existing) => remove(context, call, existing)
  })
}

function put(context: ArmContext, call: Call, name: string, existing: ConnectedRegistry | undefined): Reply {
  checkName(kind, name)
  if (existing !== undefined) checkIdle(existing)
  checkRegistry(call)
  if (existing === undefined && call.registry.connectedRegistries.size >= mostConnectedRegistries)
    throw new ArmError(
      'QuotaExceeded',
      `The registry ${call.registry.name} has ${mostConnectedRegistries} connected registries, which is the most that is allowed.`
    )
  const properties = required(optionalObject(call.body, 'properties'), 'properties')
  const parentProperties = required(optionalObject(properties, 'parent'), 'parent')
  const mode = readMode(properties)
  const parentId = optionalString(parentProperties, 'id')
  const parent = parentId === undefined ? undefined : findParent(context, call, parentId)
  if (parent !== undefined && !mayBeBelow(mode, parent.mode))
    throw new ArmError(
      'ModeNotAllowed',
      `A ${mode} connected registry cannot have the ${parent.mode} parent ${parent.name}.`
    )
  const sync = readSyncProperties(required(optionalObject(parentProperties, 'syncProperties'), 'parent.syncProperties'))
  if (existing !== undefined) checkUnchanged(existing, mode, parentId, sync.tokenId)
  checkSyncToken(context, call, sync.tokenId, existing)
  const clientTokenIds = readClientTokens(context, call, properties)
  const notificationsList = readNotifications(properties)
  const connected: ConnectedRegistry = {
    name: existing?.name ?? name,
    provisioningState: 'Succeeded',
    systemData: systemData(context.now(), call.caller),
    mode,
    ...(parentId === undefined ? {} : { parentId }),
    sync,
    ...(clientTokenIds === undefined ? {} : { clientTokenIds }),
    ...(notificationsList === undefined ? {} : { notificationsList }),
    logging: mergeLogging({ logLevel: 'Information', auditLogStatus: 'Disabled' }, member(properties, 'logging')),
    garbageCollection: mergeGarbageCollection(
      { enabled: true, schedule: '0 0 * * *' },
      member(properties, 'garbageCollection')
    ),
    activation: existing?.activation ?? 'Inactive',
    connectionState: existing?.connectionState ?? 'Offline'
  }
  call.registry.connectedRegistries.set(name.toLowerCase(), connected)
  return answer(context, call, connected, existing === undefined ? 'Creating' : 'Updating')
}

/** The body has another shape than the resource: `syncProperties` stands directly under `properties`. */
function patch(context: ArmContext, call: Call, connected: ConnectedRegistry): Reply {
  checkIdle(connected)
  const properties = optionalObject(call.body, 'properties') ?? {}
  const sync = mergeSyncProperties(connected.sync, member(properties, 'syncProperties'))
  const logging = mergeLogging(connected.logging, member(properties, 'logging'))
  const collection = mergeGarbageCollection(connected.garbageCollection, member(properties, 'garbageCollection'))
  const clientTokenIds = readClientTokens(context, call, properties)
  const notificationsList = readNotifications(properties)
  Object.assign(connected, {
    sync,
    logging,
    garbageCollection: collection,
    ...(clientTokenIds === undefined ? {} : { clientTokenIds }),
    ...(notificationsList === undefined ? {} : { notificationsList }),
    // createdAt moves as well (arm-wire §1).
    systemData: systemData(context.now(), call.caller)
  })
  return answer(context, call, connected, 'Updating')
}

/** Token and scope map stay behind, and so do the gateway actions in every ancestor's scope map. */
function remove(context: ArmContext, call: Call, connected: ConnectedRegistry | undefined): Reply {
  if (connected === undefined) return { status: 204, kind }
  const id = childId(context, call.registry, kind, connected.name)
  const child = [...call.registry.connectedRegistries.values()].find(
    (other) => other.parentId?.toLowerCase() === id.toLowerCase()
  )
  if (child !== undefined)
    throw new ArmError(
      'ConnectedRegistryHasChildren',
      `The connected registry ${connected.name} is the parent of ${child.name}.`
    )
  const drop = (): void => void call.registry.connectedRegistries.delete(connected.name.toLowerCase())
  if (context.knobs.specMode) {
    connected.provisioningState = 'Deleting'
    return { status: 202, kind, headers: startLocation(context, call, connected, drop) }
  }
  drop()
  return { status: 200, kind }
}

function deactivate(context: ArmContext, call: Call, connected: ConnectedRegistry): Reply {
  const apply = (): void => {
    connected.activation = 'Inactive'
    connected.connectionState = 'Offline'
  }
  if (context.knobs.specMode) return { status: 202, kind, headers: startLocation(context, call, connected, apply) }
  apply()
  return { status: 200, kind }
}

function startLocation(
  context: ArmContext,
  call: Call,
  connected: ConnectedRegistry,
  finish: () => void
): Record<string, string> {
  const id = childId(context, call.registry, kind, connected.name)
  return context.operations.startLocation(`${id}/operationStatuses`, 'connectedregistries', call.apiVersion, finish, {
    resourceId: id,
    resource: connected
  })
}

/** At once on the wire; in spec mode by a long-running operation. */
function answer(context: ArmContext, call: Call, connected: ConnectedRegistry, state: 'Creating' | 'Updating'): Reply {
  if (!context.knobs.specMode) return { status: 200, kind, body: render(context, call, connected) }
  const id = childId(context, call.registry, kind, connected.name)
  const headers = context.operations.startStatus(connected, id, state, 'connectedregistries', call.apiVersion)
  return { status: 201, kind, body: render(context, call, connected), headers }
}

function render(context: ArmContext, call: Call, connected: ConnectedRegistry): unknown {
  const { tokenId, schedule, syncWindow, messageTtl } = connected.sync
  return {
    type: 'Microsoft.ContainerRegistry/registries/connectedRegistries',
    id: childId(context, call.registry, kind, connected.name),
    name: connected.name,
    systemData: renderSystemData(connected.systemData),
    properties: {
      provisioningState: connected.provisioningState,
      mode: connected.mode,
      connectionState: connected.connectionState,
      activation: { status: connected.activation },
      parent: {
        ...(connected.parentId === undefined ? {} : { id: connected.parentId }),
        syncProperties: {
          tokenId,
          ...(schedule === undefined ? {} : { schedule }),
          ...(syncWindow === undefined ? {} : { syncWindow }),
          messageTtl,
          // A child's gateway is its parent's address, which the cloud does not know.
          ...(connected.parentId === undefined ? { gatewayEndpoint: dataEndpointOf(call.registry) } : {})
        }
      },
      ...(connected.clientTokenIds === undefined ? {} : { clientTokenIds: connected.clientTokenIds }),
      loginServer: { tls: { certificate: {} } },
      logging: connected.logging,
      ...(connected.notificationsList === undefined ? {} : { notificationsList: connected.notificationsList }),
      ...(call.apiVersion >= '2025-11-01' ? { garbageCollection: connected.garbageCollection } : {})
    }
  }
}

function checkRegistry(call: Call): void {
  if (call.registry.sku !== 'Premium')
    throw new ArmError(
      'UnsupportedSku',
      `Connected registries need the Premium SKU; ${call.registry.name} is ${call.registry.sku}.`
    )
  if (!call.registry.dataEndpointEnabled)
    throw new ArmError(
      'DataEndpointDisabled',
      `Connected registries need the dedicated data endpoint of ${call.registry.name}; it is disabled.`
    )
}

function checkUnchanged(
  existing: ConnectedRegistry,
  mode: ConnectedRegistry['mode'],
  parentId: string | undefined,
  tokenId: string
): void {
  const changed = [
    ...(existing.mode === mode ? [] : ['mode']),
    ...(existing.parentId?.toLowerCase() === parentId?.toLowerCase() ? [] : ['parent.id']),
    ...(existing.sync.tokenId.toLowerCase() === tokenId.toLowerCase() ? [] : ['parent.syncProperties.tokenId'])
  ]
  if (changed.length > 0)
    throw new ArmError(
      'ImmutableProperty',
      `${changed.join(', ')} of the connected registry ${existing.name} cannot be changed.`
    )
}

function findParent(context: ArmContext, call: Call, id: string): ConnectedRegistry {
  const name = childName(context, call.registry, kind, id)
  const parent = name === undefined ? undefined : call.registry.connectedRegistries.get(name.toLowerCase())
  if (parent === undefined) throw new ArmError('ParentNotFound', `The parent ${id} could not be found.`)
  return parent
}

function checkSyncToken(context: ArmContext, call: Call, id: string, self: ConnectedRegistry | undefined): void {
  checkToken(context, call, id)
  const other = [...call.registry.connectedRegistries.values()].find(
    (connected) => connected !== self && connected.sync.tokenId.toLowerCase() === id.toLowerCase()
  )
  if (other !== undefined)
    throw new ArmError('SyncTokenInUse', `The token ${id} is the sync token of the connected registry ${other.name}.`)
}

function checkToken(context: ArmContext, call: Call, id: string): void {
  const name = childName(context, call.registry, 'tokens', id)
  const token = name === undefined ? undefined : call.registry.tokens.get(name.toLowerCase())
  if (token === undefined || token.provisioningState === 'Deleting')
    throw new ArmError('TokenNotFound', `The token ${id} could not be found.`)
}

function readClientTokens(context: ArmContext, call: Call, properties: Json): readonly string[] | undefined {
  const ids = optionalStrings(properties, 'clientTokenIds')
  if ((ids?.length ?? 0) > mostClientTokens)
    throw new ArmError('QuotaExceeded', `A connected registry has at most ${mostClientTokens} client tokens.`)
  for (const id of ids ?? []) checkToken(context, call, id)
  return ids
}
