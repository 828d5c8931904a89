type Sections = Readonly<Record<string, unknown>>

const agent = '$edgeAgent'
const desiredKey = 'properties.desired'
/** What one key says of a module's settings, or of one of them. */
const dotted = /^properties\.desired\.modules\.([^.]+)\.(settings(?:\..+)?)$/
const single = /^properties\.desired\.(modules|runtime\.settings\.registryCredentials)\.([^.]+)$/

/** Whether a content only adds to a base deployment: `$edgeAgent` has dotted keys, or is not there (deployment-manifests.md §1.6). */
export function isLayer(content: Sections): boolean {
  const section = content[agent] ?? {}
  return isObject(section) && !Object.hasOwn(section, desiredKey)
}

/**
 * The keys of a layer that say something of a module's settings without the whole module: {@link unfolded} has these modules under a
 * name with a dot at its end, which no module has.
 */
export function dottedKeys(content: Sections): readonly string[] {
  const section = isObject(content[agent]) ? content[agent] : {}
  const keys = Object.keys(section).filter((key) => dotted.test(key))
  // Of two keys of which one is inside of the other, it is the hub that says which goes first.
  return keys.filter((key) => !keys.some((other) => other.startsWith(`${key}.`) || key.startsWith(`${other}.`)))
}

/**
 * A layer's modules and logins where a whole deployment has them, so that both are filled in alike. Other dotted keys stay as
 * they are.
 */
export function unfolded(content: Sections): Sections {
  const section = isObject(content[agent]) ? content[agent] : {}
  const lists: Record<string, Record<string, unknown>> = { modules: {}, registryCredentials: {} }
  const rest: Record<string, unknown> = {}
  const parts = new Set(dottedKeys(content))
  for (const [key, value] of Object.entries(section)) {
    const [, list = '', name = ''] = single.exec(key) ?? []
    const [, module = '', inside = ''] = parts.has(key) ? (dotted.exec(key) ?? []) : []
    if (module !== '') lists['modules'] = put(lists['modules'] ?? {}, [`${module}.`, ...inside.split('.')], value)
    else if (name === '') rest[key] = value
    else
      lists[list.slice(list.lastIndexOf('.') + 1)] = { ...lists[list.slice(list.lastIndexOf('.') + 1)], [name]: value }
  }
  const { modules, registryCredentials } = lists
  const desired = { runtime: { settings: { registryCredentials } }, modules }
  return { ...content, [agent]: { [desiredKey]: desired, ...rest } }
}

function put(section: Sections, [key = '', ...path]: readonly string[], value: unknown): Record<string, unknown> {
  return { ...section, [key]: path.length === 0 ? value : put(at(section, key), path, value) }
}

/**
 * {@link unfolded}, back.
 *
 * @param keys as {@link dottedKeys} gave them
 */
export function folded(content: Sections, keys: readonly string[]): Sections {
  const section = isObject(content[agent]) ? content[agent] : {}
  const { [desiredKey]: desired, ...rest } = section
  const settings = at(at(desired, 'runtime'), 'settings')
  const entries = [
    ...Object.entries(at(desired, 'modules')).flatMap(([name, value]) =>
      name.endsWith('.')
        ? underKeys(`${desiredKey}.modules.${name.slice(0, -1)}`, value, keys)
        : [[`${desiredKey}.modules.${name}`, value] as const]
    ),
    ...Object.entries(at(settings, 'registryCredentials')).map(
      ([name, value]) => [`${desiredKey}.runtime.settings.registryCredentials.${name}`, value] as const
    )
  ]
  return { ...content, [agent]: { ...Object.fromEntries(entries), ...rest } }
}

/** What stood under one of the keys stands there again; what came to it gets a key of its own beside it. */
function underKeys(path: string, value: unknown, keys: readonly string[]): (readonly [string, unknown])[] {
  if (keys.includes(path) || !isObject(value) || !keys.some((key) => key.startsWith(`${path}.`))) return [[path, value]]
  return Object.entries(value).flatMap(([key, entry]) => underKeys(`${path}.${key}`, entry, keys))
}

/** Where something of {@link unfolded} stands in the file. */
export function foldedPath(path: readonly PropertyKey[], keys: readonly string[]): readonly PropertyKey[] {
  const [section, desired, ...rest] = path
  if (section !== agent || desired !== desiredKey) return path
  if (rest[0] === 'modules' && String(rest[1]).endsWith('.')) {
    const written = [desiredKey, 'modules', String(rest[1]).slice(0, -1), ...rest.slice(2).map(String)]
    const depth = written.findIndex((_, index) => keys.includes(written.slice(0, index + 1).join('.')))
    return depth < 0 ? [section] : [section, written.slice(0, depth + 1).join('.'), ...path.slice(depth + 2)]
  }
  const depth = rest[0] === 'modules' ? 2 : rest[0] === 'runtime' ? 4 : 0
  if (depth === 0 || rest.length < depth) return [section]
  return [section, [desiredKey, ...rest.slice(0, depth).map(String)].join('.'), ...rest.slice(depth)]
}

/** Where something of the file stands in {@link unfolded}. */
export function unfoldedPath(path: readonly PropertyKey[], keys: readonly string[]): readonly PropertyKey[] {
  const [section, key = '', ...rest] = path
  if (section !== agent) return path
  const [, module, inside] = keys.includes(String(key)) ? (dotted.exec(String(key)) ?? []) : []
  if (module !== undefined && inside !== undefined)
    return [agent, desiredKey, 'modules', `${module}.`, ...inside.split('.'), ...rest]
  const [, list, name] = single.exec(String(key)) ?? []
  return list === undefined || name === undefined ? path : [agent, desiredKey, ...list.split('.'), name, ...rest]
}

function at(value: unknown, key: string): Sections {
  const inside = isObject(value) ? value[key] : undefined
  return isObject(inside) ? inside : {}
}

function isObject(value: unknown): value is Sections {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
