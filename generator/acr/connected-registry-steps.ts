import { GeneratorError } from '../errors.ts'
import type { Difference } from '../plan/difference.ts'
import type { ConnectedRegistryState, NewConnectedRegistry } from './acr.ts'
import { carriedOver, changesInPlace, type ChangesInPlace } from './connected-registry-changes.ts'
import { mostConnectedRegistries } from './connected-registry-values.ts'
import type { Wanted } from './wanted.ts'

/** What is to be done about connected registries, worked out before anything is done. */
export interface ConnectedRegistrySteps {
  /** Those that go, or go to be made anew: children before their parents. */
  readonly deletions: readonly ConnectedRegistryState[]
  /** Parents before their children. */
  readonly creations: readonly Creation[]
  readonly updates: readonly Update[]
  readonly deactivations: readonly string[]
  readonly unchanged: readonly string[]
}

export interface Update extends ChangesInPlace {
  readonly name: string
  /** What it is made of once more, where its creation may have failed. */
  readonly whole?: NewConnectedRegistry
}

export interface Creation {
  readonly registry: NewConnectedRegistry
  /** Why it is made anew, of one that was there: what cannot be changed in place. */
  readonly anew?: readonly Difference[]
}

/**
 * Compares the connected registries of a cloud registry with what is wanted of them.
 *
 * @param current all of the cloud registry, the site's and others
 * @throws {GeneratorError} `CONNECTED_REGISTRY_DIFFERS` where others below would have to go too, `REGISTRY_FULL`
 */
export function stepsOf(current: readonly ConnectedRegistryState[], wanted: Wanted): ConnectedRegistrySteps {
  const { connectedRegistries, retired } = wanted
  const there = new Map(current.map((each) => [key(each.name), each]))
  const should = new Map(connectedRegistries.map((each) => [key(each.name), each]))
  const going = new Set(retired.map(key).filter((name) => there.has(name)))
  const anew = new Map<string, readonly Difference[]>()
  for (const each of connectedRegistries) {
    const is = there.get(key(each.name))
    const differences = is === undefined ? [] : fixedDifferences(is, each)
    if (differences.length > 0) anew.set(key(each.name), differences)
  }
  // Azure takes no registry away that has others below it: they go first, and come back after it.
  for (const [name, why] of [...anew].concat([...going].map((each) => [each, retiring])))
    for (const below of descendantsOf(current, name)) {
      if (going.has(key(below.name)) || anew.has(key(below.name))) continue
      if (!should.has(key(below.name)))
        throw new GeneratorError(
          'CONNECTED_REGISTRY_DIFFERS',
          `connected registry ${there.get(name)?.name ?? name} cannot be ${why === retiring ? 'deleted' : `changed (${told(why)}) but by making it anew`}, and ${below.name} below it is not of this site file. Add it here, or delete it: causeway acr connected-registry delete -n ${below.name} --cleanup`
        )
      anew.set(key(below.name), [{ action: 'change', path: 'parent', before: name, after: `${name}, made anew` }])
    }
  checkRoom(current, connectedRegistries, going)
  const staying = connectedRegistries.flatMap((each) => {
    const is = there.get(key(each.name))
    return is === undefined || anew.has(key(each.name)) ? [] : [{ is, each }]
  })
  const compared = staying.map(({ is, each }): Update => ({
    name: each.name,
    ...changesInPlace(is, each),
    // One that somebody runs as was made.
    ...(is.failed === true && !is.active ? { whole: carriedOver(is, each) } : {})
  }))
  const deactivations = staying.filter(({ is, each }) => each.deactivate === true && is.active)
  return {
    deletions: deepestFirst(
      current,
      current.filter(({ name }) => going.has(key(name)) || anew.has(key(name)))
    ),
    creations: connectedRegistries.flatMap((each): Creation[] => {
      const is = there.get(key(each.name))
      const why = anew.get(key(each.name))
      if (is === undefined) return [{ registry: each }]
      return why === undefined ? [] : [{ registry: carriedOver(is, each), anew: why }]
    }),
    updates: compared.filter(({ differences }) => differences.length > 0),
    deactivations: deactivations.map(({ each }) => each.name),
    unchanged: compared
      .filter(
        ({ name, differences }) => differences.length === 0 && !deactivations.some(({ each }) => each.name === name)
      )
      .map(({ name }) => name)
  }
}

/** Stands for the reason of one that goes for good. */
const retiring: readonly Difference[] = []

/** What Azure takes when a connected registry is made, and never changes (facts: connected-registry §1, §4). */
function fixedDifferences(is: ConnectedRegistryState, should: NewConnectedRegistry): readonly Difference[] {
  return (
    [
      ['mode', is.mode, should.mode],
      ['syncToken', is.syncToken, should.syncToken],
      ['parent', is.parent ?? 'the cloud registry', should.parent ?? 'the cloud registry']
    ] as const
  ).flatMap(([path, before, after]): Difference[] =>
    canonical(before) === canonical(after) ? [] : [{ action: 'change', path, before, after }]
  )
}

/** `Registry` and `Mirror` are the old names of the modes. */
function canonical(value: string): string {
  const names: Readonly<Record<string, string>> = { registry: 'readwrite', mirror: 'readonly' }
  return names[key(value)] ?? key(value)
}

function checkRoom(
  current: readonly ConnectedRegistryState[],
  wanted: readonly NewConnectedRegistry[],
  going: ReadonlySet<string>
): void {
  const kept = new Set(current.map(({ name }) => key(name)).filter((name) => !going.has(name)))
  const fresh = wanted.filter(({ name }) => !kept.has(key(name)))
  if (fresh.length === 0 || kept.size + fresh.length <= mostConnectedRegistries) return
  throw new GeneratorError(
    'REGISTRY_FULL',
    `the cloud registry has ${kept.size} connected registries, ${fresh.length} more are wanted (${fresh
      .slice(0, 5)
      .map(({ name }) => name)
      .join(
        ', '
      )}), and Azure allows ${mostConnectedRegistries}. Devices need none: take resource: true away where nothing else asks for it`
  )
}

function descendantsOf(all: readonly ConnectedRegistryState[], name: string): readonly ConnectedRegistryState[] {
  return all
    .filter(({ parent }) => parent !== undefined && key(parent) === key(name))
    .flatMap((child) => [child, ...descendantsOf(all, child.name)])
}

/** Every registry above one, the nearest first. */
export function ancestorsOf(
  all: readonly ConnectedRegistryState[],
  of: ConnectedRegistryState
): readonly ConnectedRegistryState[] {
  const parent = all.find(({ name }) => of.parent !== undefined && key(name) === key(of.parent))
  return parent === undefined ? [] : [parent, ...ancestorsOf(all, parent)]
}

function deepestFirst(
  all: readonly ConnectedRegistryState[],
  some: readonly ConnectedRegistryState[]
): readonly ConnectedRegistryState[] {
  return [...some].sort((a, b) => ancestorsOf(all, b).length - ancestorsOf(all, a).length)
}

/** Differences in a few words: `schedule * * * * * to 0 12 * * *, clientTokens +a -b`. */
export function told(differences: readonly Difference[]): string {
  return differences
    .map(({ action, path, before = '', after = '' }) => {
      if (action === 'change') return `${path} ${before} to ${after}`
      return action === 'add' ? `${path} +${after}` : `${path} -${before}`
    })
    .join(', ')
}

function key(name: string): string {
  return name.toLowerCase()
}
