import { refuse } from './read.ts'
import type { Token } from './route-tokens.ts'

const keywords: ReadonlySet<string> = new Set(['and', 'or', 'not', 'into', 'from', 'where', 'select'])

/** A function that a condition calls, with the number of its arguments. */
export interface Call {
  readonly name: string
  readonly given: number
}

/**
 * Checks the condition of a route: IoT Hub's query expressions (Condition.g4; deployment-manifests.md §1.3). It is checked
 * for form only; functions are looked at when the route is compiled.
 */
export class ConditionParser {
  readonly #tokens: readonly Token[]
  /** The functions that were called. */
  readonly calls: Call[] = []
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  /** Consumes a condition and returns what stands behind it. */
  parse(): readonly Token[] {
    this.#either()
    return this.#tokens.slice(this.#at)
  }

  #either(): void {
    this.#chain(() => this.#both(), 'or')
  }

  #both(): void {
    this.#chain(() => this.#negated(), 'and')
  }

  #negated(): void {
    while (this.#take('not'));
    this.#comparison()
  }

  #comparison(): void {
    this.#sum()
    if (this.#take('=', '!=', '<>', '<', '>', '<=', '>=')) this.#sum()
  }

  #sum(): void {
    this.#chain(() => this.#product(), '+', '-', '||', '??')
  }

  #product(): void {
    this.#chain(() => this.#operand(), '*', '/', '%')
  }

  #operand(): void {
    while (this.#take('-'));
    if (this.#take('(')) {
      this.#either()
      this.#expect(')')
      return
    }
    const token = this.#tokens[this.#at]
    if (token === undefined || token.kind === 'operator' || isKeyword(token)) this.#fail()
    this.#at += 1
    if (token.kind === 'name' && this.#take('(')) this.calls.push({ name: token.text, given: this.#arguments() })
  }

  #arguments(): number {
    if (this.#take(')')) return 0
    let given = 0
    this.#chain(() => {
      this.#either()
      given += 1
    }, ',')
    this.#expect(')')
    return given
  }

  #chain(part: () => void, ...separators: string[]): void {
    do part()
    while (this.#take(...separators))
  }

  #take(...texts: string[]): boolean {
    const token = this.#tokens[this.#at]
    if (token === undefined || token.kind === 'string' || !texts.includes(token.text.toLowerCase())) return false
    this.#at += 1
    return true
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#fail()
  }

  #fail(): never {
    const found = this.#tokens[this.#at]?.text ?? 'the end'
    refuse(`Error parsing route: unexpected ${found} in the condition`)
  }
}

function isKeyword(token: Token): boolean {
  return token.kind === 'name' && keywords.has(token.text.toLowerCase())
}
