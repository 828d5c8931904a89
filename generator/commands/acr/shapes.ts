import type {
  ConnectedRegistry,
  GenerateCredentialsResult,
  Registry,
  ScopeMap,
  Token
} from '@azure/arm-containerregistry'
import { isObject, type Json, type JsonObject } from './json.ts'

/** A resource as az prints it: `properties` flattened, absent members null, `resourceGroup` beside every `id`. */
export function registryShape(registry: Registry): JsonObject {
  const plain = shape(registry)
  if (!isObject(plain['policies'])) return plain
  // az's SDK spells this one member in its own way.
  const { azureADAuthenticationAsArmPolicy = null, ...policies } = plain['policies']
  return { ...plain, policies: { ...policies, azureAdAuthenticationAsArmPolicy: azureADAuthenticationAsArmPolicy } }
}

/** The scope map's own kind has two names in az: its table reads one, its SDK prints the other. */
export function scopeMapShape(scopeMap: ScopeMap): JsonObject {
  return { ...shape(scopeMap), scopeMapType: scopeMap.typePropertiesType ?? null }
}

/** `certificates` is an empty list in az where the service sends none. */
export function tokenShape(token: Token): JsonObject {
  const { certificates, passwords } = token.credentials ?? {}
  return shape({ ...token, credentials: { certificates: certificates ?? [], passwords: passwords ?? [] } })
}

export function connectedRegistryShape(registry: ConnectedRegistry): JsonObject {
  return shape(registry)
}

export function credentialsShape(credentials: GenerateCredentialsResult): JsonObject {
  return shape(credentials)
}

function shape(resource: object): JsonObject {
  const plain = plainOf(resource)
  if (!isObject(plain)) throw new TypeError('a resource is an object')
  return plain
}

function plainOf(value: unknown): Json {
  if (value === undefined || value === null) return null
  if (value instanceof Date) return isoFormat(value)
  if (Array.isArray(value)) return value.map(plainOf)
  if (typeof value === 'object') {
    const plain = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainOf(member)]))
    const group = groupOf(plain['id'])
    return group === undefined || 'resourceGroup' in plain ? plain : { ...plain, resourceGroup: group }
  }
  return typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string' ? value : null
}

function groupOf(id: Json | undefined): string | undefined {
  return typeof id === 'string' ? /^\/subscriptions\/[^/]+\/resourceGroups\/([^/]+)/i.exec(id)?.[1] : undefined
}

/** Python's `isoformat()`: an offset in place of `Z`, six digits of a second or none. */
function isoFormat(date: Date): string {
  if (Number.isNaN(date.getTime())) return ''
  const [seconds = '', fraction = ''] = date.toISOString().slice(0, -1).split('.')
  return `${seconds}${fraction === '000' ? '' : `.${fraction}000`}+00:00`
}
