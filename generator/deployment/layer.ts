type Sections = Readonly<Record<string, unknown>>

const agent = '$edgeAgent'
const desiredKey = 'properties.desired'
const single = /^properties\.desired\.(modules|runtime\.settings\.registryCredentials)\.([^.]+)$/

/** Whether a content only adds to a base deployment: `$edgeAgent` has dotted keys, or is not there (deployment-manifests.md §1.6). */
export function isLayer(content: Sections): boolean {
  const section = content[agent] ?? {}
  return isObject(section) && !Object.hasOwn(section, desiredKey)
}

/**
 * A layer's modules and logins where a whole deployment has them, so that both are filled in alike. Other dotted keys stay as
 * they are.
 */
export function unfolded(content: Sections): Sections {
  const section = isObject(content[agent]) ? content[agent] : {}
  const lists: Record<string, Record<string, unknown>> = { modules: {}, registryCredentials: {} }
  const rest: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(section)) {
    const [, list = '', name = ''] = single.exec(key) ?? []
    if (name === '') rest[key] = value
    else
      lists[list.slice(list.lastIndexOf('.') + 1)] = { ...lists[list.slice(list.lastIndexOf('.') + 1)], [name]: value }
  }
  const { modules, registryCredentials } = lists
  const desired = { runtime: { settings: { registryCredentials } }, modules }
  return { ...content, [agent]: { [desiredKey]: desired, ...rest } }
}

/** {@link unfolded}, back. */
export function folded(content: Sections): Sections {
  const section = isObject(content[agent]) ? content[agent] : {}
  const { [desiredKey]: desired, ...rest } = section
  const settings = at(at(desired, 'runtime'), 'settings')
  const entries = [
    ...Object.entries(at(desired, 'modules')).map(([name, value]) => [`${desiredKey}.modules.${name}`, value] as const),
    ...Object.entries(at(settings, 'registryCredentials')).map(
      ([name, value]) => [`${desiredKey}.runtime.settings.registryCredentials.${name}`, value] as const
    )
  ]
  return { ...content, [agent]: { ...Object.fromEntries(entries), ...rest } }
}

/** Where something of {@link unfolded} stands in the file. */
export function foldedPath(path: readonly PropertyKey[]): readonly PropertyKey[] {
  const [section, desired, ...rest] = path
  if (section !== agent || desired !== desiredKey) return path
  const depth = rest[0] === 'modules' ? 2 : rest[0] === 'runtime' ? 4 : 0
  if (depth === 0 || rest.length < depth) return [section]
  return [section, [desiredKey, ...rest.slice(0, depth).map(String)].join('.'), ...rest.slice(depth)]
}

/** Where something of the file stands in {@link unfolded}. */
export function unfoldedPath(path: readonly PropertyKey[]): readonly PropertyKey[] {
  const [section, key = '', ...rest] = path
  const [, list, name] = section === agent ? (single.exec(String(key)) ?? []) : []
  return list === undefined || name === undefined ? path : [agent, desiredKey, ...list.split('.'), name, ...rest]
}

function at(value: unknown, key: string): Sections {
  const inside = isObject(value) ? value[key] : undefined
  return isObject(inside) ? inside : {}
}

function isObject(value: unknown): value is Sections {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
