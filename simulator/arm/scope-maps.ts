import { serveChild } from './child-resource.ts'
import {
  checkIdle,
  checkName,
  childId,
  childName,
  operationResults,
  optionalObject,
  optionalString,
  optionalStrings,
  required,
  type ArmContext,
  type Call,
  type Reply
} from './context.ts'
import { ArmError } from './errors.ts'
import { renderSystemData, systemData, type ScopeMap } from './state.ts'
import { stamp, withOffset } from './timestamps.ts'

/** ACR's limit (connected-registry §1). */
const mostActions = 500

const kind = 'scopeMaps'

/** `…/scopeMaps` and `…/scopeMaps/{name}` (arm-wire §3). */
export function scopeMaps(context: ArmContext, call: Call, name: string | undefined): Reply {
  return serveChild(context, call, name, {
    kind,
    all: call.registry.scopeMaps,
    render: (each) => render(context, call, each),
    put: (wanted, existing) => put(context, call, wanted, existing),
    patch: (existing) => patch(context, call, existing),
    remove: (existing) => remove(context, call, existing)
  })
}

/** Replaces description and actions of one that exists and keeps its creationDate, as az relies on. */
function put(context: ArmContext, call: Call, name: string, existing: ScopeMap | undefined): Reply {
  refuseSystem(existing, name)
  checkName(kind, name)
  if (existing !== undefined) checkIdle(existing)
  const properties = required(optionalObject(call.body, 'properties'), 'properties')
  const actions = readActions(required(optionalStrings(properties, 'actions'), 'actions'))
  const now = context.now()
  const map: ScopeMap = {
    name: existing?.name ?? name,
    type: 'UserDefined',
    creationDate: existing?.creationDate ?? stamp(now + 101),
    description: optionalString(properties, 'description'),
    provisioningState: 'Succeeded',
    systemData: systemData(now, call.caller),
    actions
  }
  call.registry.scopeMaps.set(name.toLowerCase(), map)
  if (!context.knobs.specMode) return { status: 200, kind, body: render(context, call, map) }
  return accept(context, call, map, existing === undefined ? 'Creating' : 'Updating')
}

/** Always asynchronous on the wire; the new actions hold at once. */
function patch(context: ArmContext, call: Call, map: ScopeMap): Reply {
  refuseSystem(map, map.name)
  checkIdle(map)
  const properties = optionalObject(call.body, 'properties') ?? {}
  const actions = optionalStrings(properties, 'actions')
  if (actions !== undefined) map.actions = readActions(actions)
  map.description = optionalString(properties, 'description') ?? map.description
  // createdAt moves as well, a bug of the service that clients must not trip over (arm-wire §1).
  map.systemData = systemData(context.now(), call.caller)
  return accept(context, call, map, 'Updating')
}

function remove(context: ArmContext, call: Call, map: ScopeMap | undefined): Reply {
  if (map === undefined) return { status: 204, kind }
  refuseSystem(map, map.name)
  const users = [...call.registry.tokens.values()].filter(
    (token) =>
      token.provisioningState !== 'Deleting' &&
      childName(context, call.registry, kind, token.scopeMapId)?.toLowerCase() === map.name.toLowerCase()
  )
  if (users.length > 0)
    throw new ArmError(
      'ScopeMapInUse',
      `The scope map ${map.name} is used by ${users.map((user) => user.name).join(', ')}.`
    )
  map.provisioningState = 'Deleting'
  const headers = context.operations.startLocation(
    operationResults(context, call.registry),
    'token',
    call.apiVersion,
    () => void call.registry.scopeMaps.delete(map.name.toLowerCase()),
    { resourceId: childId(context, call.registry, kind, map.name), resource: map }
  )
  return { status: 202, body: null, headers, kind }
}

function accept(context: ArmContext, call: Call, map: ScopeMap, state: 'Creating' | 'Updating'): Reply {
  const id = childId(context, call.registry, kind, map.name)
  // The prefix is `token-` for scope maps too (arm-wire §2).
  const headers = context.operations.startStatus(map, id, state, 'token', call.apiVersion)
  return { status: 201, kind, body: render(context, call, map), headers }
}

function render(context: ArmContext, call: Call, map: ScopeMap): unknown {
  return {
    type: 'Microsoft.ContainerRegistry/registries/scopeMaps',
    id: childId(context, call.registry, kind, map.name),
    name: map.name,
    systemData: renderSystemData(map.systemData),
    properties: {
      ...(map.description === undefined ? {} : { description: map.description }),
      type: map.type,
      creationDate: withOffset(map.creationDate),
      provisioningState: map.provisioningState,
      actions: map.actions
    }
  }
}

function refuseSystem(map: ScopeMap | undefined, name: string): void {
  if (map?.type === 'SystemDefined' || name.startsWith('_repositories_'))
    throw new ArmError('SystemScopeMap', `The scope map ${name} is defined by the system and cannot be changed.`)
}

const repositoryVerbs = /^repositories\/(.+)\/(?:content\/(?:read|write|delete)|metadata\/(?:read|write))$/i
const gatewayVerbs = /^gateway\/[a-z0-9]{5,50}\/(?:config|message)\/(?:read|write)$/i
const path = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/i

/** Kept as sent and in the order sent. */
function readActions(actions: readonly string[]): readonly string[] {
  if (actions.length > mostActions)
    throw new ArmError(
      'TooManyScopeMapActions',
      `A scope map holds at most ${mostActions} actions; ${actions.length} were given.`
    )
  for (const action of actions)
    if (!isAction(action)) throw new ArmError('InvalidScopeMapAction', `The action '${action}' is not valid.`)
  return actions
}

/** A wildcard is one trailing `/*`, or `*` alone. */
function isAction(action: string): boolean {
  if (gatewayVerbs.test(action)) return true
  const repository = repositoryVerbs.exec(action)?.[1]
  return repository !== undefined && (repository === '*' || path.test(repository.replace(/\/\*$/, '')))
}
