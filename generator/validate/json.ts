/** Where in a file something stands: line and column from 1, as editors count; columns in UTF-16 units. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A member of an object, with where its key stands. Duplicates are kept, in the order of the file. */
export interface JsonMember {
  readonly key: string
  readonly keyAt: number
  readonly value: JsonNode
}

/**
 * A JSON value that remembers where it stood. `placeholder` is `${NAME}` without quotes, which templates have where a number
 * goes (`"timeToLiveSecs": ${TTL}`, deployment-manifests.md §1.7).
 */
export type JsonNode =
  | { readonly kind: 'object'; readonly at: number; readonly members: readonly JsonMember[] }
  | { readonly kind: 'array'; readonly at: number; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly at: number; readonly value: string }
  | { readonly kind: 'number'; readonly at: number; readonly value: number }
  | { readonly kind: 'boolean'; readonly at: number; readonly value: boolean }
  | { readonly kind: 'null'; readonly at: number }
  | { readonly kind: 'placeholder'; readonly at: number; readonly text: string }

export type JsonObject = Extract<JsonNode, { kind: 'object' }>

/** Why a text is not JSON, in words without anything of the text itself: it may hold passwords. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

/** Far beyond what a twin may hold (10), and well within what the stack bears. */
const deepest = 200

/**
 * Parses JSON strictly (RFC 8259), but for unquoted placeholders. `JSON.parse` knows neither places nor duplicate keys.
 *
 * @param text without a byte order mark
 * @throws {JsonSyntaxError}
 */
export function parseJson(text: string): JsonNode {
  return new JsonParser(text, strict).parse()
}

/**
 * Parses what Newtonsoft's reader takes for JSON, with which edgeAgent reads create options: keys without quotes, texts in single
 * quotes and over several lines, commas before } and ], and comments (DockerConfig.cs, JsonTextReader.cs).
 *
 * @throws {JsonSyntaxError}
 */
export function parseTolerantly(text: string): JsonNode {
  return new JsonParser(text, tolerant).parse()
}

/** Finds lines by offset, for many offsets of one text. Lines end as editors see it: with LF, CR LF or CR alone. */
export class Lines {
  readonly #starts: number[] = [0]

  constructor(text: string) {
    for (const { index, 0: end } of text.matchAll(/\r\n?|\n/g)) this.#starts.push(index + end.length)
  }

  placeOf(offset: number): Place {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 }
  }
}

/** What differs between two readers of JSON. */
interface Grammar {
  readonly space: RegExp
  readonly quotes: string
  /** What a text holds without an escape, by its quote. */
  readonly plain: Readonly<Record<string, RegExp>>
  readonly escape: RegExp
  /** A key without quotes. */
  readonly bareKey: RegExp | undefined
  readonly lastComma: boolean
}

const strict: Grammar = {
  space: /[ \t\r\n]*/y,
  quotes: '"',
  plain: { '"': /[^"\\\u0000-\u001f]*/y },
  escape: /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y,
  bareKey: undefined,
  lastComma: false
}
const tolerant: Grammar = {
  space: /(?:\s|\/\*[^]*?\*\/|\/\/[^\r\n]*)*/y,
  quotes: '"\'',
  plain: { '"': /[^"\\\0]*/y, "'": /[^'\\\0]*/y },
  escape: /\\(?:["'\\/bfnrt]|u[0-9a-fA-F]{4})/y,
  bareKey: /[\p{L}\p{Nd}_$]+/uy,
  lastComma: true
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const word = /true|false|null/y
const placeholder = /\$\{[^}"\r\n]*\}|\$[A-Za-z_]\w*/y

const letters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

class JsonParser {
  readonly #text: string
  readonly #grammar: Grammar
  #at = 0

  constructor(text: string, grammar: Grammar) {
    this.#text = text
    this.#grammar = grammar
  }

  parse(): JsonNode {
    if (this.#text.trim() === '') throw new JsonSyntaxError('there is nothing in it', 0)
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) throw this.#error('there is more behind the end of the document')
    return value
  }

  #value(depth: number): JsonNode {
    if (depth > deepest) throw this.#error(`values are nested more than ${deepest} deep`)
    this.#space()
    const at = this.#at
    if (this.#quote() !== undefined) return { kind: 'string', at, value: this.#string() }
    switch (this.#text[at]) {
      case '{':
        return { kind: 'object', at, members: this.#members(depth) }
      case '[':
        return { kind: 'array', at, items: this.#items(depth) }
      case '$': {
        const text = this.#take(placeholder)
        if (text === undefined) throw this.#error('expected a value')
        return { kind: 'placeholder', at, text }
      }
      default:
        return this.#scalar(at)
    }
  }

  #scalar(at: number): JsonNode {
    const digits = this.#take(number)
    if (digits !== undefined) return { kind: 'number', at, value: Number(digits) }
    const text = this.#take(word)
    if (text === undefined) throw this.#error(this.#at >= this.#text.length ? 'it ends too soon' : 'expected a value')
    return text === 'null' ? { kind: 'null', at } : { kind: 'boolean', at, value: text === 'true' }
  }

  #members(depth: number): JsonMember[] {
    this.#at += 1
    const members: JsonMember[] = []
    if (this.#next('}')) return members
    do {
      this.#space()
      const keyAt = this.#at
      if (members.length > 0 && this.#text[keyAt] === '}') {
        if (this.#grammar.lastComma) break
        throw this.#error('a comma before }')
      }
      const { bareKey } = this.#grammar
      const bare = bareKey === undefined ? undefined : this.#take(bareKey)
      if (bare === undefined && this.#quote() === undefined) throw this.#error('expected a key in quotes')
      const key = bare ?? this.#string()
      if (!this.#next(':')) throw this.#error('expected a colon')
      members.push({ key, keyAt, value: this.#value(depth + 1) })
    } while (this.#next(','))
    if (!this.#next('}')) throw this.#error('expected a comma or }')
    return members
  }

  #items(depth: number): JsonNode[] {
    this.#at += 1
    const items: JsonNode[] = []
    if (this.#next(']')) return items
    do {
      this.#space()
      if (items.length > 0 && this.#text[this.#at] === ']') {
        if (this.#grammar.lastComma) break
        throw this.#error('a comma before ]')
      }
      items.push(this.#value(depth + 1))
    } while (this.#next(','))
    if (!this.#next(']')) throw this.#error('expected a comma or ]')
    return items
  }

  /** The quote that a text starts with here. */
  #quote(): string | undefined {
    const character = this.#text[this.#at]
    return character !== undefined && this.#grammar.quotes.includes(character) ? character : undefined
  }

  #string(): string {
    const start = this.#at
    const quote = this.#quote() ?? '"'
    const plain = this.#grammar.plain[quote]
    this.#at += 1
    let escaped = false
    for (;;) {
      if (plain !== undefined) this.#take(plain)
      const character = this.#text[this.#at]
      if (character === quote) break
      if (character === '\\') {
        escaped = true
        if (this.#take(this.#grammar.escape) === undefined) throw this.#error('an escape that JSON does not have')
      } else if (character === undefined) {
        this.#at = start
        throw this.#error('a text without its closing quote')
      } else throw this.#error('a line break or control character inside a text')
    }
    this.#at += 1
    const inside = this.#text.slice(start + 1, this.#at - 1)
    if (!escaped) return inside
    return inside.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, letter: string) =>
      code === undefined ? (letters[letter] ?? letter) : String.fromCharCode(parseInt(code, 16))
    )
  }

  #next(character: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== character) return false
    this.#at += 1
    return true
  }

  #space(): void {
    // Most values stand right behind a colon or comma, or one blank after it.
    if (this.#text.charCodeAt(this.#at) <= 0x20 || this.#grammar !== strict) this.#take(this.#grammar.space)
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #error(message: string): JsonSyntaxError {
    const comment = /^\/[/*]/.test(this.#text.slice(this.#at, this.#at + 2))
    return new JsonSyntaxError(comment ? 'a comment, which JSON does not have' : message, this.#at)
  }
}

/**
 * A member by name. Newtonsoft, which the runtime reads with, takes a key in another case where none fits exactly.
 * Of duplicates the last counts, as every reader has it.
 */
export function memberOf(node: JsonNode | undefined, name: string): JsonMember | undefined {
  if (node?.kind !== 'object') return undefined
  return (
    node.members.findLast(({ key }) => key === name) ??
    node.members.findLast(({ key }) => key.toLowerCase() === name.toLowerCase())
  )
}

/** The plain value of a node, for what looks at content and not at places. Placeholders become their text. */
export function valueOf(node: JsonNode): unknown {
  switch (node.kind) {
    case 'object':
      return Object.fromEntries(node.members.map(({ key, value }) => [key, valueOf(value)]))
    case 'array':
      return node.items.map(valueOf)
    case 'null':
      return null
    case 'placeholder':
      return node.text
    case 'string':
    case 'number':
    case 'boolean':
      return node.value
  }
}

/** The first unquoted placeholder, which only templates may have. */
export function findPlaceholder(node: JsonNode): Extract<JsonNode, { kind: 'placeholder' }> | undefined {
  if (node.kind === 'placeholder') return node
  const inside =
    node.kind === 'object' ? node.members.map(({ value }) => value) : node.kind === 'array' ? node.items : []
  for (const child of inside) {
    const found = findPlaceholder(child)
    if (found !== undefined) return found
  }
  return undefined
}
