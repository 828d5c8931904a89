import type { CloudNames } from '../cloud-names.ts'
import { ArmError } from './errors.ts'
import type { OperationKnobs, Operations } from './operations.ts'
import type { RegistryState, Resource } from './state.ts'

/** Switches of the pretend Resource Manager beyond those of its operations. */
export interface ArmKnobs extends OperationKnobs {
  /** What the specification allows and the recordings never show: long-running operations where the service answers at once. */
  specMode: boolean
  /** How much a page of a list holds, with a nextLink to the rest. No list that was recorded had one. */
  listPage: number
  /** Whether lists of tokens tell which passwords these have: the specification's example does not. */
  listedCredentials: boolean
  /** The service answers a registry's PATCH either way (arm-wire §7). */
  registryPatch: 'asynchronous' | 'synchronous'
  /** Seconds until a new password works; the one before it works until then. */
  passwordReplication: number
  /**
   * Lets so many more calls through, then cuts the link: of the last of them the reply is lost where asked, and later ones
   * never arrive.
   */
  cut: { calls: number; readonly lastReply: 'arrives' | 'is lost' } | undefined
  /** The next calls that match answer with this instead, or with nothing at all where `silent`; `times` counts down. */
  faults: {
    readonly method: string
    readonly path: RegExp
    readonly status: number
    readonly code: string
    readonly message: string
    readonly headers?: Readonly<Record<string, string>>
    readonly silent?: boolean
    times: number
  }[]
}

/** Why an image is not imported. */
export type ImportRefusal = 'source not found' | 'target exists' | 'source refused'

export interface ImportRequest {
  readonly registryUri: string
  readonly repository: string
  /** Tag or digest. */
  readonly reference: string
  readonly credentials?: { readonly username?: string; readonly password: string }
  /** Whether the source is of this subscription, where the caller's own rights serve. */
  readonly trusted: boolean
  readonly targets: readonly { readonly repository: string; readonly tag?: string }[]
  readonly force: boolean
}

/** What the handlers share. */
export interface ArmContext {
  readonly names: CloudNames
  readonly subscriptionId: string
  readonly resourceGroup: string
  readonly tenantId: string
  readonly now: () => number
  readonly knobs: ArmKnobs
  readonly operations: Operations
  /** Keyed by lower-case name. */
  readonly registries: Map<string, RegistryState>
  /** Told when a registry's data endpoint came or went. */
  readonly onRegistryChanged: (registry: RegistryState) => void
  /** Looks whether it may be done, and gives what does it. */
  readonly importImage: (target: RegistryState, request: ImportRequest) => Promise<ImportRefusal | (() => void)>
}

/** One call, with what the path and the token said. */
export interface Call {
  readonly method: string
  readonly registry: RegistryState
  readonly apiVersion: string
  readonly caller: string
  /** The JSON body, an empty object where there was none. */
  readonly body: Json
  readonly query: URLSearchParams
}

export interface Reply {
  readonly status: number
  /** Missing for an empty body; null is the literal body `null`. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Which list of versions the controller admits to (arm-wire §1). */
  readonly kind?: ResourceKind
}

export type ResourceKind = 'registries' | 'scopeMaps' | 'tokens' | 'connectedRegistries'

export type Json = Readonly<Record<string, unknown>>

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object member, or nothing; any other type is refused. */
export function optionalObject(from: Json, name: string): Json | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (!isJson(value)) throw invalidProperty(name, 'must be an object')
  return value
}

export function optionalString(from: Json, name: string): string | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw invalidProperty(name, 'must be a string')
  return value
}

export function optionalStrings(from: Json, name: string): readonly string[] | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string'))
    throw invalidProperty(name, 'must be an array of strings')
  return value
}

/** The service took the string `"true"` for a boolean (arm-wire §6). */
export function optionalBoolean(from: Json, name: string): boolean | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 'false') return value === 'true'
  throw invalidProperty(name, 'must be a boolean')
}

export function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw invalidProperty(name, 'is required')
  return value
}

export function invalidProperty(name: string, problem: string): ArmError {
  return new ArmError('InvalidProperty', `The property '${name}' ${problem}.`)
}

/** The provider's namespace in the case the service prints. */
export const provider = 'Microsoft.ContainerRegistry'

export function registryId(context: ArmContext, registry: RegistryState): string {
  return `/subscriptions/${context.subscriptionId}/resourceGroups/${context.resourceGroup}/providers/${provider}/registries/${registry.name}`
}

export function childId(context: ArmContext, registry: RegistryState, kind: ResourceKind, name: string): string {
  return `${registryId(context, registry)}/${kind}/${name}`
}

/** The name in the id of a child of this registry, or undefined: ids are compared without regard to case. */
export function childName(
  context: ArmContext,
  registry: RegistryState,
  kind: ResourceKind,
  id: string
): string | undefined {
  const prefix = `${registryId(context, registry)}/${kind}/`.toLowerCase()
  const name = id.slice(prefix.length)
  return id.toLowerCase().startsWith(prefix) && name !== '' && !name.includes('/') ? name : undefined
}

/** Names by the swagger of 2025-11-01 (arm-wire §4): five to fifty characters of these. */
const names: Readonly<Record<ResourceKind, RegExp>> = {
  registries: /^[a-zA-Z0-9]{5,50}$/,
  connectedRegistries: /^[a-zA-Z0-9]{5,50}$/,
  tokens: /^[a-zA-Z0-9-]{5,50}$/,
  scopeMaps: /^[a-zA-Z0-9-_]{5,50}$/
}

export function checkName(kind: ResourceKind, name: string): void {
  if (!names[kind].test(name))
    throw new ArmError(
      'InvalidResourceName',
      `The name '${name}' is not valid for ${kind}: it must match ${names[kind].source}.`
    )
}

/** A second write while the first still runs. */
export function checkIdle(resource: Resource): void {
  if (!['Succeeded', 'Failed', 'Canceled'].includes(resource.provisioningState))
    throw new ArmError(
      'OperationInProgress',
      `The resource ${resource.name} is in state ${resource.provisioningState}; try again when the operation has ended.`
    )
}

/** Where a deletion is polled: under the subscription, with the region in capitals (arm-wire §2). */
export function operationResults(context: ArmContext, registry: RegistryState): string {
  return `/subscriptions/${context.subscriptionId}/providers/${provider}/locations/${registry.region.toUpperCase()}/operationResults`
}
