import { waitFor, type Patience } from '../azure/wait.ts'
import type { DeploymentManifest } from '../deployment/generate.ts'
import { isRecord } from '../deployment/template.ts'
import { GeneratorError } from '../errors.ts'
import type { Hub, HubTwin } from './hub.ts'

const agentModule = '$edgeAgent'

/**
 * Gives a device a deployment manifest.
 *
 * @param allowRemove takes away modules that the device has and the manifest has not: IoT Hub replaces everything
 * @returns `$version` of edgeAgent's desired properties
 * @throws {GeneratorError} `DEVICE_UNKNOWN` or `MODULES_WOULD_GO`
 */
export async function deploy(
  hub: Hub,
  deviceId: string,
  manifest: DeploymentManifest,
  allowRemove: boolean
): Promise<number> {
  const gone = removedModules((await agentTwin(hub, deviceId)).desired, manifest)
  if (gone.length > 0 && !allowRemove)
    throw new GeneratorError(
      'MODULES_WOULD_GO',
      `${deviceId} would lose ${gone.join(', ')}, which this manifest does not have. Add to the template what has to stay, or say --allow-remove`
    )
  await hub.apply(deviceId, manifest)
  return (await agentTwin(hub, deviceId)).desiredVersion
}

/** How far a deployment has come. */
export interface DeploymentState {
  readonly running: readonly string[]
  /** Names with what they are instead of running. */
  readonly waiting: readonly string[]
}

/**
 * Waits until edgeAgent has taken a version of its deployment, and every module that is to run runs.
 *
 * @param tell is called with each look
 * @throws {GeneratorError} `DEPLOYMENT_REFUSED` with edgeAgent's reason, or `TIMED_OUT` with what is missing
 */
export async function waitForDeployment(
  hub: Hub,
  deviceId: string,
  manifest: DeploymentManifest,
  version: number,
  patience: Patience,
  tell: (state: DeploymentState) => void
): Promise<void> {
  const wanted = modulesToRun(manifest)
  let seen = 'edgeAgent has not looked at it; is the device online?'
  await waitFor(
    async () => {
      const twin = await agentTwin(hub, deviceId)
      const { reported } = twin
      const looked = Number(reported['lastDesiredVersion'] ?? 0)
      const { code, description } = judgementOf(reported)
      const refused = refusalOf(twin, version)
      if (refused !== undefined)
        throw new GeneratorError('DEPLOYMENT_REFUSED', `edgeAgent on ${deviceId} refuses the deployment ${refused}`)
      if (looked < version) {
        if (isRefusal(code)) seen = `edgeAgent still says ${code} ${description}`
        return undefined
      }
      const state = stateOf(wanted, reported)
      tell(state)
      seen = [...(code === 200 ? [] : [`edgeAgent says ${code} ${description}`]), ...state.waiting].join('; ')
      return code === 200 && state.waiting.length === 0 ? true : undefined
    },
    () => `the deployment to ${deviceId} is not complete: ${seen}`,
    patience
  )
}

/**
 * Why edgeAgent refuses what it was given, or undefined where it does not, or has not looked at it.
 *
 * @param version of the deployment that is asked about; the newest where it is not given
 */
export function refusalOf(twin: HubTwin, version = twin.desiredVersion): string | undefined {
  const { code, description } = judgementOf(twin.reported)
  const looked = Number(twin.reported['lastDesiredVersion'] ?? 0)
  return isRefusal(code) && (looked >= version || statusIsAfter(twin)) ? `(${code}): ${description}` : undefined
}

/** 406 is "not known yet"; 500 is a pull or start that edgeAgent tries again (facts: deployment-manifests §1.2). */
function isRefusal(code: number): boolean {
  return code >= 400 && code < 500 && code !== 406
}

/** What edgeAgent last said of its deployment; code 0 where it said nothing. */
export function judgementOf(reported: Readonly<Record<string, unknown>>): { code: number; description: string } {
  const status = isRecord(reported['lastDesiredStatus']) ? reported['lastDesiredStatus'] : {}
  const description = typeof status['description'] === 'string' ? status['description'] : ''
  return { code: Number(status['code'] ?? 0), description: description.slice(0, 500) }
}

/** Names of the modules that the manifest wants running. */
export function modulesToRun(manifest: DeploymentManifest): readonly string[] {
  const desired = desiredOf(manifest)
  const modules = Object.entries(section(desired, 'modules')).filter(
    ([, module]) => !isRecord(module) || (module['status'] ?? 'running') === 'running'
  )
  return [...Object.keys(section(desired, 'systemModules')), ...modules.map(([name]) => name)]
}

function stateOf(wanted: readonly string[], reported: Readonly<Record<string, unknown>>): DeploymentState {
  const all = { ...section(reported, 'modules'), ...section(reported, 'systemModules') }
  const statuses = wanted.map((name) => {
    const module = all[name]
    const status = isRecord(module) ? module['runtimeStatus'] : undefined
    return { name, status: typeof status === 'string' ? status : 'unknown' }
  })
  return {
    running: statuses.filter(({ status }) => status === 'running').map(({ name }) => name),
    waiting: statuses.filter(({ status }) => status !== 'running').map(({ name, status }) => `${name} is ${status}`)
  }
}

/**
 * Whether edgeAgent judged after it was given this deployment: `lastDesiredVersion` is that of the last deployment it took, and
 * so stays where it was when it refuses one (edgeAgent, Agent.cs).
 */
function statusIsAfter({ desiredAt, reportedTimes }: HubTwin): boolean {
  const judgedAt = reportedTimes?.['lastDesiredStatus']
  return desiredAt !== undefined && judgedAt !== undefined && Date.parse(judgedAt) >= Date.parse(desiredAt)
}

function removedModules(desired: Readonly<Record<string, unknown>>, manifest: DeploymentManifest): string[] {
  const kept = section(desiredOf(manifest), 'modules')
  return Object.keys(section(desired, 'modules')).filter((name) => !Object.hasOwn(kept, name))
}

function desiredOf(manifest: DeploymentManifest): Readonly<Record<string, unknown>> {
  return section(manifest.modulesContent[agentModule] ?? {}, 'properties.desired')
}

function section(record: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  const value = record[key]
  return isRecord(value) ? value : {}
}

async function agentTwin(hub: Hub, deviceId: string): Promise<HubTwin> {
  const twin = await hub.twin(deviceId, agentModule)
  if (twin !== undefined) return twin
  throw new GeneratorError(
    'DEVICE_UNKNOWN',
    `the hub has no IoT Edge device ${deviceId}. Create it there (az iot hub device-identity create --edge-enabled), or check the site file`
  )
}
