import { atOnce } from '../hub/at-once.ts'
import type { Hub, HubTwin } from '../hub/hub.ts'

/**
 * Queries give a hundred twins each, and a hub takes 20 queries a minute; single reads are 100 a second (facts: azure-sdk §7).
 * Few are read one by one, since a query also gives those of other sites; from some hundreds on queries win, as long as a
 * minute's worth of them is enough.
 */
const fewDevices = 20
const mostByQuery = 2000
const readsAtOnce = 8

/** Reads the twins of a module on these devices, by device; those that are not there are left out. */
export async function readTwins(
  hub: Pick<Hub, 'twin' | 'modulesNamed'>,
  devices: readonly string[],
  moduleId: string
): Promise<ReadonlyMap<string, HubTwin>> {
  const twins = new Map<string, HubTwin>()
  if (devices.length <= fewDevices || devices.length > mostByQuery) {
    const read = await atOnce(devices, readsAtOnce, (id) => hub.twin(id, moduleId))
    for (const twin of read) if (twin !== undefined) twins.set(twin.deviceId, twin)
    return twins
  }
  const wanted = new Set(devices)
  for await (const twin of hub.modulesNamed(moduleId)) if (wanted.has(twin.deviceId)) twins.set(twin.deviceId, twin)
  return twins
}

/** Twins of a fleet, where several ask for the same ones: each module's are read once. */
export class FleetTwins {
  readonly #hub: () => Promise<Pick<Hub, 'twin' | 'modulesNamed'>>
  readonly #devices: readonly string[]
  readonly #read = new Map<string, Promise<ReadonlyMap<string, HubTwin>>>()

  constructor(hub: () => Promise<Pick<Hub, 'twin' | 'modulesNamed'>>, devices: readonly string[]) {
    this.#hub = hub
    this.#devices = devices
  }

  /** The twins of a module, by device; one that could not be read is not tried again. */
  of(moduleId: string): Promise<ReadonlyMap<string, HubTwin>> {
    const reading = this.#read.get(moduleId) ?? this.#hub().then((hub) => readTwins(hub, this.#devices, moduleId))
    this.#read.set(moduleId, reading)
    return reading
  }
}
