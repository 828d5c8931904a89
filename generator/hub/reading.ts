import { plainly } from '../output/plain.ts'
import type { HubConfiguration, HubTwin } from './hub.ts'

/**
 * The SDK types twins as `any`; here they become ours, and what the service leaves out stays out. What a device reports is made
 * plain: whoever holds its identity writes what a pipeline's log shows.
 */
export function readTwin(value: unknown): HubTwin {
  const twin = value as {
    deviceId: string
    moduleId: string
    etag: string
    connectionState?: string
    configurations?: Record<string, { status: string }>
    properties?: { desired?: Record<string, unknown>; reported?: Record<string, unknown> }
  }
  const { $version, $metadata: desiredMetadata, ...desired } = twin.properties?.desired ?? {}
  const { $version: _version, $metadata, ...rest } = twin.properties?.reported ?? {}
  const reported = plainly(rest) as Record<string, unknown>
  const reportedAt = lastUpdated($metadata)
  const desiredAt = lastUpdated(desiredMetadata)
  return {
    deviceId: twin.deviceId,
    moduleId: twin.moduleId,
    etag: twin.etag,
    ...(twin.connectionState === undefined ? {} : { connectionState: twin.connectionState }),
    ...(twin.configurations === undefined ? {} : { configurations: twin.configurations }),
    desired,
    desiredVersion: typeof $version === 'number' ? $version : 0,
    ...(desiredAt === undefined ? {} : { desiredAt }),
    reported,
    ...(reportedAt === undefined ? {} : { reportedAt }),
    reportedTimes: Object.fromEntries(
      Object.keys(reported).flatMap((name) => {
        const time = lastUpdated(($metadata as Record<string, unknown> | undefined)?.[name])
        return time === undefined ? [] : [[name, time]]
      })
    )
  }
}

/** IoT Hub gives year 1 for a half that never had anything in it. */
function lastUpdated(metadata: unknown): string | undefined {
  const time = (metadata as { $lastUpdated?: unknown } | null | undefined)?.$lastUpdated
  return typeof time === 'string' && !time.startsWith('0001-') ? time : undefined
}

/** The same for automatic deployments. */
export function readConfiguration(value: unknown): HubConfiguration {
  const configuration = value as {
    id: string
    etag?: string
    labels?: Record<string, string> | null
    content?: Record<string, unknown>
    targetCondition?: string
    priority?: number
    createdTimeUtc?: string
    systemMetrics?: { results?: Record<string, number> | null } | null
  }
  return {
    id: configuration.id,
    etag: configuration.etag ?? '',
    labels: configuration.labels ?? {},
    content: configuration.content ?? {},
    targetCondition: configuration.targetCondition ?? '',
    priority: configuration.priority ?? 0,
    createdAt: configuration.createdTimeUtc ?? '',
    systemMetrics: configuration.systemMetrics?.results ?? {}
  }
}
