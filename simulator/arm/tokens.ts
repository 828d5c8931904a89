import { serveChild } from './child-resource.ts'
import {
  checkIdle,
  checkName,
  childId,
  childName,
  invalidProperty,
  isJson,
  operationResults,
  optionalObject,
  optionalString,
  required,
  type ArmContext,
  type Call,
  type Json,
  type Reply
} from './context.ts'
import { ArmError } from './errors.ts'
import { renderSystemData, systemData, type Password, type PasswordSlot, type Token } from './state.ts'
import { stamp, withOffset } from './timestamps.ts'

const kind = 'tokens'

/** `…/tokens` and `…/tokens/{name}` (arm-wire §4). */
export function tokens(context: ArmContext, call: Call, name: string | undefined): Reply {
  return serveChild(context, call, name, {
    kind,
    all: call.registry.tokens,
    render: (each) => render(context, call, each),
    renderListed: (each) => render(context, call, each, context.knobs.listedCredentials),
    put: (wanted, existing) => put(context, call, wanted, existing),
    patch: (existing) => patch(context, call, existing),
    remove: (existing) => remove(context, call, existing)
  })
}

/** Whether the passwords of a token outlive a PUT over it is unknown (arm-wire §4); here they do. */
function put(context: ArmContext, call: Call, name: string, existing: Token | undefined): Reply {
  checkName(kind, name)
  if (existing !== undefined) checkIdle(existing)
  const properties = required(optionalObject(call.body, 'properties'), 'properties')
  const scopeMapId = required(optionalString(properties, 'scopeMapId'), 'scopeMapId')
  checkScopeMap(context, call, scopeMapId)
  const now = context.now()
  const token: Token = {
    name: existing?.name ?? name,
    creationDate: existing?.creationDate ?? stamp(now + 101),
    provisioningState: 'Creating',
    systemData: systemData(now, call.caller),
    scopeMapId,
    status: readStatus(properties) ?? 'enabled',
    passwords: existing?.passwords ?? new Map<PasswordSlot, Password>()
  }
  call.registry.tokens.set(name.toLowerCase(), token)
  return accept(context, call, token, 'Creating')
}

/** Not recorded; the specification's two forms are merged members and the list of passwords to keep. */
function patch(context: ArmContext, call: Call, token: Token): Reply {
  checkIdle(token)
  const properties = optionalObject(call.body, 'properties') ?? {}
  const scopeMapId = optionalString(properties, 'scopeMapId')
  if (scopeMapId !== undefined) checkScopeMap(context, call, scopeMapId)
  const status = readStatus(properties)
  const kept = readKeptPasswords(optionalObject(properties, 'credentials'))
  token.scopeMapId = scopeMapId ?? token.scopeMapId
  token.status = status ?? token.status
  if (kept !== undefined) for (const slot of token.passwords.keys()) if (!kept.has(slot)) token.passwords.delete(slot)
  token.systemData = { ...systemData(context.now(), call.caller), createdAt: token.systemData.createdAt }
  return accept(context, call, token, 'Updating')
}

function remove(context: ArmContext, call: Call, token: Token | undefined): Reply {
  if (token === undefined) return { status: 204, kind }
  const id = childId(context, call.registry, kind, token.name).toLowerCase()
  const user = [...call.registry.connectedRegistries.values()].find(
    (connected) =>
      connected.sync.tokenId.toLowerCase() === id ||
      connected.clientTokenIds?.some((client) => client.toLowerCase() === id) === true
  )
  if (user !== undefined)
    throw new ArmError('TokenInUse', `The token ${token.name} is used by the connected registry ${user.name}.`)
  token.provisioningState = 'Deleting'
  const headers = context.operations.startLocation(
    operationResults(context, call.registry),
    'token',
    call.apiVersion,
    () => void call.registry.tokens.delete(token.name.toLowerCase()),
    { resourceId: id, resource: token }
  )
  return { status: 202, body: null, headers, kind }
}

function accept(context: ArmContext, call: Call, token: Token, state: 'Creating' | 'Updating'): Reply {
  const id = childId(context, call.registry, kind, token.name)
  const headers = context.operations.startStatus(token, id, state, 'token', call.apiVersion)
  return { status: 201, kind, body: render(context, call, token), headers }
}

/** Only generated passwords are listed, and never with a value. */
function render(context: ArmContext, call: Call, token: Token, credentials = true): unknown {
  return {
    type: 'Microsoft.ContainerRegistry/registries/tokens',
    id: childId(context, call.registry, kind, token.name),
    name: token.name,
    systemData: renderSystemData(token.systemData),
    properties: {
      creationDate: withOffset(token.creationDate),
      provisioningState: token.provisioningState,
      scopeMapId: token.scopeMapId,
      ...(credentials ? { credentials: { passwords: renderPasswords(token) } } : {}),
      status: token.status
    }
  }
}

function renderPasswords({ passwords }: Token): unknown {
  return [...passwords].map(([name, password]) => ({
    creationTime: withOffset(password.creationTime),
    ...(password.expiry === undefined ? {} : { expiry: withOffset(password.expiry.stamp) }),
    name
  }))
}

function readStatus(properties: Json): Token['status'] | undefined {
  const status = optionalString(properties, 'status')?.toLowerCase()
  if (status !== undefined && status !== 'enabled' && status !== 'disabled')
    throw invalidProperty('status', "must be 'enabled' or 'disabled'")
  return status
}

function readKeptPasswords(credentials: Json | undefined): Set<string> | undefined {
  if (credentials?.['certificates'] !== undefined)
    throw new ArmError('NotSimulated', 'Certificates of tokens are not simulated.')
  const passwords = credentials?.['passwords']
  if (passwords === undefined) return undefined
  if (!Array.isArray(passwords)) throw invalidProperty('credentials.passwords', 'must be an array')
  return new Set(passwords.map((password: unknown) => (isJson(password) ? String(password['name']) : '')))
}

function checkScopeMap(context: ArmContext, call: Call, scopeMapId: string): void {
  const name = childName(context, call.registry, 'scopeMaps', scopeMapId)
  const map = name === undefined ? undefined : call.registry.scopeMaps.get(name.toLowerCase())
  if (map === undefined || map.provisioningState === 'Deleting')
    throw new ArmError('ScopeMapNotFound', `The scope map ${scopeMapId} could not be found.`)
}
