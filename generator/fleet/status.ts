import type { Reported } from '../../module/settings/reported.ts'
import { readReported } from '../hub/configure.ts'
import type { Hub, HubTwin } from '../hub/hub.ts'
import { readTwins } from './read.ts'

/** One line of `causeway status`: what a device last said of itself, and how long ago. Names are part of `--output json`. */
export interface DeviceStatus {
  readonly device: string
  /** As the module says it; `NotDeployed`, or `Unknown` where it has reported nothing. */
  readonly connectionState: Reported['connectionState'] | 'NotDeployed' | 'Unknown'
  /** Whether the module's connection to the hub stands, as the hub has it. */
  readonly connected: boolean
  readonly imagesReady: number
  readonly imagesTotal: number
  readonly bytesDone?: number
  readonly bytesTotal?: number
  readonly syncState?: NonNullable<Reported['sync']>['state']
  readonly lastSyncAt?: string
  readonly lastSyncAgeSeconds?: number
  readonly desiredVersion?: number
  readonly appliedVersion?: number
  readonly reportedAt?: string
  /** How old all of this is. */
  readonly ageSeconds?: number
  /** Pushes and deletes made on the device that its parent is yet to be told of, and what became of others. */
  readonly upward?: Pick<NonNullable<Reported['upward']>, 'waiting' | 'bytes' | 'parked' | 'conflicts' | 'expired'>
  /** Whether the module applies the newest settings that the hub has for it. */
  readonly inSync: boolean
  /** How much of each image set is here, as far as the module has room to tell. */
  readonly imageSets?: Reported['imageSets']
  readonly problems: readonly string[]
  /** Settings applied, and every image here. */
  readonly ready: boolean
}

/** Reads where devices stand, in the order asked for. */
export async function readFleet(
  hub: Hub,
  devices: readonly string[],
  moduleId: string,
  now: Date
): Promise<DeviceStatus[]> {
  const twins = await readTwins(hub, devices, moduleId)
  return devices.map((device) => statusOf(device, twins.get(device), now))
}

/** What a twin says of a device. */
export function statusOf(device: string, twin: HubTwin | undefined, now: Date): DeviceStatus {
  const nothing = { device, connected: false, imagesReady: 0, imagesTotal: 0, inSync: false, ready: false }
  if (twin === undefined)
    return {
      ...nothing,
      connectionState: 'NotDeployed',
      problems: ['the hub has no such module; deploy to the device']
    }
  const reported = readReported(twin)
  const common = {
    ...nothing,
    connected: twin.connectionState === 'Connected',
    desiredVersion: twin.desiredVersion,
    ...(twin.reportedAt === undefined ? {} : { reportedAt: twin.reportedAt, ageSeconds: age(twin.reportedAt, now) })
  }
  if (reported === undefined)
    return { ...common, connectionState: 'Unknown', problems: ['it has not reported anything that this release reads'] }
  const { progress, sync, upward } = reported
  const applied = reported.appliedVersion === twin.desiredVersion && reported.lastDesiredStatus?.code === 200
  return {
    ...common,
    connectionState: reported.connectionState,
    imagesReady: progress?.imagesReady ?? 0,
    imagesTotal: progress?.imagesTotal ?? 0,
    ...(progress === undefined ? {} : { bytesDone: progress.bytesDone, bytesTotal: progress.bytesTotal }),
    ...(sync === undefined ? {} : { syncState: sync.state }),
    ...(sync?.succeededAt === undefined
      ? {}
      : { lastSyncAt: sync.succeededAt, lastSyncAgeSeconds: age(sync.succeededAt, now) }),
    ...(reported.appliedVersion === undefined ? {} : { appliedVersion: reported.appliedVersion }),
    ...(upward === undefined ? {} : { upward: figuresOf(upward) }),
    inSync: applied,
    ...(Object.keys(reported.imageSets).length === 0 ? {} : { imageSets: reported.imageSets }),
    problems: problemsOf(reported),
    // A pass that ended well is needed too: before it, the module does not know how many images there are.
    ready:
      applied && sync?.state === 'Succeeded' && progress !== undefined && progress.imagesReady >= progress.imagesTotal
  }
}

function problemsOf(reported: Reported): string[] {
  const status = reported.lastDesiredStatus
  return [
    ...(status === undefined || status.code === 200 ? [] : [`settings ${status.code}: ${status.description}`]),
    ...(status?.errors ?? []).map(({ path, reason }) => `${path}: ${reason}`),
    ...reported.statusDetails.map(
      ({ code, description, correlationId }) =>
        `${code}: ${description}${correlationId === undefined ? '' : ` (correlation id ${correlationId})`}`
    ),
    ...reported.images
      .filter((image) => image.state === 'failed')
      .map(({ image, reason }) => `${image} failed${reason === undefined ? '' : `: ${reason}`}`),
    ...(reported.upward?.items ?? [])
      .filter(({ state }) => state === 'parked')
      .map(({ what, reason }) => `${what} waits for the parent: ${reason}`)
  ]
}

function figuresOf({ waiting, bytes, parked, conflicts, expired }: NonNullable<Reported['upward']>) {
  return { waiting, bytes, parked, conflicts, expired }
}

function age(time: string, now: Date): number {
  return Math.max(0, Math.round((now.getTime() - Date.parse(time)) / 1000))
}

/** What of a fleet is to be shown. */
export interface FleetFilter {
  readonly state?: DeviceStatus['connectionState']
  /** Only devices that miss an image, or do not apply their settings. */
  readonly notReady?: boolean
  /** Only devices that do not have all of this image set. */
  readonly imageSet?: string
}

export function isShown(device: DeviceStatus, { state, notReady, imageSet }: FleetFilter): boolean {
  if (state !== undefined && device.connectionState !== state) return false
  if (notReady === true && device.ready) return false
  if (imageSet === undefined) return true
  const set = device.imageSets?.[imageSet]
  // A device that is ready has all of every set, and need not tell of each.
  return set === undefined ? !device.ready : set.ready < set.total
}
