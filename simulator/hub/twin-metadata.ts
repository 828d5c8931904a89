import { isObject, type Properties, type PropertySection, type TwinStore } from '../twins.ts'

/** When a property was last written, and at which version of its section. */
interface Stamp {
  at: string
  version: number
  readonly children: Map<string, Stamp>
}

type Half = 'desired' | 'reported'

/** Follows a {@link TwinStore} and remembers for every property when it was written: the `$metadata` of the service's twins. */
export class TwinMetadata {
  readonly #stamps = new Map<string, Stamp>()
  readonly #twins: TwinStore
  readonly #stop: () => void

  constructor(twins: TwinStore) {
    this.#twins = twins
    const desired = (change: Change): void => this.#follow('desired', change)
    const reported = (change: Change): void => this.#follow('reported', change)
    twins.on('desired', desired)
    twins.on('reported', reported)
    this.#stop = () => {
      twins.off('desired', desired)
      twins.off('reported', reported)
    }
  }

  close(): void {
    this.#stop()
  }

  /**
   * The `$metadata` of a section. It has the shape of the properties, whatever was written before; what was written before
   * the hub followed has the section's own time.
   */
  of(key: string, half: Half, section: PropertySection): Properties {
    const root = this.#stamps.get(`${half}:${key}`)
    // A twin that was deleted and made again starts anew: its stamps are of versions it has not reached.
    const stamp = root !== undefined && root.version <= section.version ? root : undefined
    return describe(section.properties, stamp, { at: section.lastUpdated, version: section.version }, half)
  }

  #follow(half: Half, { key, patch, version }: Change): void {
    const at = this.#twins.get(key)?.[half].lastUpdated
    if (at === undefined) return
    const name = `${half}:${key}`
    this.#stamps.set(name, stamped(this.#stamps.get(name), patch, at, version))
  }
}

interface Change {
  readonly key: string
  readonly patch: Properties
  readonly version: number
}

function stamped(before: Stamp | undefined, patch: Properties, at: string, version: number): Stamp {
  const children = new Map(before?.children)
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) children.delete(name)
    else if (isObject(value)) children.set(name, stamped(children.get(name), value, at, version))
    else children.set(name, { at, version, children: new Map() })
  }
  return { at, version, children }
}

function describe(value: unknown, stamp: Stamp | undefined, last: Omit<Stamp, 'children'>, half: Half): Properties {
  const { at, version } = stamp ?? last
  // Version 1 is the empty twin as it was made; only the desired half tells versions.
  const own: Properties = {
    $lastUpdated: at,
    ...(half === 'desired' && version > 1 ? { $lastUpdatedVersion: version } : {})
  }
  if (!isObject(value)) return own
  for (const [name, item] of Object.entries(value)) own[name] = describe(item, stamp?.children.get(name), last, half)
  return own
}
