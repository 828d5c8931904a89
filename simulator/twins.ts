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
  reported: [change: { readonly key: string; readonly patch: Properties; readonly version: number }]
}

/** A twin as the store gives it: a copy, so that nobody changes the store by accident. */
export interface StoredTwin {
  /** Written and read by the service only; devices and modules never see them. */
  readonly tags: Properties
  readonly desired: PropertySection
  readonly reported: PropertySection
  /**
   * Of tags and the desired half: the hub leaves it alone when a device reports (its own samples show etag 1 beside
   * `version` 4), or a busy device would make every conditional update of the service fail.
   */
  readonly etag: string
  /** Counts every change, reported ones too. */
  readonly version: number
}

interface Twin {
  tags: Properties
  desired: PropertySection
  reported: PropertySection
  revision: number
}

/**
 * The hub's store of device and module twins, shared by the service API and every device's edgeHub. It holds content and
 * versions; limits, error bodies and who may write stand with those who speak to clients.
 */
export class TwinStore extends EventEmitter<TwinEvents> {
  readonly #twins = new Map<string, Twin>()

  static key(deviceId: string, moduleId?: string): string {
    return moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`
  }

  /** Makes an empty twin; one that exists stays as it is. */
  create(key: string): void {
    if (this.#twins.has(key)) return
    const empty = { properties: {}, version: 1, lastUpdated: new Date().toISOString() }
    this.#twins.set(key, { tags: {}, desired: empty, reported: { ...empty }, revision: 1 })
  }

  delete(key: string): void {
    this.#twins.delete(key)
  }

  keys(): string[] {
    return [...this.#twins.keys()]
  }

  get(key: string): StoredTwin | undefined {
    const twin = this.#twins.get(key)
    if (twin === undefined) return undefined
    const { revision, ...content } = structuredClone(twin)
    return { ...content, etag: encodeEtag(revision), version: revision + content.reported.version }
  }

  /** Merges a patch into the tags (RFC 7396). */
  patchTags(key: string, patch: Properties): void {
    this.replaceTags(key, merge(this.#twin(key).tags, patch))
  }

  replaceTags(key: string, tags: Properties): void {
    const twin = this.#twin(key)
    twin.tags = structuredClone(tags)
    twin.revision += 1
  }

  /** Merges a patch into the desired half (RFC 7396: null deletes, arrays are replaced whole). */
  patchDesired(key: string, patch: Properties): void {
    this.#changeDesired(key, patch, (before) => merge(before, patch))
  }

  /**
   * Replaces the desired half; modules are told the whole with a null for each key that went, at every depth: edgeAgent
   * merges what it is told, and modules taken out of a deployment (`modules.<name>`) do stop.
   */
  replaceDesired(key: string, properties: Properties): void {
    const patch = withNulls(this.#twin(key).desired.properties, properties)
    this.#changeDesired(key, patch, () => structuredClone(properties))
  }

  /** Merges a patch into the reported half and returns its new version. */
  patchReported(key: string, patch: Properties): number {
    const twin = this.#twin(key)
    twin.reported = next(twin.reported, merge(twin.reported.properties, patch))
    this.emit('reported', { key, patch: structuredClone(patch), version: twin.reported.version })
    return twin.reported.version
  }

  #changeDesired(key: string, patch: Properties, change: (before: Properties) => Properties): void {
    const twin = this.#twin(key)
    twin.desired = next(twin.desired, change(twin.desired.properties))
    twin.revision += 1
    this.emit('desired', { key, patch: structuredClone(patch), version: twin.desired.version })
  }

  #twin(key: string): Twin {
    const twin = this.#twins.get(key)
    if (twin === undefined) throw new Error(`no twin ${key}`)
    return twin
  }
}

function next(section: PropertySection, properties: Properties): PropertySection {
  return { properties, version: section.version + 1, lastUpdated: new Date().toISOString() }
}

/** RFC 7396: nulls delete, objects merge, all else replaces. */
export function merge(before: Properties, patch: Properties): Properties {
  const result = structuredClone(before)
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name)
    else if (isObject(value)) result[name] = merge(isObject(result[name]) ? result[name] : {}, value)
    else result[name] = structuredClone(value)
  }
  return result
}

/** The patch that turns `before` into `after` when merged. */
function withNulls(before: Properties, after: Properties): Properties {
  const patch: Properties = {}
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch[name] = null
  for (const [name, value] of Object.entries(after)) {
    const old = before[name]
    patch[name] = isObject(value) && isObject(old) ? withNulls(old, value) : value
  }
  return patch
}

/** Eight bytes, big-endian, in base64: `AAAAAAAAAAE=` for 1, as the hub writes them. */
function encodeEtag(revision: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(revision))
  return bytes.toString('base64')
}

/** Tells a JSON object from everything else JSON has. */
export function isObject(value: unknown): value is Properties {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
