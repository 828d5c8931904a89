import type { Position, PositionedDocument } from './positions.ts'

/** Something wrong with a key that stands for many devices. */
export interface PatternProblem {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** A site file with each device under its own id. */
export interface Expanded {
  readonly value: unknown
  readonly problems: readonly PatternProblem[]
  /** Where in the file a path of `value` stands; of several entries that mean a device, the nearest to it that says so. */
  readonly positionOf: (path: readonly PropertyKey[], key?: boolean) => Position
  /** The same path as the file has it: `devices.ship-{001..400}.port`. */
  readonly writtenAs: (path: readonly PropertyKey[]) => readonly PropertyKey[]
}

/** An entry of `devices` or `relays`, as it is written. */
interface Entry {
  readonly key: string
  readonly value: unknown
  /** How many devices it means. */
  readonly size: number
}

type Section = Readonly<Record<string, unknown>>

/** More than a hub has: a slip of the finger is to be told before it takes the machine's memory. */
const mostDevices = 1_000_000
/** Far fewer than that in one pair of braces, too. */
const range = /^(\d{1,9})\.\.(\d{1,9})$/
const braces = /\{([^{}]*)\}/g
const mark = /\{(\d)\}/g

/** What may be written by patterns. */
const sections = ['devices', 'relays']

interface ExpandedSection {
  readonly name: string
  readonly meant: ReadonlyMap<string, { readonly entries: readonly Entry[]; readonly value: unknown }>
  readonly problems: readonly PatternProblem[]
}

/**
 * Puts the devices of patterns in their place: `ship-{001..400}` and `{north,south}-{1..20}` are keys that mean many devices,
 * and `{1}`, `{2}` in their values what the first and the second braces stand for. Where several entries mean a device, the one
 * that means fewer goes over the one that means more, key by key: so one device differs from its pattern by an entry of its own.
 */
export function expandDevices(document: PositionedDocument): Expanded {
  const { value } = document
  const expanded = sections.flatMap((name) => {
    const entries = isSection(value) ? value[name] : undefined
    return isSection(entries) && Object.keys(entries).some((key) => key.includes('{'))
      ? expandSection(name, entries)
      : []
  })
  if (expanded.length === 0)
    return { value, problems: [], positionOf: (path, key) => document.positionOf(path, key), writtenAs: (path) => path }
  const nearest = (path: readonly PropertyKey[]): readonly PropertyKey[] => {
    const [first, id, ...rest] = path
    const section = expanded.find(({ name }) => name === first)
    const written = typeof id === 'string' ? section?.meant.get(id)?.entries : undefined
    const entry = written?.find((each) => rest.length > 0 && isThere(each.value, rest)) ?? written?.[0]
    return section === undefined || entry === undefined ? path : [section.name, entry.key, ...rest]
  }
  const each = expanded.map(
    ({ name, meant }) => [name, Object.fromEntries([...meant].map(([id, { value: entry }]) => [id, entry]))] as const
  )
  return {
    value: { ...(value as Section), ...Object.fromEntries(each) },
    problems: expanded.flatMap(({ problems }) => problems),
    positionOf: (path, key) => document.positionOf(nearest(path), key),
    writtenAs: nearest
  }
}

function expandSection(name: string, section: Section): ExpandedSection {
  const problems: PatternProblem[] = []
  const meant = new Map<string, { readonly entries: Entry[]; value: unknown }>()
  const entries = Object.entries(section).flatMap(([key, each]) => {
    const choices = choicesOf(key)
    const size = typeof choices === 'string' ? 0 : choices.reduce((product, { length }) => product * length, 1)
    const problem = typeof choices === 'string' ? choices : size > mostDevices ? `it means ${size} devices` : undefined
    if (problem !== undefined) problems.push({ path: [name, key], message: problem })
    return typeof choices === 'string' || problem !== undefined ? [] : [{ key, value: each, size, choices }]
  })
  // The order of the file means nothing, as in any map.
  for (const { choices, ...entry } of entries.sort((a, b) => b.size - a.size || (a.key < b.key ? -1 : 1)))
    for (const chosen of combinations(choices)) {
      const id = idOf(entry.key, chosen)
      const own = chosen.length === 0 ? entry.value : filledIn(entry.value, chosen)
      const before = meant.get(id)
      if (before === undefined) meant.set(id, { entries: [entry], value: own })
      else {
        const same = before.entries.find(({ size }) => size === entry.size)
        if (same !== undefined && problems.length < 20)
          problems.push({
            path: [name, entry.key],
            message: `${same.key} means ${id} too, and as many devices: which goes first?`
          })
        before.entries.unshift(entry)
        before.value = over(before.value, own)
      }
    }
  return { name, meant, problems }
}

/** What each pair of braces of a key may stand for, or what is wrong with it. */
function choicesOf(key: string): readonly (readonly string[])[] | string {
  const found = [...key.matchAll(braces)].map(([, inside = '']) => choicesIn(inside))
  const wrong = found.find((each) => typeof each === 'string')
  if (wrong !== undefined) return wrong
  if (/[{}]/.test(key.replace(braces, '')))
    return 'its braces are not closed; write ship-{001..400}, or {north,south}-1'
  return found as string[][]
}

function choicesIn(inside: string): readonly string[] | string {
  const [, from, to] = range.exec(inside) ?? []
  if (from === undefined || to === undefined) {
    const names = inside.split(',')
    return names.length > 1 && new Set(names).size === names.length && names.every((name) => name !== '')
      ? names
      : `{${inside}} is neither a range such as {001..400} nor a list such as {north,south}`
  }
  const [first, last] = [Number(from), Number(to)]
  if (last < first) return `{${inside}} runs backwards`
  if (last - first >= mostDevices) return `{${inside}} means ${last - first + 1} devices`
  // {001..400} counts 001, 002; {1..400} counts 1, 2.
  const width = from.startsWith('0') && from.length > 1 ? from.length : 1
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index).padStart(width, '0'))
}

function* combinations(choices: readonly (readonly string[])[]): Generator<readonly string[]> {
  const [first, ...rest] = choices
  if (first === undefined) {
    yield []
    return
  }
  for (const choice of first) for (const others of combinations(rest)) yield [choice, ...others]
}

function idOf(key: string, chosen: readonly string[]): string {
  let at = 0
  return key.replace(braces, () => chosen[at++] ?? '')
}

/** A value with its marks filled in. What has none stays the same object, however many devices have it. */
function filledIn(value: unknown, chosen: readonly string[]): unknown {
  if (typeof value === 'string')
    return value.includes('{')
      ? value.replace(mark, (whole, number: string) => chosen[Number(number) - 1] ?? whole)
      : value
  if (Array.isArray(value)) {
    const items = value.map((item) => filledIn(item, chosen))
    return items.every((item, index) => item === value[index]) ? (value as unknown) : items
  }
  if (!isSection(value)) return value
  const entries = Object.entries(value).map(([key, each]) => [key, filledIn(each, chosen)] as const)
  return entries.every(([key, each]) => each === value[key]) ? value : Object.fromEntries(entries)
}

function over(below: unknown, above: unknown): unknown {
  if (!isSection(below) || !isSection(above)) return above
  return Object.fromEntries([
    ...Object.entries(below),
    ...Object.entries(above).map(([key, value]) => [key, over(below[key], value)] as const)
  ])
}

function isThere(value: unknown, path: readonly PropertyKey[]): boolean {
  let place = value
  for (const step of path) {
    if (typeof place !== 'object' || place === null || !Object.hasOwn(place, step)) return false
    place = (place as Readonly<Record<PropertyKey, unknown>>)[step]
  }
  return true
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
