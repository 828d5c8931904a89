import {
  checkIdle,
  invalidProperty,
  isJson,
  optionalBoolean,
  optionalObject,
  optionalString,
  registryId,
  type ArmContext,
  type Call,
  type Json,
  type Reply
} from './context.ts'
import { ArmError } from './errors.ts'
import { dataEndpointOf, loginServerOf, renderSystemData, type RegistryState, type Sku } from './state.ts'
import { stamp, withOffset, withZ } from './timestamps.ts'

const kind = 'registries'

/** What a PATCH with the whole resource sends beside what the simulator acts on; remembered and given back. */
const remembered = [
  'adminUserEnabled',
  'networkRuleSet',
  'policies',
  'encryption',
  'publicNetworkAccess',
  'networkRuleBypassOptions',
  'networkRuleBypassAllowedForTasks',
  'zoneRedundancy',
  'roleAssignmentMode'
]

/** `GET` and `PATCH …/registries/{name}` (arm-wire §7). */
export function registry(context: ArmContext, call: Call): Reply {
  if (call.method === 'GET') {
    context.operations.step(call.registry)
    return { status: 200, kind, body: renderRegistry(context, call.registry) }
  }
  if (call.method === 'PATCH') return patch(context, call)
  throw new ArmError(
    'NotSimulated',
    `${call.method} of a registry is not simulated: the cloud is started with its registries.`
  )
}

function patch(context: ArmContext, call: Call): Reply {
  const state = call.registry
  checkIdle(state)
  const properties = optionalObject(call.body, 'properties') ?? {}
  const sku = readSku(call.body) ?? state.sku
  const anonymous = optionalBoolean(properties, 'anonymousPullEnabled') ?? state.anonymousPullEnabled
  const dataEndpoint = optionalBoolean(properties, 'dataEndpointEnabled') ?? state.dataEndpointEnabled
  if (anonymous && sku === 'Basic')
    throw new ArmError('UnsupportedSku', `Anonymous pull needs the Standard or Premium SKU; ${state.name} is ${sku}.`)
  if (dataEndpoint && sku !== 'Premium')
    throw new ArmError('UnsupportedSku', `The dedicated data endpoint needs the Premium SKU; ${state.name} is ${sku}.`)
  const now = stamp(context.now())
  state.sku = sku
  state.anonymousPullEnabled = anonymous
  state.dataEndpointEnabled = dataEndpoint
  state.tags = readTags(call.body) ?? state.tags
  state.remembered = { ...state.remembered, ...pick(properties) }
  if (properties['policies'] !== undefined) state.policiesUpdated = now
  state.systemData = { ...state.systemData, by: call.caller, lastModifiedAt: now }
  context.onRegistryChanged(state)
  if (context.knobs.registryPatch === 'synchronous') return { status: 200, kind, body: renderRegistry(context, state) }
  // Done by the first poll in the recordings.
  const headers = context.operations.startStatus(
    state,
    registryId(context, state),
    'Updating',
    kind,
    call.apiVersion,
    0
  )
  return { status: 201, kind, body: renderRegistry(context, state), headers }
}

/** All registries, as a list of one page. */
export function listRegistries(context: ArmContext): Reply {
  return {
    status: 200,
    kind,
    body: { value: [...context.registries.values()].map((state) => renderRegistry(context, state)) }
  }
}

/** `GET /subscriptions/{s}/resources`, by which az finds a registry's group; only this provider's registries are there. */
export function listResources(context: ArmContext, filter: string | null): Reply {
  const all = [...context.registries.values()]
  const wanted = /^resourceType eq '([^']*)'(?: and name eq '([^']*)')?$/i.exec(filter ?? '')
  if (filter !== null && wanted === null)
    throw new ArmError('InvalidRequestContent', `The filter '${filter}' is not understood.`)
  const [, type = 'microsoft.containerregistry/registries', name] = wanted ?? []
  const found = all.filter(
    (state) =>
      type.toLowerCase() === 'microsoft.containerregistry/registries' &&
      (name === undefined || state.name.toLowerCase() === name.toLowerCase())
  )
  const value = found.map((state) => ({
    id: registryId(context, state),
    name: state.name,
    type: 'Microsoft.ContainerRegistry/registries',
    sku: { name: state.sku, tier: state.sku },
    location: state.region,
    tags: state.tags,
    systemData: renderSystemData(state.systemData, withZ)
  }))
  return { status: 200, body: { value } }
}

function renderRegistry(context: ArmContext, state: RegistryState): unknown {
  const updated = withOffset(state.policiesUpdated)
  const policies = {
    quarantinePolicy: { status: 'disabled' },
    trustPolicy: { type: 'Notary', status: 'disabled' },
    retentionPolicy: { days: 7, lastUpdatedTime: updated, status: 'disabled' },
    exportPolicy: { status: 'enabled' },
    azureADAuthenticationAsArmPolicy: { status: 'enabled' }
  }
  return {
    sku: { name: state.sku, tier: state.sku },
    type: 'Microsoft.ContainerRegistry/registries',
    id: registryId(context, state),
    name: state.name,
    location: state.region,
    tags: state.tags,
    systemData: renderSystemData(state.systemData),
    properties: {
      loginServer: loginServerOf(state),
      creationDate: withZ(state.creationDate),
      provisioningState: state.provisioningState,
      adminUserEnabled: false,
      networkRuleSet: { defaultAction: 'Allow', ipRules: [] },
      encryption: { status: 'disabled' },
      publicNetworkAccess: 'Enabled',
      networkRuleBypassOptions: 'AzureServices',
      networkRuleBypassAllowedForTasks: false,
      zoneRedundancy: 'Disabled',
      roleAssignmentMode: 'LegacyRegistryPermissions',
      ...state.remembered,
      policies: { ...policies, ...(isJson(state.remembered['policies']) ? state.remembered['policies'] : {}) },
      dataEndpointEnabled: state.dataEndpointEnabled,
      dataEndpointHostNames: state.dataEndpointEnabled ? [dataEndpointOf(state)] : [],
      privateEndpointConnections: [],
      anonymousPullEnabled: state.anonymousPullEnabled
    }
  }
}

function pick(properties: Json): Json {
  return Object.fromEntries(
    remembered.filter((name) => properties[name] !== undefined).map((name) => [name, properties[name]])
  )
}

function readSku(body: Json): Sku | undefined {
  const sku = optionalObject(body, 'sku')
  const name = sku === undefined ? undefined : optionalString(sku, 'name')
  if (name === undefined) return undefined
  const known = (['Basic', 'Standard', 'Premium'] as const).find((each) => each.toLowerCase() === name.toLowerCase())
  if (known === undefined) throw invalidProperty('sku.name', 'must be Basic, Standard or Premium')
  return known
}

function readTags(body: Json): Readonly<Record<string, string>> | undefined {
  const tags = optionalObject(body, 'tags')
  if (tags === undefined) return undefined
  if (!Object.values(tags).every((value) => typeof value === 'string'))
    throw invalidProperty('tags', 'must have strings as values')
  return tags as Readonly<Record<string, string>>
}
