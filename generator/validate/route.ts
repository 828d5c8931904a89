import { refusedCall } from './route-functions.ts'
import { tokenize, type Token } from './route-lexer.ts'

/** A route that parses: where it leads, and what about it is silently not as it looks. */
export interface Route {
  readonly sink: { readonly kind: 'upstream' } | { readonly kind: 'module'; readonly module: string }
  /** What of its functions edgeHub's compiler refuses, in words. */
  readonly refusedCalls: readonly string[]
  /** What stands behind the sink; the grammar has no end of input there, and edgeHub never looks at it. */
  readonly ignored: string | undefined
}

/** Why a route does not parse. `expanded`: the sink looks like the value of a variable called upstream. */
export interface RouteFailure {
  readonly message: string
  readonly expanded: boolean
}

export type RouteReading = { readonly ok: true; readonly route: Route } | ({ readonly ok: false } & RouteFailure)

/** Reads a route by edgeHub's grammar (Route.g4, Condition.g4, EndpointFactory.cs; deployment-manifests.md §1.3). */
export function readRoute(text: string): RouteReading {
  try {
    return { ok: true, route: new RouteParser(text).parse() }
  } catch (error) {
    if (!(error instanceof RouteError)) throw error
    return { ok: false, message: error.message, expanded: error.expanded }
  }
}

class RouteError extends Error {
  override readonly name = 'RouteError'
  readonly expanded: boolean

  constructor(message: string, expanded = false) {
    super(message)
    this.expanded = expanded
  }
}

const binary: ReadonlySet<string> = new Set([
  ...['*', '/', '%', '+', '-', '||', '<', '<=', '>', '>=', '=', '!=', '<>', '??']
])
/** Far more than anybody writes by hand, and well within what the stack bears. */
const deepest = 200

class RouteParser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  readonly #refused = new Set<string>()
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokenize(text)
  }

  parse(): Route {
    if (this.#peek().kind === 'select') {
      this.#at += 1
      if (!this.#takes('*')) throw this.#unexpected('SELECT * (edgeHub selects nothing else)')
    }
    if (this.#peek().kind !== 'from') throw this.#unexpected('FROM')
    this.#at += 1
    this.#source()
    if (this.#peek().kind === 'where') {
      this.#at += 1
      this.#expression(0)
    }
    if (this.#peek().kind !== 'into') throw this.#unexpected('INTO')
    this.#at += 1
    const sink = this.#sink()
    const rest = this.#peek()
    const ignored = rest.kind === 'end' ? undefined : this.#text.slice(rest.at).trim()
    return { sink, refusedCalls: [...this.#refused], ignored }
  }

  /** `('/' item)+`, an item being `*` or a name: no slash at the end, none missing at the start. */
  #source(): void {
    if (!this.#takes('/')) throw this.#unexpected('a path that starts with /')
    do {
      if (this.#takes('*')) continue
      if (this.#peek().kind !== 'id') throw this.#unexpected('* or a name in the path')
      this.#at += 1
    } while (this.#takes('/'))
  }

  #sink(): Route['sink'] {
    const token = this.#peek()
    if (token.kind === 'system') {
      this.#at += 1
      if (token.text.toLowerCase() === '$upstream') return { kind: 'upstream' }
      throw new RouteError(`${token.text} is no sink; $upstream is the only one with a dollar`)
    }
    if (token.kind !== 'id') throw this.#unexpected('$upstream or BrokeredEndpoint("/modules/<module>/inputs/<input>")')
    const call = this.#tokens[this.#at + 1]
    if (!isOperator(call, '('))
      throw new RouteError(
        `${token.text} is no sink; was it $upstream, expanded like a variable?`,
        token.text.toLowerCase() !== 'upstream'
      )
    this.#at += 2
    if (token.text.toLowerCase() !== 'brokeredendpoint')
      throw new RouteError(`${token.text} is no sink; it must be BrokeredEndpoint`)
    const address = this.#peek()
    if (address.kind !== 'string') throw this.#unexpected('the address in quotes')
    this.#at += 1
    if (!this.#takes(')')) throw this.#unexpected(')')
    return { kind: 'module', module: moduleOf(address.text.slice(1, -1)) }
  }

  /** Which operator binds stronger does not matter here: any order of operands and operators is of the language. */
  #expression(depth: number): void {
    if (depth > deepest) throw new RouteError('the condition is nested too deep')
    do this.#operand(depth)
    while (this.#takesBinary())
  }

  #operand(depth: number): void {
    while (this.#takes('-') || this.#takesKind('not'));
    const token = this.#peek()
    switch (token.kind) {
      case 'string':
      case 'number':
      case 'constant':
      case 'system':
        this.#at += 1
        return
      case 'id':
        this.#at += 1
        if (this.#takes('(')) this.#arguments(token.text, depth)
        return
      case 'unterminated':
        throw new RouteError('a text in the condition has no closing quote')
      case 'operator':
        if (this.#takes('(')) {
          this.#expression(depth + 1)
          if (!this.#takes(')')) throw this.#unexpected(')')
          return
        }
        if (this.#takes('{')) {
          if (!this.#takesKind('system')) throw this.#unexpected('a system property such as $contentType')
          if (!this.#takes('}')) throw this.#unexpected('}')
          return
        }
        throw this.#unexpected('a value in the condition')
      default:
        throw this.#unexpected('a value in the condition')
    }
  }

  #arguments(name: string, depth: number): void {
    let count = 0
    if (!this.#takes(')')) {
      do {
        this.#expression(depth + 1)
        count += 1
      } while (this.#takes(','))
      if (!this.#takes(')')) throw this.#unexpected(')')
    }
    const refused = refusedCall(name, count)
    if (refused !== undefined) this.#refused.add(refused)
  }

  #takesBinary(): boolean {
    const token = this.#peek()
    if (token.kind !== 'and' && token.kind !== 'or' && !(token.kind === 'operator' && binary.has(token.text)))
      return false
    this.#at += 1
    return true
  }

  #takesKind(kind: Token['kind']): boolean {
    if (this.#peek().kind !== kind) return false
    this.#at += 1
    return true
  }

  #takes(operator: string): boolean {
    if (!isOperator(this.#peek(), operator)) return false
    this.#at += 1
    return true
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] ?? { kind: 'end', text: '', at: this.#text.length }
  }

  #unexpected(expected: string): RouteError {
    const { kind, text, at } = this.#peek()
    const found = kind === 'end' ? 'the end' : `${text} at character ${at + 1}`
    return new RouteError(`expected ${expected}, found ${found}`)
  }
}

function isOperator(token: Token | undefined, text: string): boolean {
  return token?.kind === 'operator' && token.text === text
}

/** EndpointFactory.cs: one slash off either end, then exactly four parts, of which it looks at the second and fourth. */
function moduleOf(address: string): string {
  const parts = address.trim().replace(/^\//, '').replace(/\/$/, '').split('/')
  if (parts.length !== 4) throw new RouteError(`${address} must read /modules/<module>/inputs/<input>`)
  return parts[1] ?? ''
}
