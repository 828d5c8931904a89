import type { Properties } from '../twins.ts'

/** True or false, or undefined where a property that is compared does not exist: such a twin is never chosen. */
export type Condition = (twin: Properties) => boolean | undefined

export interface TwinQuery {
  readonly source: 'devices' | 'modules'
  /** The properties to give, under their last name; undefined for all of the twin. */
  readonly select: readonly (readonly string[])[] | undefined
  readonly condition: Condition
}

/** A query that the hub does not understand, said in words for the caller. */
export class QuerySyntaxError extends Error {}

/**
 * Reads a twin query: `SELECT * | <property>, … FROM devices | devices.modules [WHERE <condition>]`.
 *
 * @throws QuerySyntaxError for anything else, aggregates and `GROUP BY` among it
 */
export function parseQuery(text: string): TwinQuery {
  const parser = new Parser(text)
  parser.keyword('SELECT')
  const select = parser.projection()
  parser.keyword('FROM')
  const source = parser.source()
  const condition: Condition = parser.takeKeyword('WHERE') ? parser.condition() : () => true
  parser.end()
  return { source, select, condition }
}

/**
 * Reads a condition alone, as a deployment's target condition: comparisons of properties with single-quoted strings,
 * numbers and booleans, `IN […]`, `NIN […]`, `IS_DEFINED(…)`, `AND`, `OR`, `NOT` and parentheses.
 *
 * @throws QuerySyntaxError
 */
export function parseCondition(text: string): Condition {
  const parser = new Parser(text)
  const condition = parser.condition()
  parser.end()
  return condition
}

type Literal = string | number | boolean | null
type Operand = (twin: Properties) => unknown

type Token =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'literal'; readonly text: string; readonly value: string | number }
  | { readonly kind: 'symbol'; readonly text: string }

const tokenPattern =
  /\s*(?:(?<word>[A-Za-z_$](?:[\w$-]|\.(?=[A-Za-z_$[])|\[\[[^\]]*\]\])*)|(?<string>'(?:[^']|'')*')|(?<number>-?\d+(?:\.\d+)?)|(?<symbol><>|!=|<=|>=|[=<>()[\],*]))/y

const comparisons: Readonly<Record<string, (one: Comparable, other: Comparable) => boolean>> = {
  '=': (one, other) => one === other,
  '!=': (one, other) => one !== other,
  '<>': (one, other) => one !== other,
  '<': (one, other) => one < other,
  '<=': (one, other) => one <= other,
  '>': (one, other) => one > other,
  '>=': (one, other) => one >= other
}

type Comparable = string | number | boolean

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(text: string) {
    this.#tokens = tokenize(text)
  }

  keyword(name: string): void {
    if (!this.takeKeyword(name)) throw this.#unexpected(name)
  }

  takeKeyword(name: string): boolean {
    const token = this.#tokens[this.#next]
    if (token?.kind !== 'word' || token.text.toUpperCase() !== name) return false
    this.#next += 1
    return true
  }

  projection(): string[][] | undefined {
    if (this.#takeSymbol('*')) return undefined
    const select = [this.#path()]
    while (this.#takeSymbol(',')) select.push(this.#path())
    return select
  }

  source(): 'devices' | 'modules' {
    const token = this.#take('word', 'devices or devices.modules')
    const name = token.text.toLowerCase()
    if (name === 'devices') return 'devices'
    if (name === 'devices.modules') return 'modules'
    throw new QuerySyntaxError(`cannot query FROM ${token.text}`)
  }

  condition(): Condition {
    const parts = [this.#conjunction()]
    while (this.takeKeyword('OR')) parts.push(this.#conjunction())
    if (parts.length === 1 && parts[0] !== undefined) return parts[0]
    return (twin) => {
      const results = parts.map((part) => part(twin))
      return results.includes(true) ? true : results.includes(undefined) ? undefined : false
    }
  }

  end(): void {
    if (this.#next < this.#tokens.length) throw this.#unexpected('the end')
  }

  #conjunction(): Condition {
    const parts = [this.#negation()]
    while (this.takeKeyword('AND')) parts.push(this.#negation())
    if (parts.length === 1 && parts[0] !== undefined) return parts[0]
    return (twin) => {
      const results = parts.map((part) => part(twin))
      return results.includes(false) ? false : results.includes(undefined) ? undefined : true
    }
  }

  #negation(): Condition {
    if (!this.takeKeyword('NOT')) return this.#comparison()
    const inner = this.#negation()
    return (twin) => {
      const result = inner(twin)
      return result === undefined ? undefined : !result
    }
  }

  #comparison(): Condition {
    if (this.#takeSymbol('(')) {
      const inner = this.condition()
      this.#symbol(')')
      return inner
    }
    if (this.takeKeyword('IS_DEFINED')) {
      this.#symbol('(')
      const path = this.#path()
      this.#symbol(')')
      return (twin) => lookUp(twin, path) !== undefined
    }
    const left = this.#operand()
    if (this.takeKeyword('IN')) return this.#membership(left, true)
    if (this.takeKeyword('NIN')) return this.#membership(left, false)
    const operator = this.#take('symbol', 'a comparison')
    const compare = comparisons[operator.text]
    if (compare === undefined) throw new QuerySyntaxError(`a comparison is expected instead of ${operator.text}`)
    const right = this.#operand()
    return (twin) => {
      const one = left(twin)
      const other = right(twin)
      return isComparable(one) && isComparable(other) && typeof one === typeof other ? compare(one, other) : undefined
    }
  }

  #membership(left: Operand, wanted: boolean): Condition {
    this.#symbol('[')
    const values: Literal[] = []
    do values.push(this.#literal())
    while (this.#takeSymbol(','))
    this.#symbol(']')
    return (twin) => {
      const value = left(twin)
      return value === undefined ? undefined : values.some((one) => one === value) === wanted
    }
  }

  #operand(): Operand {
    const token = this.#tokens[this.#next]
    if (token?.kind === 'literal' || (token?.kind === 'word' && /^(?:true|false|null)$/i.test(token.text))) {
      const value = this.#literal()
      return () => value
    }
    const path = this.#path()
    return (twin) => lookUp(twin, path)
  }

  #literal(): Literal {
    const token = this.#tokens[this.#next]
    this.#next += 1
    if (token?.kind === 'literal') return token.value
    switch (token?.text.toLowerCase()) {
      case 'true':
        return true
      case 'false':
        return false
      case 'null':
        return null
      default:
        this.#next -= 1
        throw this.#unexpected('a value')
    }
  }

  /** `a.b`, with `[[name]]` around what is no identifier; `devices.` and `devices.modules.` in front say nothing. */
  #path(): string[] {
    const { text } = this.#take('word', 'a property')
    const names = [...text.matchAll(/\[\[(?<quoted>[^\]]*)\]\]|(?<plain>[^.[\]]+)/g)].map(
      ({ groups }) => groups?.quoted ?? groups?.plain ?? ''
    )
    if (names[0] === 'devices' && names.length > 1) names.splice(0, names[1] === 'modules' && names.length > 2 ? 2 : 1)
    return names
  }

  #symbol(text: string): void {
    if (!this.#takeSymbol(text)) throw this.#unexpected(text)
  }

  #takeSymbol(text: string): boolean {
    const token = this.#tokens[this.#next]
    if (token?.kind !== 'symbol' || token.text !== text) return false
    this.#next += 1
    return true
  }

  #take(kind: Token['kind'], expected: string): Token {
    const token = this.#tokens[this.#next]
    if (token?.kind !== kind) throw this.#unexpected(expected)
    this.#next += 1
    return token
  }

  #unexpected(expected: string): QuerySyntaxError {
    return new QuerySyntaxError(`${expected} is expected instead of ${this.#tokens[this.#next]?.text ?? 'the end'}`)
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  const source = text.trimEnd()
  tokenPattern.lastIndex = 0
  for (let at = 0; at < source.length; at = tokenPattern.lastIndex) {
    tokenPattern.lastIndex = at
    const groups = tokenPattern.exec(source)?.groups
    if (groups === undefined) throw new QuerySyntaxError(`cannot read ${source.slice(at, at + 20).trim()}`)
    const { word, string, number, symbol } = groups
    if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else if (string !== undefined)
      tokens.push({ kind: 'literal', text: string, value: string.slice(1, -1).replaceAll("''", "'") })
    else if (number !== undefined) tokens.push({ kind: 'literal', text: number, value: Number(number) })
    else tokens.push({ kind: 'symbol', text: symbol ?? '' })
  }
  return tokens
}

/** The value at a path of a twin; undefined where there is none. */
export function lookUp(twin: Properties, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as Properties)[name]
        : undefined,
    twin
  )
}

function isComparable(value: unknown): value is Comparable {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
