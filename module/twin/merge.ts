import { isDeepStrictEqual } from 'node:util'

export type Properties = Readonly<Record<string, unknown>>

/**
 * Applies a merge patch (RFC 7396): null removes, objects merge, everything else replaces, arrays whole. The SDK's own cache
 * merges arrays index by index, which is wrong; that is why the module keeps its own.
 */
export function mergePatch(target: unknown, patch: Properties): Properties {
  const result = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name)
    else result.set(name, isObject(value) ? mergePatch(result.get(name), value) : value)
  }
  // fromEntries makes own properties of every name, `__proto__` too.
  return Object.fromEntries(result)
}

/**
 * The smallest merge patch that turns `from` into `to`, or undefined where they are equal.
 *
 * @param to holds no null, at any depth: a patch cannot say it
 */
export function diff(from: Properties, to: Properties): Properties | undefined {
  const patch: [string, unknown][] = []
  for (const name of Object.keys(from)) if (!Object.hasOwn(to, name)) patch.push([name, null])
  for (const [name, value] of Object.entries(to)) {
    const before = Object.hasOwn(from, name) ? from[name] : undefined
    if (isObject(value) && isObject(before)) {
      const inner = diff(before, value)
      if (inner !== undefined) patch.push([name, inner])
    } else if (!isDeepStrictEqual(before, value)) {
      patch.push([name, value])
    }
  }
  return patch.length === 0 ? undefined : Object.fromEntries(patch)
}

/** A half of a twin without what the hub adds to it. */
export function withoutMetadata(section: Properties): Properties {
  const { $version: _version, $metadata: _metadata, ...properties } = section
  return properties
}

export function isObject(value: unknown): value is Properties {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
