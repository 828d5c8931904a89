import { settingsSchema } from '../../module/settings/document.ts'
import { reportedSchema, type Reported } from '../../module/settings/reported.ts'
import { waitFor, type Patience } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import type { Hub, HubTwin } from './hub.ts'
import { mergePatch } from './merge-patch.ts'

/** Another writer may come in between; more than this is a fight. */
const mostTries = 3

/** What became of a device's settings. */
export interface Configured {
  readonly outcome: 'updated' | 'unchanged'
  /** `$version` of the desired properties. */
  readonly version: number
  /** Top-level keys that changed. */
  readonly changed: readonly string[]
}

/**
 * Brings the module's desired properties to the wanted settings, by the smallest patch.
 *
 * @param own takes the part of the twin that the settings answer for; all else belongs to somebody else, and stays
 * @param whereGiven sections that are brought up to date where the twin has them, and not begun where it has not
 * @throws {GeneratorError} `MODULE_UNKNOWN`, or `AZURE_CONFLICT` where others keep writing
 */
export async function configure(
  hub: Hub,
  deviceId: string,
  moduleId: string,
  wanted: Readonly<Record<string, unknown>>,
  own: (desired: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>> = settingsOnly,
  whereGiven: Readonly<Record<string, unknown>> = {}
): Promise<Configured> {
  for (let attempt = 1; attempt <= mostTries; attempt++) {
    const twin = await moduleTwin(hub, deviceId, moduleId)
    const ours = own(twin.desired)
    const held = Object.entries(whereGiven).filter(([key]) => Object.hasOwn(ours, key))
    const patch = mergePatch(ours, { ...wanted, ...Object.fromEntries(held) })
    const changed = Object.keys(patch).sort()
    if (changed.length === 0) return { outcome: 'unchanged', version: twin.desiredVersion, changed }
    const version = await hub.patchDesired(twin, patch)
    if (version !== 'changed') return { outcome: 'updated', version, changed }
  }
  throw new GeneratorError(
    'AZURE_CONFLICT',
    `others keep changing the settings of ${deviceId}; find out who, and run this again`
  )
}

/** The settings of a twin: keys that are none of this release belong to somebody else. */
export function settingsOnly(desired: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(desired).filter(([key]) => Object.hasOwn(settingsSchema.shape, key)))
}

/**
 * Waits until the module has looked at a version of its settings and says that it applies them.
 *
 * @throws {GeneratorError} `SETTINGS_REFUSED` with the module's findings, or `TIMED_OUT`
 */
export async function waitForSettings(
  hub: Hub,
  deviceId: string,
  moduleId: string,
  version: number,
  patience: Patience
): Promise<Reported> {
  let seen = 'it has not reported anything'
  return waitFor(
    async () => {
      const reported = readReported(await moduleTwin(hub, deviceId, moduleId))
      if (reported === undefined) return undefined
      const looked = reported.lastDesiredVersion ?? 0
      seen = `it last looked at version ${looked}`
      const status = reported.lastDesiredStatus
      if (looked < version || status === undefined) return undefined
      if (status.code === 200) return reported
      if (status.code === 202) {
        seen = status.description
        return undefined
      }
      throw new GeneratorError(
        'SETTINGS_REFUSED',
        `${deviceId} refuses its settings (${status.code}): ${status.description}`,
        {
          details: status.errors.map(({ path, reason }) => `SETTINGS_REFUSED ${deviceId} ${path}: ${reason}`)
        }
      )
    },
    () =>
      `${moduleId} on ${deviceId} has not applied version ${version}; ${seen}. They stay in the hub, and it takes them when it is online`,
    patience
  )
}

/** What the module reports of itself; undefined where there is nothing, or what only another release understands. */
export function readReported(twin: HubTwin): Reported | undefined {
  const parsed = reportedSchema.safeParse(twin.reported)
  return parsed.success ? parsed.data : undefined
}

async function moduleTwin(hub: Hub, deviceId: string, moduleId: string): Promise<HubTwin> {
  const twin = await hub.twin(deviceId, moduleId)
  if (twin !== undefined) return twin
  throw new GeneratorError(
    'MODULE_UNKNOWN',
    `the hub has no module ${moduleId} on a device ${deviceId}. Deploy to it first, with causeway deploy --device ${deviceId}`
  )
}
