import { isRecord } from '../deployment/template.ts'
import type { GeneratorError } from '../errors.ts'
import type { DeploymentManifest } from '../deployment/generate.ts'
import type { Hub, HubConfiguration, HubTwin } from '../hub/hub.ts'
import { planDevice, removedModules, type CurrentTwins } from '../plan/device.ts'
import { differences } from '../plan/difference.ts'
import type { Fingerprints } from '../plan/fingerprints.ts'
import { fingerprintOf, type Change, type PlannedPart } from '../plan/plan.ts'
import type { AutomaticDeployment } from '../site-file/site.ts'
import { bandRefusal, devicesOfOthers } from './alone.ts'
import type { AutomaticContent } from './content.ts'
import { labels, ownConfigurations } from './rollout.ts'

type Document = Readonly<Record<string, unknown>>

/** An automatic deployment with what it would come to. */
export interface AutomaticPlan {
  readonly deployment: AutomaticDeployment
  readonly content: AutomaticContent
  readonly planned: PlannedPart
  /** Modules that devices would lose, sorted. */
  readonly lost: readonly string[]
  /** Devices of other sites, which the deployment in place is for and this one would not be. */
  readonly others: number
  /** Why it could not be rolled out. */
  readonly refusals: readonly GeneratorError[]
}

/**
 * What rolling out an automatic deployment would change.
 *
 * @param agents twins of `$edgeAgent` of all the site's devices; read only where another site's deployment may be of this name
 */
export async function planAutomatic(
  hub: Hub,
  agents: () => Promise<ReadonlyMap<string, HubTwin>>,
  deployment: AutomaticDeployment,
  content: AutomaticContent,
  moduleName: string,
  fingerprints: Fingerprints
): Promise<AutomaticPlan> {
  const part = `deployment ${deployment.name}`
  const all = await hub.configurations()
  const own = ownConfigurations(all, deployment.name)
  const mixed = bandRefusal(all, own, deployment)
  const base = newest(own, 'base')
  const current = twinsOf(base)
  // Of one condition both would be on the same devices: then it is this one.
  const others =
    base === undefined || base.targetCondition === deployment.targetCondition
      ? 0
      : devicesOfOthers(await hub.configuration(base.id), await agents())
  const taken =
    others === 0
      ? {}
      : {
          warning: `${base?.id} is for ${others} devices that the site file does not have, as another site's deployment of this name would be; deploy needs --allow-remove for it`
        }
  const lost =
    base === undefined ? await lostOnDevices(hub, deployment, content) : removedModules(current, content.base.content)
  const { changes } = planDevice(
    deployment.name,
    current,
    content.base.content,
    moduleName,
    fingerprints,
    deployment.name
  )
  const found: Change[] = [
    ...own
      .filter(({ id }) => id !== content.base.id && id !== content.settings.id)
      .map((each): Change => ({ code: 'P302', action: 'remove', part, subject: each.id, differences: [], ...taken })),
    ...[content.settings.id, content.base.id]
      .filter((id) => !own.some((each) => each.id === id))
      .map((id): Change => ({ code: 'P301', action: 'add', part, subject: id, differences: [] })),
    ...targeting(part, base, deployment, fingerprints).map((change) => ({ ...change, ...taken })),
    ...changes.filter(({ code }) => code !== 'P203').map((change) => ({ ...change, part })),
    ...lost.map((name): Change => ({
      code: 'P203',
      action: 'remove',
      part,
      subject: `module ${name}`,
      differences: [],
      warning: `${name} would be taken off every device; deploy needs --allow-remove for it`
    })),
    ...layerChanges(part, newest(own, 'settings'), content, moduleName, fingerprints)
  ]
  return {
    deployment,
    content,
    lost,
    others,
    refusals: mixed === undefined ? [] : [mixed],
    planned: {
      part,
      changes: found,
      state: {
        world: fingerprintOf(own.map(({ id, priority, targetCondition }) => [id, priority, targetCondition]).sort()),
        wanted: fingerprintOf([content.base.id, content.settings.id, deployment])
      }
    }
  }
}

function newest(own: readonly HubConfiguration[], part: 'base' | 'settings'): HubConfiguration | undefined {
  return own
    .filter((each) => each.labels[labels.part] === part)
    .sort((a, b) => b.priority - a.priority || b.createdAt.localeCompare(a.createdAt))[0]
}

/** The base in place, as if it were the twins that it becomes. */
function twinsOf(base: HubConfiguration | undefined): CurrentTwins {
  const sections = isRecord(base?.content['modulesContent']) ? base.content['modulesContent'] : {}
  return new Map(
    Object.entries(sections).map(([moduleId, section]): [string, HubTwin] => [
      moduleId,
      {
        deviceId: '',
        moduleId,
        etag: base?.id ?? '',
        desired: desiredOf(section),
        desiredVersion: 0,
        reported: {}
      }
    ])
  )
}

/** Before the first rollout, what the devices run is what somebody gave each of them. */
async function lostOnDevices(
  hub: Hub,
  { devices }: AutomaticDeployment,
  { base }: AutomaticContent
): Promise<readonly string[]> {
  const lost = new Set<string>()
  for await (const twin of hub.modulesNamed('$edgeAgent'))
    if (devices.includes(twin.deviceId))
      for (const name of removedModules(new Map([[twin.moduleId, twin]]), base.content)) lost.add(name)
  return [...lost].sort()
}

function targeting(
  part: string,
  base: HubConfiguration | undefined,
  { targetCondition, priority }: AutomaticDeployment,
  fingerprints: Fingerprints
): Change[] {
  if (base === undefined) return []
  const before = { targetCondition: base.targetCondition, priority: Math.floor(base.priority / 10) }
  const found = differences(before, { targetCondition, priority }, fingerprints)
  return found.length === 0
    ? []
    : [{ code: 'P303', action: 'change', part, subject: 'target condition and priority', differences: found }]
}

function layerChanges(
  part: string,
  layer: HubConfiguration | undefined,
  { settings }: AutomaticContent,
  moduleName: string,
  fingerprints: Fingerprints
): Change[] {
  const sectionOf = (content: Document | DeploymentManifest | undefined): Document => {
    const modules = content?.modulesContent
    const section = isRecord(modules) ? modules[moduleName] : undefined
    return isRecord(section) ? section : {}
  }
  const found = differences(sectionOf(layer?.content), sectionOf(settings.content), fingerprints)
  if (found.length === 0) return []
  const action = layer === undefined ? 'add' : 'change'
  return [{ code: 'P206', action, part, subject: `shared settings of ${moduleName}`, differences: found }]
}

function desiredOf(section: unknown): Document {
  const desired = isRecord(section) ? section['properties.desired'] : undefined
  return isRecord(desired) ? desired : {}
}
