import { JsonSyntaxError, Lines, parseJson, valueOf, type JsonMember, type JsonNode } from '../validate/json.ts'
import type { Position } from '../site-file/positions.ts'

/** A template's JSON, and where everything stood in it. */
export interface TemplateDocument {
  readonly value: unknown
  /** Where a path is, or the nearest thing above it that exists. `key` asks for the key's place instead of the value's. */
  positionOf(path: readonly PropertyKey[], key?: boolean): Position
}

/** Why a template is no JSON, with its place. */
export interface TemplateFailure {
  readonly position: Position
  readonly message: string
}

/**
 * Reads a template as the tools do that made the convention: JSON, and placeholders without quotes, which become texts. A key
 * that is there twice is refused: those tools silently drop what stands under the first.
 *
 * @returns the document, with the paths of placeholders that had no quotes
 */
export function readTemplateJson(
  text: string
): { readonly document: TemplateDocument; readonly bare: readonly (readonly PropertyKey[])[] } | TemplateFailure {
  const lines = new Lines(text)
  let root: JsonNode
  try {
    root = parseJson(text)
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    return { position: lines.placeOf(error.at), message: `it is not JSON: ${error.message}` }
  }
  const twice = findTwice(root)
  if (twice !== undefined)
    return { position: lines.placeOf(twice.keyAt), message: `the key ${twice.key} is there twice` }
  return {
    document: {
      value: valueOf(root),
      positionOf: (path, key = false) => lines.placeOf(offsetOf(root, path, key))
    },
    bare: placeholdersOf(root, [])
  }
}

function offsetOf(root: JsonNode, path: readonly PropertyKey[], key: boolean): number {
  let node = root
  let offset = root.at
  for (const [depth, step] of path.entries()) {
    if (node.kind === 'object') {
      const member = memberAt(node.members, step)
      if (member === undefined) return offset
      offset = key && depth === path.length - 1 ? member.keyAt : member.value.at
      node = member.value
    } else if (node.kind === 'array') {
      const item = node.items[Number(step)]
      if (item === undefined) return offset
      offset = item.at
      node = item
    } else return offset
  }
  return offset
}

function memberAt(members: readonly JsonMember[], step: PropertyKey): JsonMember | undefined {
  const name = String(step)
  // What edgeAgent reads in any case is looked for as it is usually written.
  const inAnyCase = (key: string): boolean => key.toLowerCase() === name.toLowerCase() && /^createOptions/i.test(name)
  return members.find(({ key }) => key === name) ?? members.find(({ key }) => inAnyCase(key))
}

function findTwice(node: JsonNode): JsonMember | undefined {
  const members = node.kind === 'object' ? node.members : []
  const keys = new Set<string>()
  for (const member of members) {
    if (keys.has(member.key)) return member
    keys.add(member.key)
  }
  const inside = node.kind === 'array' ? node.items : members.map(({ value }) => value)
  for (const child of inside) {
    const found = findTwice(child)
    if (found !== undefined) return found
  }
  return undefined
}

function placeholdersOf(node: JsonNode, path: readonly PropertyKey[]): (readonly PropertyKey[])[] {
  if (node.kind === 'placeholder') return [path]
  if (node.kind === 'object') return node.members.flatMap(({ key, value }) => placeholdersOf(value, [...path, key]))
  if (node.kind === 'array') return node.items.flatMap((item, index) => placeholdersOf(item, [...path, index]))
  return []
}
