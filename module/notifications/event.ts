import { randomUUID } from 'node:crypto'
import type { Notifiable } from '../settings/notification-pattern.ts'

/** What happened to content here. */
export interface ContentNews extends Notifiable {
  readonly mediaType?: string | undefined
  /** Bytes of the manifest. */
  readonly size?: number | undefined
}

/** Who tells of it. */
export interface Teller {
  /** The connected registry's name in ACR; the device's where it has none. */
  readonly connectedRegistry: string
  readonly version: string
}

/**
 * An event as Azure Container Registry gives it to Event Grid, with `connectedRegistry` (data version 2.0), so that what was made
 * for those takes these (learn.microsoft.com/azure/event-grid/event-schema-container-registry).
 */
export interface RegistryEvent {
  readonly id: string
  /** Event Grid puts the registry's resource id here, which a device does not know. */
  readonly topic: string
  readonly subject: string
  readonly eventType: 'Microsoft.ContainerRegistry.ImagePushed' | 'Microsoft.ContainerRegistry.ImageDeleted'
  readonly eventTime: string
  readonly data: {
    readonly id: string
    readonly timestamp: string
    readonly action: 'push' | 'delete'
    readonly target: {
      readonly mediaType?: string
      readonly size?: number
      readonly length?: number
      readonly digest: string
      readonly repository: string
      readonly tag?: string
    }
    readonly request: { readonly id: string; readonly method: 'PUT' | 'DELETE'; readonly useragent: string }
    readonly connectedRegistry: { readonly name: string }
  }
  readonly dataVersion: '2.0'
  readonly metadataVersion: '1'
}

/** Makes the event of something that happened at `at`. */
export function makeEvent(news: ContentNews, at: Date, { connectedRegistry, version }: Teller): RegistryEvent {
  const { action, repository, tag, digest, mediaType, size } = news
  const time = at.toISOString()
  return {
    id: randomUUID(),
    topic: `connectedRegistries/${connectedRegistry}`,
    subject: tag === undefined ? repository : `${repository}:${tag}`,
    eventType:
      action === 'push' ? 'Microsoft.ContainerRegistry.ImagePushed' : 'Microsoft.ContainerRegistry.ImageDeleted',
    eventTime: time,
    data: {
      id: randomUUID(),
      timestamp: time,
      action,
      target: {
        ...(mediaType === undefined ? {} : { mediaType }),
        ...(size === undefined ? {} : { size, length: size }),
        digest,
        repository,
        ...(tag === undefined ? {} : { tag })
      },
      request: {
        id: randomUUID(),
        method: action === 'push' ? 'PUT' : 'DELETE',
        useragent: `causeway/${version}`
      },
      connectedRegistry: { name: connectedRegistry }
    },
    dataVersion: '2.0',
    metadataVersion: '1'
  }
}
