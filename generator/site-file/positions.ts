import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml'

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

/** Parses strictly: duplicate keys, unknown tags and tabs where YAML forbids them are errors, each with its place. */
export function parsePositioned(text: string): PositionedDocument {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true, version: '1.2' })
  const at = (offset: number): Position => {
    const { line, col } = counter.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const errors = [...document.errors, ...document.warnings].map((error) => ({
    position: at(error.pos[0]),
    message: firstLine(error.message)
  }))
  return {
    value: errors.length === 0 ? document.toJS({ maxAliasCount: 100 }) : undefined,
    errors,
    positionOf: (path, key = false) => at(offsetOf(document, path, key))
  }
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

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
