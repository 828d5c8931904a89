import { settingsOf, type WantedSettings } from '../automatic/own-settings.ts'
import { parentSettings } from '../deployment/parent.ts'
import { readTwins } from '../fleet/read.ts'
import { atOnce } from '../hub/at-once.ts'
import { configure, readReported } from '../hub/configure.ts'
import type { Hub, HubTwin } from '../hub/hub.ts'
import type { SecretStore } from '../secrets/store.ts'
import type { Device, Site } from '../site-file/site.ts'
import { credentialFingerprint } from './fingerprint.ts'
import type { RotatedToken } from './plan.ts'

const writesAtOnce = 4

/** What a device still has to do; undefined where it has done it. */
export type Missing = string | undefined

/**
 * The devices that a rotation is about: told the new passwords through their modules' twins, and looked at until they have
 * taken them. It keeps nothing between two looks that the twins do not hold, so that another process can go on.
 */
export class RotatedDevices {
  readonly #site: Site
  readonly #store: SecretStore
  readonly #hub: Hub
  #twins = new Map<string, HubTwin>()
  /** What each device is to be told; made once for a look, between two of which passwords change. */
  readonly #made = new Map<string, WantedSettings>()

  constructor(site: Site, store: SecretStore, hub: Hub) {
    this.#site = site
    this.#store = store
    this.#hub = hub
  }

  /** Reads the twins of these devices anew. */
  async look(ids: readonly string[]): Promise<void> {
    this.#made.clear()
    this.#twins = new Map(await readTwins(this.#hub, ids, this.#site.moduleName))
  }

  /**
   * Brings these devices' settings to what the store holds, where they are not there yet. A device below another is told its
   * new password once the one above knows it, or it would be refused there.
   */
  async send(ids: readonly string[], isWaitedFor: (id: string) => boolean): Promise<void> {
    const ready = ids.filter((id) => {
      const above = this.#site.devices[this.#site.devices[id]?.parent ?? '']
      if (above === undefined || !ids.includes(above.id) || !isWaitedFor(above.id)) return true
      return this.#isConfigured(above.id, this.#wanted(above)) && this.#acknowledged(above.id)
    })
    await atOnce(ready, writesAtOnce, async (id) => {
      const device = this.#site.devices[id]
      if (device === undefined || !this.#twins.has(id)) return
      const wanted = this.#wanted(device)
      if (this.#isConfigured(id, wanted)) return
      await configure(this.#hub, id, this.#site.moduleName, wanted, this.#settings(device).own)
      const twin = await this.#hub.twin(id, this.#site.moduleName)
      if (twin !== undefined) this.#twins.set(id, twin)
    })
  }

  /** Whether there is a module that can be told anything. */
  isDeployed(id: string): boolean {
    return this.#twins.has(id)
  }

  /** What is missing until a device has taken a token's new password, or its hash. */
  missing(token: RotatedToken, device: Device): Missing {
    const twin = this.#twins.get(device.id)
    // Never deployed to: it gets the new one with its first deployment.
    if (twin === undefined) return undefined
    if (!this.#isConfigured(device.id, this.#wanted(device)))
      return device.parent === undefined ? 'not told yet' : `waits for ${device.parent} to know its new password`
    if (!this.#acknowledged(device.id)) {
      const status = readReported(twin)?.lastDesiredStatus
      const refused =
        status !== undefined && status.code !== 200 ? ` (it refuses its settings: ${status.description})` : ''
      return `has not applied version ${twin.desiredVersion} of its settings${refused}`
    }
    if (device.id !== token.user?.id) return undefined
    const rotation = this.#store.rotation(token.name)
    const record = rotation === undefined ? undefined : this.#store.slot(token.name, rotation.to)
    if (record?.state !== 'stored') return 'has no new password yet'
    const used = readReported(twin)?.credential
    return used?.fingerprint === credentialFingerprint(token.name, record.value) && used.succeededAt !== undefined
      ? undefined
      : 'has not logged in with it yet'
  }

  /** Where an automatic deployment brings what its devices share, only what is this device's own. */
  #settings(device: Device): WantedSettings {
    const made = this.#made.get(device.id) ?? settingsOf(this.#site, { secrets: this.#store, now: new Date() })(device)
    this.#made.set(device.id, made)
    return made
  }

  #wanted(device: Device): Readonly<Record<string, unknown>> {
    const { settings } = this.#settings(device)
    // Others keep the password that their deployment gave them.
    const begun = this.#twins.get(device.id)?.desired['parent'] !== undefined
    const rotated = this.#store.rotation(device.syncToken) !== undefined
    const parent = begun || rotated ? parentSettings(this.#site, device, this.#store, new Date()) : undefined
    return parent === undefined ? { ...settings } : { ...settings, parent }
  }

  /** Whether the twin says what is wanted, as far as credentials go: other sections may have other owners. */
  #isConfigured(id: string, wanted: Readonly<Record<string, unknown>>): boolean {
    const desired = this.#twins.get(id)?.desired
    // Without a twin there is nothing to be told to.
    if (desired === undefined) return true
    return ['parent', 'tokens'].every((section) => sameJson(desired[section], wanted[section]))
  }

  #acknowledged(id: string): boolean {
    const twin = this.#twins.get(id)
    if (twin === undefined) return true
    const reported = readReported(twin)
    return reported?.lastDesiredStatus?.code === 200 && (reported.lastDesiredVersion ?? 0) >= twin.desiredVersion
  }
}

/** Compares without regard to the order of keys, which a hub does not keep. */
function sameJson(left: unknown, right: unknown): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => [key, sorted(entry)])
  )
}
