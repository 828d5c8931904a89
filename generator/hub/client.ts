import type { TokenCredential } from '@azure/identity'
import iothub, { type Registry } from 'azure-iothub'
import { azureError, refusalOf } from '../azure/errors.ts'
import { agentFor } from '../azure/proxy.ts'
import { throwIfCancelled } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import type { Hub, HubTwin } from './hub.ts'
import { withRetries } from './retry.ts'

export interface HubClientOptions {
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
  /** For hubs reached with Entra ID, where there is no connection string. */
  readonly credential: () => Promise<TokenCredential>
  /** Milliseconds for one call; the SDK has no time-out of its own. */
  readonly timeout?: number
  /** Milliseconds before a second try. */
  readonly retryDelay?: number
}

/** Twins per page of a query; IoT Hub gives no more. */
const pageSize = 100

/**
 * The one place that speaks to IoT Hub's service API.
 *
 * @param host `name.azure-devices.net`, which `IOTHUB_CONNECTION_STRING` must agree with where it is set
 * @throws {GeneratorError} `HUB_MISMATCH`, or `USAGE` for a connection string that is none
 */
export async function createHubClient(host: string, options: HubClientOptions): Promise<Hub> {
  const { signal, env } = options
  const registry = await connect(host, options)
  const agent = agentFor(host, env)
  // azure-iothub offers no way to give it an agent, and without one no way through a proxy (facts: azure-sdk §4 (a)).
  const rest = (registry as unknown as { _restApiClient: { setOptions(options: object): void } })._restApiClient
  rest.setOptions({ http: { agent } })

  const call = async <Result>(what: string, send: () => Promise<Result>): Promise<Result> => {
    try {
      return await withRetries(send, { signal, timeout: options.timeout ?? 30_000, delay: options.retryDelay ?? 1000 })
    } catch (error) {
      throwIfCancelled(signal)
      throw azureError(error, what, host)
    }
  }

  return {
    twin: (deviceId, moduleId) =>
      call(`reading the twin of ${deviceId}/${moduleId}`, async () => {
        try {
          return readTwin((await registry.getModuleTwin(deviceId, moduleId)).responseBody)
        } catch (error) {
          if (refusalOf(error).status === 404 && refusalOf(error).code !== 'IotHubNotFound') return undefined
          throw error
        }
      }),
    patchDesired: (twin, patch) =>
      call(`changing the twin of ${twin.deviceId}/${twin.moduleId}`, async () => {
        try {
          const body = { properties: { desired: patch } }
          const updated = await registry.updateModuleTwin(twin.deviceId, twin.moduleId, body, twin.etag)
          return readTwin(updated.responseBody).desiredVersion
        } catch (error) {
          if (refusalOf(error).status === 412) return 'changed'
          throw error
        }
      }),
    apply: (deviceId, content) =>
      call(`deploying to ${deviceId}`, async () => {
        await registry.applyConfigurationContentOnDevice(
          deviceId,
          content as Parameters<Registry['applyConfigurationContentOnDevice']>[1]
        )
      }),
    async *modulesNamed(moduleId) {
      const query = registry.createQuery(`SELECT * FROM devices.modules WHERE moduleId = '${moduleId}'`, pageSize)
      do {
        // next() without an argument, as a promise, forgets the continuation and gives page one for ever.
        const page = await call(`listing modules ${moduleId}`, () => query.next(query.continuationToken))
        for (const twin of page.result as unknown[]) yield readTwin(twin)
      } while (query.hasMoreResults)
    },
    close: () => {
      agent.destroy()
    }
  }
}

async function connect(host: string, { env, credential }: HubClientOptions): Promise<Registry> {
  const connectionString = env['IOTHUB_CONNECTION_STRING']?.trim() ?? ''
  if (connectionString === '') return iothub.Registry.fromTokenCredential(host, await credential())
  const [, named] = /(?:^|;)HostName=([^;]+)/i.exec(connectionString) ?? []
  if (named === undefined || !/(?:^|;)SharedAccessKey=/i.test(connectionString))
    throw new GeneratorError(
      'USAGE',
      'IOTHUB_CONNECTION_STRING is none: it reads HostName=…;SharedAccessKeyName=…;SharedAccessKey=…'
    )
  if (named.toLowerCase() !== host.toLowerCase())
    throw new GeneratorError(
      'HUB_MISMATCH',
      `IOTHUB_CONNECTION_STRING is for ${named}, and the site file names ${host}`
    )
  return iothub.Registry.fromConnectionString(connectionString)
}

/** The SDK types twins as `any`; here they become ours, and what the service leaves out stays out. */
function readTwin(value: unknown): HubTwin {
  const twin = value as {
    deviceId: string
    moduleId: string
    etag: string
    connectionState?: string
    properties?: { desired?: Record<string, unknown>; reported?: Record<string, unknown> }
  }
  const { $version, $metadata: desiredMetadata, ...desired } = twin.properties?.desired ?? {}
  const { $version: _version, $metadata, ...reported } = twin.properties?.reported ?? {}
  const reportedAt = lastUpdated($metadata)
  const desiredAt = lastUpdated(desiredMetadata)
  return {
    deviceId: twin.deviceId,
    moduleId: twin.moduleId,
    etag: twin.etag,
    ...(twin.connectionState === undefined ? {} : { connectionState: twin.connectionState }),
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
