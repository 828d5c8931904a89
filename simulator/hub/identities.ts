import { randomBytes, randomInt } from 'node:crypto'
import { TwinStore } from '../twins.ts'
import { HubError } from './errors.ts'

/** A device or a module as the identity registry keeps it. */
export interface Identity {
  readonly deviceId: string
  readonly moduleId?: string
  readonly generationId: string
  readonly etag: string
  readonly status: 'enabled' | 'disabled'
  readonly statusReason: string | null
  readonly statusUpdatedTime: string
  readonly authentication: Authentication
  /** `IotEdge` where a deployment made the module, so that a later deployment may take it away. */
  readonly managedBy?: string | null
  readonly capabilities?: { readonly iotEdge: boolean }
  readonly deviceScope?: string
  readonly parentScopes?: readonly string[]
}

interface Authentication {
  readonly type: 'sas' | 'selfSigned' | 'certificateAuthority' | 'none'
  readonly symmetricKey: { readonly primaryKey: string | null; readonly secondaryKey: string | null }
  readonly x509Thumbprint: { readonly primaryThumbprint: string | null; readonly secondaryThumbprint: string | null }
}

/** What a caller may say about an identity; the rest is the hub's. */
export interface IdentityChange {
  readonly status?: 'enabled' | 'disabled' | undefined
  readonly statusReason?: string | null | undefined
  readonly managedBy?: string | null | undefined
  readonly iotEdge?: boolean | undefined
  readonly parentScopes?: readonly string[] | undefined
  readonly authentication?: Partial<Authentication> | undefined
}

const modulesPerDevice = 50
const systemModules: readonly string[] = ['$edgeAgent', '$edgeHub']
/** Device and module ids; a module may start with the `$` only where it is a system module. */
const idPattern = /^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/

/** The identity registry. Every identity has a twin in the {@link TwinStore}, made and deleted with it. */
export class IdentityRegistry {
  readonly #devices = new Map<string, { identity: Identity; modules: Map<string, Identity> }>()
  readonly #twins: TwinStore

  constructor(twins: TwinStore) {
    this.#twins = twins
  }

  devices(): Identity[] {
    return [...this.#devices.values()].map(({ identity }) => identity)
  }

  /** @throws HubError DeviceNotFound */
  device(deviceId: string): Identity {
    return this.#entry(deviceId).identity
  }

  /** Every module of the device, system modules too. */
  modules(deviceId: string): Identity[] {
    return [...this.#entry(deviceId).modules.values()]
  }

  /** @throws HubError DeviceNotFound or ModuleNotFound */
  module(deviceId: string, moduleId: string): Identity {
    const module = this.#entry(deviceId).modules.get(moduleId)
    if (module === undefined)
      throw new HubError('ModuleNotFound', `Module ${moduleId} on device ${deviceId} is not registered.`)
    return module
  }

  hasModule(deviceId: string, moduleId: string): boolean {
    return this.#devices.get(deviceId)?.modules.has(moduleId) ?? false
  }

  /** Registers a device; one for IoT Edge gets its two system modules at once. */
  createDevice(deviceId: string, change: IdentityChange = {}): Identity {
    checkId(deviceId)
    if (this.#devices.has(deviceId))
      throw new HubError('DeviceAlreadyExists', `A device with ID '${deviceId}' is already registered.`)
    const iotEdge = change.iotEdge ?? false
    const identity: Identity = {
      ...newIdentity(deviceId, change),
      capabilities: { iotEdge },
      ...(iotEdge ? { deviceScope: `ms-azure-iot-edge://${deviceId}-${randomInt(1, 2 ** 40)}` } : {}),
      parentScopes: change.parentScopes ?? []
    }
    this.#devices.set(deviceId, { identity, modules: new Map() })
    this.#twins.create(TwinStore.key(deviceId))
    if (iotEdge) for (const moduleId of systemModules) this.#addModule(deviceId, moduleId, { managedBy: null })
    return identity
  }

  createModule(deviceId: string, moduleId: string, change: IdentityChange = {}): Identity {
    checkId(moduleId)
    const { modules } = this.#entry(deviceId)
    if (modules.has(moduleId))
      throw new HubError('ModuleAlreadyExistsOnDevice', `Device ${deviceId} already contains Module ${moduleId}.`)
    if (modules.size >= modulesPerDevice + systemModules.length)
      throw new HubError('TooManyModulesOnDevice', `A device can have ${modulesPerDevice} modules.`)
    return this.#addModule(deviceId, moduleId, change)
  }

  updateDevice(deviceId: string, change: IdentityChange): Identity {
    const entry = this.#entry(deviceId)
    entry.identity = {
      ...changed(entry.identity, change),
      parentScopes: change.parentScopes ?? entry.identity.parentScopes ?? []
    }
    return entry.identity
  }

  updateModule(deviceId: string, moduleId: string, change: IdentityChange): Identity {
    const module = { ...changed(this.module(deviceId, moduleId), change) }
    this.#entry(deviceId).modules.set(moduleId, module)
    return module
  }

  deleteDevice(deviceId: string): void {
    for (const { moduleId } of this.modules(deviceId)) this.#twins.delete(TwinStore.key(deviceId, moduleId))
    this.#twins.delete(TwinStore.key(deviceId))
    this.#devices.delete(deviceId)
  }

  deleteModule(deviceId: string, moduleId: string): void {
    this.module(deviceId, moduleId)
    if (isSystemModule(moduleId))
      throw new HubError('SystemModuleModifyUnauthorizedAccess', `System module ${moduleId} cannot be deleted.`)
    this.#entry(deviceId).modules.delete(moduleId)
    this.#twins.delete(TwinStore.key(deviceId, moduleId))
  }

  #addModule(deviceId: string, moduleId: string, change: IdentityChange): Identity {
    const identity: Identity = { ...newIdentity(deviceId, change), moduleId, managedBy: change.managedBy ?? null }
    this.#entry(deviceId).modules.set(moduleId, identity)
    this.#twins.create(TwinStore.key(deviceId, moduleId))
    return identity
  }

  #entry(deviceId: string): { identity: Identity; modules: Map<string, Identity> } {
    const entry = this.#devices.get(deviceId)
    if (entry === undefined) throw new HubError('DeviceNotFound', `Device ${deviceId} not registered`)
    return entry
  }
}

export function isSystemModule(moduleId: string): boolean {
  return systemModules.includes(moduleId)
}

/** @throws HubError ArgumentInvalid for what can be no device or module id */
export function checkId(id: string): void {
  if (!idPattern.test(id) || (id.startsWith('$') && !isSystemModule(id)))
    throw new HubError('ArgumentInvalid', `The ID '${id}' contains an invalid character or is too long`)
}

function newIdentity(deviceId: string, change: IdentityChange): Identity {
  return {
    deviceId,
    generationId: String(randomInt(1, 2 ** 47)),
    etag: newEtag(),
    status: change.status ?? 'enabled',
    statusReason: change.statusReason ?? null,
    statusUpdatedTime: '0001-01-01T00:00:00Z',
    authentication: completed(change.authentication)
  }
}

function changed(identity: Identity, change: IdentityChange): Identity {
  const status = change.status ?? identity.status
  return {
    ...identity,
    etag: newEtag(),
    status,
    statusReason: change.statusReason === undefined ? identity.statusReason : change.statusReason,
    statusUpdatedTime: status === identity.status ? identity.statusUpdatedTime : new Date().toISOString(),
    authentication: completed(change.authentication, identity.authentication),
    ...(identity.moduleId === undefined ? {} : { managedBy: change.managedBy ?? identity.managedBy ?? null })
  }
}

/** The SDK sends empty keys to have the hub make them. */
function completed(given: Partial<Authentication> | undefined, before?: Authentication): Authentication {
  const type = given?.type ?? before?.type ?? 'sas'
  const make = (key: string | null | undefined, old: string | null | undefined): string | null =>
    type === 'sas' ? key || old || randomBytes(32).toString('base64') : null
  return {
    type,
    symmetricKey: {
      primaryKey: make(given?.symmetricKey?.primaryKey, before?.symmetricKey.primaryKey),
      secondaryKey: make(given?.symmetricKey?.secondaryKey, before?.symmetricKey.secondaryKey)
    },
    x509Thumbprint: given?.x509Thumbprint ??
      before?.x509Thumbprint ?? { primaryThumbprint: null, secondaryThumbprint: null }
  }
}

/** Identity etags are a number's digits in base64 (`Mjg2NzY4MTE2`), unlike a twin's. */
function newEtag(): string {
  return Buffer.from(String(randomInt(10 ** 8, 10 ** 9))).toString('base64')
}
