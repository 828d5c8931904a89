import { TwinStore, type Properties, type PropertySection } from '../twins.ts'
import type { DeviceConfigurations } from './automatic.ts'
import type { Identity } from './identities.ts'
import type { TwinMetadata } from './twin-metadata.ts'

/** Tells whether a device's (or module's) MQTT connection stands. */
export type IsConnected = (deviceId: string, moduleId?: string) => boolean

/** Turns identities and twins into what the service API answers. */
export class TwinView {
  readonly #twins: TwinStore
  readonly #metadata: TwinMetadata
  readonly #isConnected: IsConnected
  readonly #configurations: (deviceId: string) => DeviceConfigurations

  /** @param configurations what the hub says of automatic deployments on a device */
  constructor(
    twins: TwinStore,
    metadata: TwinMetadata,
    isConnected: IsConnected,
    configurations: (deviceId: string) => DeviceConfigurations
  ) {
    this.#configurations = configurations
    this.#twins = twins
    this.#metadata = metadata
    this.#isConnected = isConnected
  }

  /**
   * A twin as `GET /twins/…` and queries give it.
   *
   * @param identity of the device or module
   * @param device the module's device; the same where it is a device's twin
   */
  twin(identity: Identity, device: Identity): Properties {
    const { deviceId, moduleId } = identity
    const key = TwinStore.key(deviceId, moduleId)
    const twin = this.#twins.get(key)
    if (twin === undefined) throw new Error(`the twin of ${key} is gone while its identity is there`)
    return {
      deviceId,
      ...(moduleId === undefined ? {} : { moduleId }),
      etag: twin.etag,
      deviceEtag: device.etag,
      status: identity.status,
      statusUpdateTime: identity.statusUpdatedTime,
      connectionState: this.#connectionState(identity),
      lastActivityTime: this.#lastActivity(identity),
      cloudToDeviceMessageCount: 0,
      authenticationType: identity.authentication.type,
      x509Thumbprint: identity.authentication.x509Thumbprint,
      modelId: '',
      version: twin.version,
      // The service leaves `tags` out until there are some; a target condition on tags never matches such a twin.
      ...(Object.keys(twin.tags).length === 0 ? {} : { tags: twin.tags }),
      // Of an IoT Edge device, the hub tells this with its agent.
      ...(moduleId === '$edgeAgent' ? { configurations: this.#configurations(deviceId) } : {}),
      properties: {
        desired: this.#section(key, 'desired', twin.desired),
        reported: this.#section(key, 'reported', twin.reported)
      },
      ...(moduleId === undefined ? scopes(identity) : {})
    }
  }

  /** An identity as `GET /devices/…` gives it. */
  identity(identity: Identity): Properties {
    const { deviceId, moduleId } = identity
    return {
      ...(moduleId === undefined ? {} : { moduleId, managedBy: identity.managedBy ?? null }),
      deviceId,
      generationId: identity.generationId,
      etag: identity.etag,
      connectionState: this.#connectionState(identity),
      ...(moduleId === undefined
        ? {
            status: identity.status,
            statusReason: identity.statusReason,
            statusUpdatedTime: identity.statusUpdatedTime
          }
        : {}),
      connectionStateUpdatedTime: '0001-01-01T00:00:00Z',
      lastActivityTime: this.#lastActivity(identity),
      cloudToDeviceMessageCount: 0,
      authentication: identity.authentication,
      ...(moduleId === undefined ? scopes(identity) : {})
    }
  }

  #section(key: string, half: 'desired' | 'reported', section: PropertySection): Properties {
    return { ...section.properties, $metadata: this.#metadata.of(key, half, section), $version: section.version }
  }

  #connectionState({ deviceId, moduleId }: Identity): 'Connected' | 'Disconnected' {
    return this.#isConnected(deviceId, moduleId) ? 'Connected' : 'Disconnected'
  }

  /** The hub sees no traffic here but what is reported; the year 1 stands for never. */
  #lastActivity({ deviceId, moduleId }: Identity): string {
    const reported = this.#twins.get(TwinStore.key(deviceId, moduleId))?.reported
    return reported === undefined || reported.version === 1 ? '0001-01-01T00:00:00Z' : reported.lastUpdated
  }
}

function scopes({ capabilities, deviceScope, parentScopes }: Identity): Properties {
  return { capabilities, ...(deviceScope === undefined ? {} : { deviceScope }), parentScopes: parentScopes ?? [] }
}
