import { createHash } from 'node:crypto'
import { isObject, merge, type Properties } from '../twins.ts'
import type { Configuration } from './configurations.ts'
import type { DesiredByModule } from './deployment-content.ts'

/** What automatic deployments come to on one device. */
export interface Effective {
  /** The base deployment and the layers on it, lowest first. */
  readonly applied: readonly Configuration[]
  /** By module: all of its desired properties, or only paths of them that are set on what is there. */
  readonly modules: ReadonlyMap<string, EffectiveSection>
}

export interface EffectiveSection {
  /** Absent where nobody set the section as a whole: what stands in the twin stays. */
  readonly whole: Properties | undefined
  /** Dotted paths and their values, in the order of their priority. */
  readonly paths: ReadonlyMap<string, unknown>
}

const desiredKey = 'properties.desired'

/**
 * Puts the deployments that target a device together (deployment-manifests.md §1.6): one base, the one of the highest
 * priority, of the newest where two have it; on it every layer of a strictly higher priority, in the order of theirs. A path
 * that two set is the later one's, whole; `properties.desired` takes away what lower deployments set of that module.
 *
 * @param targeting those whose condition holds on the device
 * @returns undefined where there is no base: then layers do nothing
 */
export function effectiveOf(deviceId: string, targeting: readonly Configuration[]): Effective | undefined {
  const [base] = targeting.filter((each) => !isLayer(each)).sort(highestFirst)
  if (base === undefined) return undefined
  const layers = targeting
    .filter((each) => isLayer(each) && each.priority > base.priority)
    .sort((one, other) => one.priority - other.priority || unreliable(deviceId, one, other))
  const modules = new Map<string, { whole: Properties | undefined; paths: Map<string, unknown> }>()
  for (const { content } of [base, ...layers])
    for (const [moduleId, section] of Object.entries(isObject(content.modulesContent) ? content.modulesContent : {})) {
      if (!isObject(section)) continue
      const before = modules.get(moduleId) ?? { whole: undefined, paths: new Map<string, unknown>() }
      const whole = section[desiredKey]
      const after = isObject(whole) ? { whole, paths: new Map<string, unknown>() } : before
      for (const [key, value] of Object.entries(section)) {
        if (!key.startsWith(`${desiredKey}.`)) continue
        const path = key.slice(desiredKey.length + 1)
        // Set again, it moves to the end: what is set later lies on top.
        after.paths.delete(path)
        after.paths.set(path, value)
      }
      modules.set(moduleId, after)
    }
  return { applied: [base, ...layers], modules }
}

/** A deployment is a layer when it sets paths, or leaves the runtime's own sections out. */
export function isLayer({ content }: Configuration): boolean {
  const modules = isObject(content.modulesContent) ? content.modulesContent : {}
  const sections = Object.values(modules).filter(isObject)
  if (sections.some((section) => Object.keys(section).some((key) => key.startsWith(`${desiredKey}.`)))) return true
  return !isObject(modules.$edgeAgent) || !isObject(modules.$edgeHub)
}

/**
 * The desired properties that each module gets.
 *
 * @param current what stands in a module's twin; undefined where there is no such module
 * @param before what was put there last: paths that none sets any more go
 */
export function desiredOf(
  { modules }: Effective,
  current: (moduleId: string) => Properties | undefined,
  before: Effective['modules'] = new Map()
): DesiredByModule {
  const left = [...before.keys()].filter((moduleId) => !modules.has(moduleId) && current(moduleId) !== undefined)
  return new Map(
    [...modules.keys(), ...left].map((moduleId) => {
      const { whole, paths } = modules.get(moduleId) ?? { whole: undefined, paths: new Map<string, unknown>() }
      const stale = [...(before.get(moduleId)?.paths.keys() ?? [])].filter((path) => !paths.has(path))
      const start =
        whole ?? stale.reduce((properties, path) => merge(properties, nested(path, null)), current(moduleId) ?? {})
      return [
        moduleId,
        merge(
          {},
          [...paths].reduce((properties, [path, value]) => put(properties, path.split('.'), value), start)
        )
      ]
    })
  )
}

function put(properties: Properties, [name = '', ...rest]: readonly string[], value: unknown): Properties {
  const before = properties[name]
  return { ...properties, [name]: rest.length === 0 ? value : put(isObject(before) ? before : {}, rest, value) }
}

function nested(path: string, value: unknown): Properties {
  return path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Properties
}

function highestFirst(one: Configuration, other: Configuration): number {
  return other.priority - one.priority || other.createdTimeUtc.localeCompare(one.createdTimeUtc)
}

/** Which of two layers of one priority wins is nothing to rely on (Azure/iotedge#6685): here each device has its own luck. */
function unreliable(deviceId: string, one: Configuration, other: Configuration): number {
  const luck = ({ id }: Configuration): string => createHash('sha256').update(`${deviceId}\n${id}`).digest('hex')
  return luck(one) < luck(other) ? -1 : 1
}
