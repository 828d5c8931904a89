import { isDeepStrictEqual } from 'node:util'
import type { DeploymentManifest } from '../deployment/generate.ts'
import { isRecord } from '../deployment/template.ts'
import type { FleetTwins } from '../fleet/read.ts'
import type { Hub, HubTwin } from '../hub/hub.ts'
import { differences } from './difference.ts'
import type { Fingerprints } from './fingerprints.ts'
import { createdWith, normaliseAgent, normaliseHub } from './normalise.ts'
import { fingerprintOf, type Change, type ChangeCode, type PlannedPart } from './plan.ts'

type Document = Readonly<Record<string, unknown>>

const system = ['$edgeAgent', '$edgeHub'] as const

/** What a device's hub has of it now: the desired halves of the twins that a deployment manifest speaks of. */
export type CurrentTwins = ReadonlyMap<string, HubTwin>

/**
 * Reads the twins of a device that its deployment would write.
 *
 * @param fleet where the twins of many devices are read together
 */
export async function readCurrent(
  hub: Hub,
  deviceId: string,
  manifest: DeploymentManifest,
  fleet?: FleetTwins
): Promise<CurrentTwins> {
  const names = Object.keys(manifest.modulesContent)
  const twins = await Promise.all(
    names.map(async (moduleId) =>
      fleet === undefined ? hub.twin(deviceId, moduleId) : (await fleet.of(moduleId)).get(deviceId)
    )
  )
  return new Map(twins.flatMap((twin) => (twin === undefined ? [] : [[twin.moduleId, twin] as const])))
}

/**
 * What a deployment would change on a device.
 *
 * @param identity stands for the manifest in the fingerprint of what is wanted, and holds no password
 * @param moduleName the connected registry's, whose recreation is an outage
 */
export function planDevice(
  deviceId: string,
  current: CurrentTwins,
  manifest: DeploymentManifest,
  moduleName: string,
  fingerprints: Fingerprints,
  identity: unknown
): PlannedPart {
  const part = `device ${deviceId}`
  const agent = normaliseAgent(current.get('$edgeAgent')?.desired ?? {})
  const wanted = normaliseAgent(desiredOf(manifest, '$edgeAgent'))
  const changes = [
    ...moduleChanges(part, agent, wanted, moduleName, fingerprints),
    ...compared(part, 'P204', 'IoT Edge runtime', omit(agent, 'modules'), omit(wanted, 'modules'), fingerprints),
    ...compared(
      part,
      'P205',
      'edgeHub',
      normaliseHub(current.get('$edgeHub')?.desired ?? {}),
      normaliseHub(desiredOf(manifest, '$edgeHub')),
      fingerprints
    ),
    ...Object.keys(manifest.modulesContent)
      .filter((name) => !system.some((known) => known === name))
      .flatMap((name) => settingsChanges(part, name, current.get(name), desiredOf(manifest, name), fingerprints))
  ]
  return {
    part,
    changes,
    state: {
      // A twin's etag covers its desired half and tags, and stays as it is when the device reports.
      world: fingerprintOf([...current].map(([name, { etag }]) => [name, etag]).sort()),
      wanted: fingerprintOf(identity)
    }
  }
}

/** What `configure` would change in the module's twin, where its modules come from elsewhere. */
export function planOwnSettings(
  deviceId: string,
  moduleName: string,
  twin: HubTwin | undefined,
  current: Document,
  wanted: Document,
  fingerprints: Fingerprints
): PlannedPart {
  const part = `device ${deviceId}`
  return {
    part,
    changes: compared(part, 'P206', `settings of ${moduleName}`, current, wanted, fingerprints),
    state: { world: fingerprintOf(twin?.etag ?? ''), wanted: fingerprintOf(fingerprints.shown(wanted)) }
  }
}

/** Modules that the device has and the manifest has not: IoT Hub replaces everything. */
export function removedModules(current: CurrentTwins, manifest: DeploymentManifest): string[] {
  const kept = sectionOf(desiredOf(manifest, '$edgeAgent'), 'modules')
  const has = sectionOf(current.get('$edgeAgent')?.desired ?? {}, 'modules')
  return Object.keys(has)
    .filter((name) => has[name] !== null && !Object.hasOwn(kept, name))
    .sort()
}

/** Whether a deployment makes edgeAgent create this module's container anew. */
export function isRecreated(current: CurrentTwins, manifest: DeploymentManifest, moduleName: string): boolean {
  const before = sectionOf(normaliseAgent(current.get('$edgeAgent')?.desired ?? {}), 'modules')[moduleName]
  const after = sectionOf(normaliseAgent(desiredOf(manifest, '$edgeAgent')), 'modules')[moduleName]
  return before !== undefined && !isDeepStrictEqual(createdWith(before), createdWith(after))
}

function moduleChanges(
  part: string,
  agent: Document,
  wanted: Document,
  moduleName: string,
  fingerprints: Fingerprints
): Change[] {
  const has = sectionOf(agent, 'modules')
  const should = sectionOf(wanted, 'modules')
  return [...new Set([...Object.keys(has), ...Object.keys(should)])].sort().flatMap((name): Change[] => {
    const [before, after] = [has[name], should[name]]
    const subject = `module ${name}`
    if (before === undefined)
      return [{ code: 'P201', action: 'add', part, subject, differences: [image('add', after)] }]
    if (after === undefined)
      return [
        {
          code: 'P203',
          action: 'remove',
          part,
          subject,
          differences: [image('remove', before)],
          warning: `${name} would be taken off the device; deploy needs --allow-remove for it`
        }
      ]
    const found = compared(part, 'P202', subject, before, after, fingerprints)
    if (name !== moduleName || isDeepStrictEqual(createdWith(before), createdWith(after))) return found
    return [
      ...found,
      {
        code: 'P207',
        action: 'change',
        part,
        subject,
        differences: [],
        warning:
          'the registry is away while its container is made anew: pulls on this device and below it fail until it is back, and the API proxy is restarted'
      }
    ]
  })
}

function image(action: 'add' | 'remove', module: unknown): Change['differences'][number] {
  const settings = isRecord(module) && isRecord(module['settings']) ? module['settings'] : {}
  const text = typeof settings['image'] === 'string' ? settings['image'] : ''
  return { action, path: 'image', ...(action === 'add' ? { after: text } : { before: text }) }
}

function settingsChanges(
  part: string,
  name: string,
  twin: HubTwin | undefined,
  wanted: Document,
  fingerprints: Fingerprints
): Change[] {
  return compared(part, 'P206', `settings of ${name}`, twin?.desired ?? {}, wanted, fingerprints)
}

function compared(
  part: string,
  code: ChangeCode,
  subject: string,
  before: unknown,
  after: unknown,
  fingerprints: Fingerprints
): Change[] {
  const found = differences(before, after, fingerprints)
  if (found.length === 0) return []
  const empty = isRecord(before) && Object.keys(before).length === 0
  return [{ code, action: empty ? 'add' : 'change', part, subject, differences: found }]
}

function desiredOf(manifest: DeploymentManifest, module: string): Document {
  return sectionOf(manifest.modulesContent[module] ?? {}, 'properties.desired')
}

function sectionOf(document: Document, key: string): Document {
  const value = document[key]
  return isRecord(value) ? value : {}
}

function omit(document: Document, key: string): Document {
  return Object.fromEntries(Object.entries(document).filter(([name]) => name !== key))
}
