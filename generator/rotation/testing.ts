import type { SlotRecord, Slot } from '../secrets/store.ts'
import { SecretStore } from '../secrets/store.ts'
import { FakeAcr, FakeHub, testBackend } from '../testing.ts'
import type { HubTwin } from '../hub/hub.ts'
import type { Device, Site } from '../site-file/site.ts'
import { credentialFingerprint } from './fingerprint.ts'
import { tokensOf } from './plan.ts'

/** A hash that nobody verifies: making a real one for each of a hundred devices would take longer than all the rest. */
const anyHash = `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'B'.repeat(43)}`

/**
 * A fleet in memory: a cloud registry that knows which passwords it takes, and devices that apply what their twins say and
 * log in with it.
 */
export class RotationWorld {
  readonly acr = new FakeAcr()
  readonly hub = new FakeHub()
  readonly site: Site
  readonly folder: string
  /** What the cloud registry takes, by `token/slot`. */
  readonly taken = new Map<string, string>()
  /** Devices that hear nothing. */
  readonly away = new Set<string>()
  /** Logins with a new password that fail before one succeeds. */
  slowness = 0
  /** Devices that were seen with no password that works. */
  readonly locked = new Set<string>()
  /** What devices were given in their deployments. */
  readonly #deployed = new Map<string, string>()

  constructor(site: Site, folder: string) {
    this.site = site
    this.folder = folder
    const generate = this.acr.generatePassword.bind(this.acr)
    this.acr.generatePassword = async (token, slot, expiry) => {
      const made = await generate(token, slot, expiry)
      this.taken.set(`${token}/${slot}`, made.value)
      this.#check()
      return made
    }
    const remove = this.acr.deletePassword.bind(this.acr)
    this.acr.deletePassword = async (token, slot) => {
      await remove(token, slot)
      this.taken.delete(`${token}/${slot}`)
      this.#check()
    }
    this.hub.onPatch = (twin, patch) => this.#patched(twin, patch)
  }

  /** Every token has password1, every device runs with it. */
  async deploy(): Promise<void> {
    await this.withStore(async (store) => {
      for (const { name } of tokensOf(this.site)) {
        this.acr.tokens.set(name, { scopeMap: 'any', status: 'enabled', passwords: {} })
        const made = await this.acr.generatePassword(name, 'password1')
        await store.keep(name, 'password1', made, anyHash)
      }
    })
    this.acr.writes.length = 0
    for (const device of Object.values(this.site.devices)) {
      this.#deployed.set(device.id, this.taken.get(`${device.syncToken}/password1`) ?? '')
      this.hub.put(device.id, this.site.moduleName, { desired: { schemaVersion: '1.0' } })
      this.wake(device.id)
    }
  }

  async withStore<Result>(use: (store: SecretStore) => Promise<Result>): Promise<Result> {
    const store = await SecretStore.open(await testBackend(this.folder), this.site.loginServer, 'write')
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  }

  slot(token: string, slot: Slot): Promise<SlotRecord | undefined> {
    return this.withStore((store) => Promise.resolve(store.slot(token, slot)))
  }

  proof = (token: string, password: string): Promise<boolean> => {
    if (this.slowness > 0) {
      this.slowness -= 1
      return Promise.resolve(false)
    }
    return Promise.resolve(this.acr.tokens.get(token)?.status !== 'disabled' && this.#takes(token, password))
  }

  /** A device comes back, or looks at its twin: it applies what is there and logs in with it. */
  wake(id: string): void {
    this.away.delete(id)
    const device = this.site.devices[id]
    const twin = this.hub.twins.get(`${id}/${this.site.moduleName}`)
    if (device === undefined || twin === undefined) return
    const password = this.#heldBy(device, twin)
    const works = this.#takes(device.syncToken, password) && this.#isKnownAbove(device, password)
    const before = twin.reported['credential']
    const credential = works
      ? {
          fingerprint: credentialFingerprint(device.syncToken, password),
          tokenName: device.syncToken,
          succeededAt: new Date().toISOString()
        }
      : before
    const reported = {
      schemaVersion: '1.0',
      runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' },
      connectionState: 'Online',
      lastDesiredVersion: twin.desiredVersion,
      lastDesiredStatus: { code: 200, description: 'applied' },
      ...(credential === undefined ? {} : { credential })
    }
    this.hub.twins.set(`${id}/${this.site.moduleName}`, { ...twin, reported })
  }

  #patched(twin: HubTwin, patch: Readonly<Record<string, unknown>>): number {
    const key = `${twin.deviceId}/${twin.moduleId}`
    const desired = merged(twin.desired, patch) as Record<string, unknown>
    const version = twin.desiredVersion + 1
    this.hub.twins.set(key, { ...twin, desired, desiredVersion: version, etag: String(version) })
    if (!this.away.has(twin.deviceId)) this.wake(twin.deviceId)
    this.#check()
    return version
  }

  #takes(token: string, password: string): boolean {
    return (['password1', 'password2'] as const).some((slot) => this.taken.get(`${token}/${slot}`) === password)
  }

  /** Whether the device above was told of this password: here, that its settings hold as many hashes as there are. */
  #isKnownAbove(device: Device, password: string): boolean {
    if (device.parent === undefined || password === this.#deployed.get(device.id)) return true
    const above = this.hub.twins.get(`${device.parent}/${this.site.moduleName}`)
    const tokens = above?.desired['tokens'] as Record<string, { passwords: object }> | undefined
    return Object.keys(tokens?.[device.syncToken]?.passwords ?? {}).length > 0
  }

  /** What the device logs in with: the twin's password goes before the deployment's, and that one is tried where it fails. */
  #heldBy(device: Device, twin: HubTwin): string {
    const parent = twin.desired['parent'] as { password: string } | undefined
    const deployed = this.#deployed.get(device.id) ?? ''
    return parent === undefined || !this.#takes(device.syncToken, parent.password) ? deployed : parent.password
  }

  #check(): void {
    for (const [id] of this.#deployed) {
      const device = this.site.devices[id]
      const twin = this.hub.twins.get(`${id}/${this.site.moduleName}`)
      if (device === undefined || twin === undefined || this.away.has(id)) continue
      if (!this.#takes(device.syncToken, this.#heldBy(device, twin))) this.locked.add(id)
    }
  }
}

/** RFC 7396, as the hub applies it. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = { ...(target as Record<string, unknown> | undefined) }
  for (const [key, value] of Object.entries(patch))
    if (value === null) Reflect.deleteProperty(result, key)
    else result[key] = merged(result[key], value)
  return result
}
