import { stamp, withOffset, type Stamp } from './timestamps.ts'

export type Provisioning = 'Succeeded' | 'Creating' | 'Updating' | 'Deleting' | 'Failed' | 'Canceled'

export interface SystemData {
  readonly createdAt: Stamp
  readonly lastModifiedAt: Stamp
  readonly by: string
}

/** What every resource of the provider has. */
export interface Resource {
  readonly name: string
  provisioningState: Provisioning
  systemData: SystemData
}

export interface ScopeMap extends Resource {
  readonly type: 'UserDefined' | 'SystemDefined'
  readonly creationDate: Stamp
  description?: string | undefined
  actions: readonly string[]
}

export type PasswordSlot = 'password1' | 'password2'

/** A password as it is kept: the value left with the answer to generateCredentials. */
export interface Password {
  readonly salt: Buffer
  readonly hash: Buffer
  readonly creationTime: Stamp
  readonly expiry?: { readonly stamp: Stamp; readonly milliseconds: number }
  /** New passwords take about a minute to reach the data plane (connected-registry §2); until then the one before works. */
  readonly validFrom: number
  readonly before?: Password
}

export interface Token extends Resource {
  readonly creationDate: Stamp
  scopeMapId: string
  status: 'enabled' | 'disabled'
  readonly passwords: Map<PasswordSlot, Password>
}

export type ConnectedRegistryMode = 'ReadWrite' | 'ReadOnly' | 'Registry' | 'Mirror'

export interface SyncProperties {
  readonly tokenId: string
  readonly schedule?: string
  readonly syncWindow?: string
  readonly messageTtl: string
}

export interface ConnectedRegistry extends Resource {
  readonly mode: ConnectedRegistryMode
  readonly parentId?: string
  sync: SyncProperties
  clientTokenIds?: readonly string[]
  notificationsList?: readonly string[]
  logging: { readonly logLevel: string; readonly auditLogStatus: string }
  garbageCollection: { readonly enabled: boolean; readonly schedule: string }
  /** Set by what reports from the site; before activation neither `version` nor `lastActivityTime` exists. */
  activation: 'Active' | 'Inactive'
  connectionState: 'Online' | 'Offline' | 'Syncing' | 'Unhealthy'
}

export type Sku = 'Basic' | 'Standard' | 'Premium'

export interface RegistryState extends Resource {
  /** What names of the cloud's registries end with. */
  readonly domain: string
  readonly region: string
  readonly creationDate: Stamp
  sku: Sku
  tags: Readonly<Record<string, string>>
  anonymousPullEnabled: boolean
  dataEndpointEnabled: boolean
  /** Writable properties that the simulator only remembers, as a PATCH with the whole resource sends them. */
  remembered: Readonly<Record<string, unknown>>
  policiesUpdated: Stamp
  /** Keyed by lower-case name, in the order of creation. */
  readonly scopeMaps: Map<string, ScopeMap>
  readonly tokens: Map<string, Token>
  readonly connectedRegistries: Map<string, ConnectedRegistry>
}

export interface NewRegistry {
  readonly name: string
  readonly region: string
  readonly sku?: Sku
  readonly anonymousPullEnabled?: boolean
  readonly dataEndpointEnabled?: boolean
}

const everyAction = ['content/delete', 'content/read', 'content/write', 'metadata/read', 'metadata/write']

/**
 * The scope maps every registry has. `_repositories_pull` reads content only: its tokens cannot list tags
 * (https://github.com/Azure/acr/issues/600).
 */
const systemScopeMaps: readonly (readonly [name: string, description: string, actions: readonly string[]])[] = [
  ['_repositories_admin', 'Can perform all read, write and delete operations on the registry', everyAction],
  ['_repositories_pull', 'Can pull any repository of the registry', ['content/read']],
  ['_repositories_push', 'Can push to any repository of the registry', ['content/read', 'content/write']]
]

export function createRegistry(options: NewRegistry, now: number, domain: string): RegistryState {
  const created = systemData(now, 'simulator')
  const state: RegistryState = {
    name: options.name,
    domain,
    region: options.region,
    provisioningState: 'Succeeded',
    systemData: created,
    creationDate: stamp(now + 101),
    sku: options.sku ?? 'Premium',
    tags: {},
    anonymousPullEnabled: options.anonymousPullEnabled ?? false,
    dataEndpointEnabled: options.dataEndpointEnabled ?? false,
    remembered: {},
    policiesUpdated: created.createdAt,
    scopeMaps: new Map(),
    tokens: new Map(),
    connectedRegistries: new Map()
  }
  for (const [name, description, actions] of systemScopeMaps)
    state.scopeMaps.set(name, {
      name,
      type: 'SystemDefined',
      description,
      creationDate: created.createdAt,
      provisioningState: 'Succeeded',
      systemData: created,
      actions: actions.map((action) => `repositories/*/${action}`)
    })
  return state
}

export function systemData(now: number, by: string): SystemData {
  const at = stamp(now)
  return { createdAt: at, lastModifiedAt: at, by }
}

/** All six members, always (arm-wire §1); `+00:00` everywhere but in `/resources`. */
export function renderSystemData(data: SystemData, offset: (time: Stamp) => string = withOffset): unknown {
  return {
    createdBy: data.by,
    createdByType: 'User',
    createdAt: offset(data.createdAt),
    lastModifiedBy: data.by,
    lastModifiedByType: 'User',
    lastModifiedAt: offset(data.lastModifiedAt)
  }
}

export function loginServerOf(registry: RegistryState): string {
  return `${registry.name.toLowerCase()}.${registry.domain}`
}

export function dataEndpointOf(registry: RegistryState): string {
  return `${registry.name.toLowerCase()}.${registry.region.toLowerCase()}.data.${registry.domain}`
}
