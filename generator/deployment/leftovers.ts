/** `_comment`, `_comment_anything`, `//`, `$comment`: JSON has no other way to say something to people. */
const comment = /^(?:_+comment|\/\/|\$comment)/i
/** What IoT Hub adds to what it shows (deployment-manifests.md §1.8): the deployment a module came with, and of twins their metadata. */
const added: ReadonlySet<string> = new Set(['$metadata', '$version'])

type Content = Readonly<Record<string, unknown>>

/**
 * A template's content without what no device is to be told: comments in `$edgeAgent` and `$edgeHub`, where a text in place of an
 * object breaks the whole (deployment-manifests.md §1.2), what exports of IoT Hub have besides, and sections that set nothing.
 * What is in create options and in modules' own properties is theirs.
 */
export function withoutLeftovers(content: Content): Content {
  return Object.fromEntries(
    Object.entries(content).flatMap(([name, section]) => {
      if (comment.test(name) && !isObject(section)) return []
      if (!isObject(section)) return [[name, section] as const]
      if (Object.keys(section).length === 0) return []
      return [[name, name.startsWith('$') ? withoutComments(section, '') : withoutAdded(section)] as const]
    })
  )
}

function withoutAdded(section: Content): Content {
  return Object.fromEntries(
    Object.entries(section).map(([key, desired]) => [
      key,
      isObject(desired) ? Object.fromEntries(Object.entries(desired).filter(([name]) => !added.has(name))) : desired
    ])
  )
}

function withoutComments(value: unknown, parent: string): unknown {
  if (!isObject(value) || /^createOptions/i.test(parent)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]) => {
      if (comment.test(key) && !isObject(entry)) return []
      if (added.has(key) && parent === 'properties.desired') return []
      if (key === 'configuration' && isObject(value['settings'])) return []
      return [[key, withoutComments(entry, key)] as const]
    })
  )
}

function isObject(value: unknown): value is Content {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
