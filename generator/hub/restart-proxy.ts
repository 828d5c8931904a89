import { waitFor, type Patience } from '../azure/wait.ts'
import type { DeploymentManifest } from '../deployment/generate.ts'
import { isRecord } from '../deployment/template.ts'
import { GeneratorError } from '../errors.ts'
import type { Hub } from './hub.ts'

type Document = Readonly<Record<string, unknown>>

/** Seconds that a device has for an answer to a direct method. */
const answerSeconds = 30

/**
 * The API proxy that leads to the registry: the module whose environment names it. Undefined where there is none.
 *
 * @param moduleName the connected registry's
 */
export function proxyOf(manifest: DeploymentManifest, moduleName: string): string | undefined {
  const agent = manifest.modulesContent['$edgeAgent']?.['properties.desired']
  const modules = isRecord(agent) && isRecord(agent['modules']) ? agent['modules'] : {}
  return Object.keys(modules).find((name) => {
    const route = recordOf(recordOf(recordOf(modules[name])['env'])['CONNECTED_ACR_ROUTE_ADDRESS'])['value']
    return typeof route === 'string' && route.split(':', 1)[0] === moduleName
  })
}

/**
 * Makes pulls through the API proxy work again after the registry's container was made anew: nginx looks up the registry's
 * address once, when it starts. Waits until the registry answers (it listens before it takes direct methods), has edgeAgent
 * restart the proxy, and waits until that runs.
 *
 * @throws {GeneratorError} `PROXY_NOT_RESTARTED`, or `TIMED_OUT`
 */
export async function restartProxy(
  hub: Hub,
  deviceId: string,
  moduleName: string,
  proxy: string,
  patience: Patience
): Promise<void> {
  await waitFor(
    async () => {
      const answer = await hub.invoke(deviceId, moduleName, 'images', { limit: 1 }, answerSeconds)
      return answer.kind === 'answered' ? true : undefined
    },
    () => `${moduleName} on ${deviceId} does not answer; the API proxy was not restarted`,
    patience
  )
  const before = await startOf(hub, deviceId, proxy)
  const answer = await hub.invoke(
    deviceId,
    '$edgeAgent',
    'RestartModule',
    { schemaVersion: '1.0', id: proxy },
    answerSeconds
  )
  // No answer in time says nothing about the restart; what edgeAgent reports does.
  if (answer.kind === 'offline' || (answer.kind === 'answered' && answer.status !== 200))
    throw new GeneratorError(
      'PROXY_NOT_RESTARTED',
      `edgeAgent on ${deviceId} does not restart ${proxy} (${answer.kind === 'offline' ? 'it is offline' : `it answers ${answer.status}`}); pulls through the proxy fail until it is: az iot hub invoke-module-method -d ${deviceId} -m '$edgeAgent' --mn RestartModule --mp '{"schemaVersion":"1.0","id":"${proxy}"}'`
    )
  await waitFor(
    async () => {
      const now = await startOf(hub, deviceId, proxy)
      return now.running && now.at !== before.at ? true : undefined
    },
    () => `${proxy} on ${deviceId} has not come back after its restart`,
    patience
  )
}

async function startOf(hub: Hub, deviceId: string, module: string): Promise<{ running: boolean; at: string }> {
  const reported = (await hub.twin(deviceId, '$edgeAgent'))?.reported ?? {}
  const state = recordOf(recordOf(reported['modules'])[module])
  return { running: state['runtimeStatus'] === 'running', at: String(state['lastStartTimeUtc']) }
}

function recordOf(value: unknown): Document {
  return isRecord(value) ? value : {}
}
