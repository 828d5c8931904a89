import { EventEmitter } from 'node:events'

export type Properties = Record<string, unknown>

/** One half of a twin as the service keeps it. */
export interface PropertySection {
  readonly properties: Properties
  readonly version: number
  readonly lastUpdated: string
}

interface TwinEvents {
  /** The desired half changed: `patch` is what a connected module is told, nulls included. */
  desired: [change: { readonly key: string; readonly patch: Properties; readonly version: number }]
  reported: [change: { readonly key: string; readonly version: number }]
}

/**
 * The hub's store of device and module twins, shared by the service API and every device's edgeHub. It holds content and
 * versions; limits, error bodies and who may write stand with those who speak to clients.
 */
export class TwinStore extends EventEmitter<TwinEvents> {
  readonly #twins = new Map<string, { desired: PropertySection; reported: PropertySection; etag: number }>()

  static key(deviceId: string, moduleId?: string): string {
    return moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`
  }

  /** Makes an empty twin; one that exists stays as it is. */
  create(key: string): void {
    if (this.#twins.has(key)) return
    const empty = { properties: {}, version: 1, lastUpdated: new Date().toISOString() }
    this.#twins.set(key, { desired: empty, reported: { ...empty }, etag: 1 })
  }

  delete(key: string): void {
    this.#twins.delete(key)
  }

  keys(): string[] {
    return [...this.#twins.keys()]
  }

  get(
    key: string
  ): { readonly desired: PropertySection; readonly reported: PropertySection; readonly etag: string } | undefined {
    const twin = this.#twins.get(key)
    return twin === undefined ? undefined : { ...structuredClone(twin), etag: String(twin.etag) }
  }

  /** Merges a patch into the desired half (RFC 7396: null deletes, arrays are replaced whole). */
  patchDesired(key: string, patch: Properties): void {
    this.#changeDesired(key, patch, (before) => merge(before, patch))
  }

  /** Replaces the desired half; modules are told the whole with a null for each key that went. */
  replaceDesired(key: string, properties: Properties): void {
    const gone = Object.keys(this.#twin(key).desired.properties).filter((name) => !Object.hasOwn(properties, name))
    const patch = { ...Object.fromEntries(gone.map((name) => [name, null])), ...properties }
    this.#changeDesired(key, patch, () => structuredClone(properties))
  }

  /** Merges a patch into the reported half and returns its new version. */
  patchReported(key: string, patch: Properties): number {
    const twin = this.#twin(key)
    twin.reported = next(twin.reported, merge(twin.reported.properties, patch))
    twin.etag += 1
    this.emit('reported', { key, version: twin.reported.version })
    return twin.reported.version
  }

  #changeDesired(key: string, patch: Properties, change: (before: Properties) => Properties): void {
    const twin = this.#twin(key)
    twin.desired = next(twin.desired, change(twin.desired.properties))
    twin.etag += 1
    this.emit('desired', { key, patch: structuredClone(patch), version: twin.desired.version })
  }

  #twin(key: string): { desired: PropertySection; reported: PropertySection; etag: number } {
    const twin = this.#twins.get(key)
    if (twin === undefined) throw new Error(`no twin ${key}`)
    return twin
  }
}

function next(section: PropertySection, properties: Properties): PropertySection {
  return { properties, version: section.version + 1, lastUpdated: new Date().toISOString() }
}

function merge(before: Properties, patch: Properties): Properties {
  const result = structuredClone(before)
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name)
    else if (isObject(value)) result[name] = merge(isObject(result[name]) ? result[name] : {}, value)
    else result[name] = structuredClone(value)
  }
  return result
}

function isObject(value: unknown): value is Properties {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
