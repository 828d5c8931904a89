import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLError
} from 'yaml'

/** Where in a file something stands, both from 1, as editors count. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A finding with its place. */
export interface Finding {
  readonly position: Position
  readonly message: string
}

/** A YAML (or JSON) text that remembers where everything stood. */
export interface PositionedDocument {
  readonly value: unknown
  readonly errors: readonly Finding[]
  /** Where a path is, or the nearest thing above it that exists. `key` asks for the key's place instead of the value's. */
  positionOf(path: readonly PropertyKey[], key?: boolean): Position
}

/** How often what has an anchor may be named, by way of other aliases too: past it a small file would fill the memory. */
const mostAliases = 10_000

/** Parses strictly: duplicate keys, unknown tags, aliases of nothing and tabs where YAML forbids them are errors, each with its place. */
export function parsePositioned(text: string): PositionedDocument {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true, version: '1.2' })
  const at = (offset: number): Position => {
    const { line, col } = counter.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const errors = [...document.errors, ...document.warnings].map((error) => ({
    position: at(error.pos[0]),
    message: advised(error)
  }))
  errors.push(...wrongAliases(document).map(({ offset, message }) => ({ position: at(offset), message })))
  let value: unknown
  try {
    if (errors.length === 0) value = document.toJS({ maxAliasCount: mostAliases })
  } catch (error) {
    // The one reason that is left: every alias names something.
    if (!(error instanceof ReferenceError)) throw error
    const message = `its aliases come to more than ${mostAliases}; let a pattern in devices stand for many of them`
    errors.push({ position: at(0), message })
  }
  return {
    value,
    errors,
    positionOf: (path, key = false) => at(offsetOf(document, path, key))
  }
}

function wrongAliases(document: Document): { readonly offset: number; readonly message: string }[] {
  const found: { offset: number; message: string }[] = []
  // Once over the file: `alias.resolve` would go over all of it for each.
  const anchors = new Map<string, Node>()
  visit(document, {
    Node(_key, node) {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.set(node.anchor, node)
        return
      }
      const offset = startOf(node) ?? 0
      const named = anchors.get(node.source)
      if (named === undefined)
        found.push({ offset, message: `nothing before it has the anchor &${node.source}, which *${node.source} names` })
      else if (offset >= (startOf(named) ?? 0) && offset < (named.range?.[1] ?? 0))
        found.push({ offset, message: `*${node.source} stands inside of what it names` })
    }
  })
  return found
}

function offsetOf(document: Document, path: readonly PropertyKey[], key: boolean): number {
  let place: unknown = document.contents
  let offset = startOf(place) ?? 0
  for (const [depth, step] of path.entries()) {
    if (isMap(place)) {
      const pair = place.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step))
      if (pair === undefined) return offset
      const last = depth === path.length - 1
      offset = (last && key ? startOf(pair.key) : (startOf(pair.value) ?? startOf(pair.key))) ?? offset
      place = pair.value
    } else if (isSeq(place)) {
      place = place.items[Number(step)]
      offset = startOf(place) ?? offset
    } else return offset
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}

/** In a word for whoever writes the file; what the parser says of several documents is for programs. */
function advised({ code, message }: YAMLError): string {
  return code === 'MULTIPLE_DOCS'
    ? 'a second document begins here, and the file has to be one: take the line of dashes out, or make two files of it'
    : (message.split('\n', 1)[0] ?? message)
}
