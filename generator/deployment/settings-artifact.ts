import { packArtifact, type PackedArtifact } from '../../module/settings/artifact.ts'
import type { SettingsInput } from '../../module/settings/document.ts'
import type { Device, Site } from '../site-file/site.ts'
import { slots } from '../secrets/store.ts'
import { twinSize } from './twin-size.ts'
import { mapStrings } from './references.ts'
import { settingsFor, settingsKey, type SlotsOf } from './settings-for.ts'

/** Bytes as IoT Hub counts them: what is below has room to grow until the hub's 32 KB. */
const largestInTwin = 24 * 1024
/** At least as long as a hash is, whose reference is shorter. */
const hashLength = 100

/** A device's artifact, and where it stands in the registries on the way. */
export interface SettingsArtifact extends PackedArtifact {
  /** One for each device: who may read it reads the settings of no other. */
  readonly repository: string
  /** Never moves, so that the device above is told of a new one by its settings. */
  readonly tag: string
}

interface Known {
  readonly byDevice: Map<string, SettingsArtifact | undefined>
  /** What devices with the same settings have in common. */
  readonly byKey: Map<string, PackedArtifact | undefined>
}

const known = new WeakMap<Site, Known>()

/**
 * The image sets and scope maps of a device that are too large for its twin. What decides is the site file alone, whatever
 * passwords are kept: `provision`, `generate` and `configure` must come to the same.
 */
export function artifactOf(site: Site, device: Device): SettingsArtifact | undefined {
  const ofSite: Known = known.get(site) ?? { byDevice: new Map(), byKey: new Map() }
  known.set(site, ofSite)
  const { byDevice, byKey } = ofSite
  if (byDevice.has(device.id)) return byDevice.get(device.id)
  const key = settingsKey(device)
  const packed = key !== undefined && byKey.has(key) ? byKey.get(key) : pack(site, device)
  if (key !== undefined) byKey.set(key, packed)
  const artifact = packed === undefined ? undefined : placed(packed, device)
  byDevice.set(device.id, artifact)
  return artifact
}

/** A device's settings as they go into its twin: whole, or with a reference to the artifact in which they go on. */
export function twinSettingsFor(site: Site, device: Device, slotsOf: SlotsOf): SettingsInput {
  const whole = wholeSettings(site, device, slotsOf)
  const artifact = artifactOf(site, device)
  if (artifact === undefined) return whole
  const { schemaVersion, mode, logLevel, imageSets: _imageSets, scopeMaps: _scopeMaps, ...rest } = whole
  const settingsArtifact = { repository: artifact.repository, digest: artifact.digest }
  return { schemaVersion, mode, logLevel, settingsArtifact, ...rest }
}

function pack(site: Site, device: Device): PackedArtifact | undefined {
  const settings = wholeSettings(site, device, () => slots.map((slot) => ({ slot })))
  const measured = mapStrings(settings, (text) => (text.startsWith('${hash:') ? 'h'.repeat(hashLength) : text))
  return twinSize(measured) <= largestInTwin
    ? undefined
    : packArtifact({ imageSets: settings.imageSets ?? {}, scopeMaps: settings.scopeMaps ?? {} })
}

function placed(packed: PackedArtifact, device: Device): SettingsArtifact {
  return {
    ...packed,
    repository: `causeway/settings/${device.registryName}`,
    tag: packed.digest.replace('sha256:', '').slice(0, 16)
  }
}

function wholeSettings(site: Site, device: Device, slotsOf: SlotsOf): SettingsInput {
  return settingsFor(site, device, slotsOf, (other) => artifactOf(site, other))
}
