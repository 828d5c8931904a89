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
export function proxyOf(manifest: DeploymentManifest, moduleName: string): ProxyModule | undefined {
  const agent = manifest.modulesContent['$edgeAgent']?.['properties.desired']
  const modules = isRecord(agent) && isRecord(agent['modules']) ? agent['modules'] : {}
  const variable = (module: string, name: string): unknown =>
    recordOf(recordOf(recordOf(modules[module])['env'])[name])['value']
  const name = Object.keys(modules).find((module) => {
    const route = variable(module, 'CONNECTED_ACR_ROUTE_ADDRESS')
    return typeof route === 'string' && route.split(':', 1)[0] === moduleName
  })
  if (name === undefined) return undefined
  return { name, port: Number(variable(name, 'NGINX_DEFAULT_PORT') ?? defaultPort) }
}

/** The API proxy of a device. */
export interface ProxyModule {
  readonly name: string
  /** Where it listens, on the module network and elsewhere. */
  readonly port: number
}

/** Of the proxy's own image (facts: connected-registry §6). */
const defaultPort = 8000

/**
 * Makes pulls through the API proxy work again after the registry's container was made anew: nginx looks up the registry's
 * address once, when it starts. Waits until the registry answers (it listens before it takes direct methods), has edgeAgent
 * restart the proxy, waits until that runs, and then until the registry answers on `/v2/` through it. A pipeline has no way to that
 * address: the registry's module looks itself, by its direct method `probeProxy`.
 *
 * @returns undefined, or why nobody could look at `/v2/`: a module without that method, or a proxy of another name there
 * @throws {GeneratorError} `PROXY_NOT_RESTARTED`, or `TIMED_OUT`
 */
export async function restartProxy(
  hub: Hub,
  deviceId: string,
  moduleName: string,
  { name: proxy, port }: ProxyModule,
  patience: Patience
): Promise<string | undefined> {
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
  return waitForRegistry(hub, deviceId, moduleName, { name: proxy, port }, patience)
}

/** Looks until a registry answers through the proxy. nginx takes its moment; a name that is not known stays unknown. */
async function waitForRegistry(
  hub: Hub,
  deviceId: string,
  moduleName: string,
  { name: proxy, port }: ProxyModule,
  patience: Patience
): Promise<string | undefined> {
  let last = 'nobody answered'
  let unknown = 0
  const seen = await waitFor(
    async () => {
      const answer = await hub.invoke(deviceId, moduleName, 'probeProxy', { proxy, port }, answerSeconds)
      if (answer.kind !== 'answered') {
        last = `${moduleName} is ${answer.kind}`
        return undefined
      }
      const probe = recordOf(answer.payload)
      if (answer.status === 404) return { unseen: `${moduleName} has no method probeProxy` }
      if (answer.status !== 200) {
        last = `${moduleName} answers ${answer.status}`
        return undefined
      }
      if (probe['registry'] === true) return {}
      const { status, error } = probe
      last = `${String(probe['url'])} ${typeof status === 'number' ? `answers ${status}` : `does not answer (${String(error)})`}`
      unknown = error === 'ENOTFOUND' || error === 'EAI_AGAIN' ? unknown + 1 : 0
      return unknown < mostUnknown ? undefined : { unseen: `${last}; set CAUSEWAY_API_PROXY of ${moduleName}` }
    },
    () => `${proxy} on ${deviceId} was restarted, and the registry does not answer through it: ${last}`,
    patience
  )
  return 'unseen' in seen ? seen.unseen : undefined
}

/** An engine knows a container's name from its start. */
const mostUnknown = 3

async function startOf(hub: Hub, deviceId: string, module: string): Promise<{ running: boolean; at: string }> {
  const reported = (await hub.twin(deviceId, '$edgeAgent'))?.reported ?? {}
  const state = recordOf(recordOf(reported['modules'])[module])
  return { running: state['runtimeStatus'] === 'running', at: String(state['lastStartTimeUtc']) }
}

function recordOf(value: unknown): Document {
  return isRecord(value) ? value : {}
}
