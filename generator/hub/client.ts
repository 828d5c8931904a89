import type { TokenCredential } from '@azure/identity'
import iothub, { type Client, type Registry } from 'azure-iothub'
import { azureError, refusalOf } from '../azure/errors.ts'
import { agentFor } from '../azure/proxy.ts'
import { limited, throwIfCancelled } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import { plainly } from '../output/plain.ts'
import type { Hub, HubTwin, MethodOutcome } from './hub.ts'
import { Pace, type CallKind } from './pace.ts'
import { readConfiguration, readTwin } from './reading.ts'
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
  /** How fast the hub may be called. */
  readonly pace?: Pace
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
  const { registry, openClient } = await connect(host, options)
  const agent = agentFor(host, env)
  useAgent(registry, agent)
  const pace = options.pace ?? new Pace()
  const delay = options.retryDelay ?? 1000
  const timeout = options.timeout ?? 30_000

  const call = async <Result>(
    kind: CallKind,
    what: string,
    send: () => Promise<Result>,
    patience = timeout
  ): Promise<Result> => {
    try {
      const paced = async (): Promise<Result> => {
        await pace.take(kind, signal)
        return limited(send, { signal, timeout: patience, what: `${what}: ${host}` })
      }
      return await withRetries(paced, { signal, delay })
    } catch (error) {
      throwIfCancelled(signal)
      throw azureError(error, what, host)
    }
  }
  async function* twinsWhere(condition: string, what: string): AsyncIterable<HubTwin> {
    const query = registry.createQuery(`SELECT * FROM devices.modules WHERE ${condition}`, pageSize)
    do {
      // next() without an argument, as a promise, forgets the continuation and gives page one for ever.
      const page = await call('query', what, () => query.next(query.continuationToken))
      for (const twin of page.result as unknown[]) yield readTwin(twin)
    } while (query.hasMoreResults)
  }
  let client: Client | undefined
  const methods = (): Client => {
    if (client !== undefined) return client
    client = openClient()
    useAgent(client, agent)
    // Whether to call a method again is for whoever knows what it does.
    client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
    return client
  }

  return {
    twin: (deviceId, moduleId) =>
      call('read', `reading the twin of ${deviceId}/${moduleId}`, async () => {
        try {
          return readTwin((await registry.getModuleTwin(deviceId, moduleId)).responseBody)
        } catch (error) {
          if (refusalOf(error).status === 404 && refusalOf(error).code !== 'IotHubNotFound') return undefined
          throw error
        }
      }),
    patchDesired: (twin, patch) =>
      call('update', `changing the twin of ${twin.deviceId}/${twin.moduleId}`, async () => {
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
      call('configuration', `deploying to ${deviceId}`, async () => {
        await registry.applyConfigurationContentOnDevice(
          deviceId,
          content as Parameters<Registry['applyConfigurationContentOnDevice']>[1]
        )
      }),
    modulesNamed: (moduleId) => twinsWhere(`moduleId = '${moduleId}'`, `listing modules ${moduleId}`),
    invoke: (deviceId, moduleId, methodName, payload, seconds) =>
      call(
        'other',
        `calling ${methodName} on ${deviceId}/${moduleId}`,
        async () => {
          try {
            const params = { methodName, payload, responseTimeoutInSeconds: seconds }
            const called = await methods().invokeDeviceMethod(deviceId, moduleId, params)
            const answer = called.result as { status: number; payload: unknown }
            return { kind: 'answered', status: answer.status, payload: plainly(answer.payload) }
          } catch (error) {
            const outcome = withoutAnswer(error)
            if (outcome === undefined) throw error
            return outcome
          }
        },
        // The hub answers by itself when the device does not; what comes on top is the way there.
        timeout + seconds * 1000
      ),
    configurations: () =>
      call('configuration', 'listing automatic deployments', async () =>
        ((await registry.getConfigurations()).responseBody as unknown as unknown[]).map(readConfiguration)
      ),
    configuration: (id) =>
      call('configuration', `reading the automatic deployment ${id}`, async () => {
        try {
          return readConfiguration((await registry.getConfiguration(id)).responseBody)
        } catch (error) {
          if (refusalOf(error).status === 404) return undefined
          throw error
        }
      }),
    createConfiguration: (configuration) =>
      call('configuration', `making the automatic deployment ${configuration.id}`, async () => {
        try {
          await registry.addConfiguration({ schemaVersion: '2.0', ...configuration })
          return 'created'
        } catch (error) {
          // Its id names its content: this one came of an earlier try whose answer was lost, or of another pipeline.
          if (refusalOf(error).status === 409) return 'exists'
          throw error
        }
      }),
    updateConfiguration: ({ id, labels, content, targetCondition, priority, etag }, change) =>
      call('configuration', `changing the automatic deployment ${id}`, async () => {
        const wanted = { id, schemaVersion: '2.0', labels, content, targetCondition, priority, ...change }
        try {
          return readConfiguration((await registry.updateConfiguration({ ...wanted, etag })).responseBody)
        } catch (error) {
          if (refusalOf(error).status === 412) return 'changed'
          throw error
        }
      }),
    refusing: (id) => {
      const applied = `moduleId = '$edgeAgent' AND configurations.[[${id}]].status = 'Applied'`
      const code = 'properties.reported.lastDesiredStatus.code'
      const refused = `${code} >= 400 AND ${code} < 500 AND ${code} != 406`
      return twinsWhere(`${applied} AND ${refused}`, `looking for devices that refuse ${id}`)
    },
    removeConfiguration: (id) =>
      call('configuration', `taking away the automatic deployment ${id}`, async () => {
        try {
          await registry.removeConfiguration(id)
        } catch (error) {
          if (refusalOf(error).status !== 404) throw error
        }
      }),
    close: () => {
      agent.destroy()
    }
  }
}

/** azure-iothub offers no way to give it an agent, and without one no way through a proxy (facts: azure-sdk §4 (a)). */
function useAgent(client: Registry | Client, agent: ReturnType<typeof agentFor>): void {
  const { _restApiClient: rest } = client as unknown as { _restApiClient: { setOptions(options: object): void } }
  rest.setOptions({ http: { agent } })
}

/** Nobody is connected (404), or who is connected says nothing (504); a module that does not exist is connected to nothing. */
function withoutAnswer(error: unknown): MethodOutcome | undefined {
  const { status, code } = refusalOf(error)
  if (status === 504) return { kind: 'silent' }
  return status === 404 && code !== 'DeviceNotFound' && code !== 'ModuleNotFound' ? { kind: 'offline' } : undefined
}

async function connect(
  host: string,
  { env, credential }: HubClientOptions
): Promise<{ readonly registry: Registry; readonly openClient: () => Client }> {
  const connectionString = env['IOTHUB_CONNECTION_STRING']?.trim() ?? ''
  if (connectionString === '') {
    const who = await credential()
    return {
      registry: iothub.Registry.fromTokenCredential(host, who),
      openClient: () => iothub.Client.fromTokenCredential(host, who)
    }
  }
  const [, named] = /(?:^|;)HostName=([^;]+)/i.exec(connectionString) ?? []
  if (named === undefined || !/(?:^|;)SharedAccessKey=/i.test(connectionString))
    throw new GeneratorError(
      'USAGE',
      'IOTHUB_CONNECTION_STRING is none: it reads HostName=…;SharedAccessKeyName=…;SharedAccessKey=…'
    )
  if (named.toLowerCase() !== host.toLowerCase())
    throw new GeneratorError(
      'HUB_MISMATCH',
      `IOTHUB_CONNECTION_STRING is for ${named}, and the site file names ${host}. ${
        named.split('.', 1)[0]?.toLowerCase() === host.split('.', 1)[0]?.toLowerCase()
          ? 'The hub is of another cloud: set azure.cloud of the site file to it'
          : 'Set the one or the other: azure.hub of the site file, or the variable'
      }`
    )
  return {
    registry: iothub.Registry.fromConnectionString(connectionString),
    openClient: () => iothub.Client.fromConnectionString(connectionString)
  }
}
