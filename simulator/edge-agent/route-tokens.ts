import { refuse } from './read.ts'

/** A piece of a route's condition or sink. */
export interface Token {
  readonly kind: 'string' | 'number' | 'name' | 'property' | 'operator'
  readonly text: string
}

/** GrammarLexer.g4 in one expression each: strings of either quote, numbers with hex, `{$property}`, names with paths. */
const patterns: readonly (readonly [Token['kind'], RegExp])[] = [
  ['string', /(?:'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")/y],
  ['number', /(?:0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w.])/iy],
  ['property', /\{\s*\$?[^\s{}]+\s*\}/y],
  ['name', /[$a-z_][\w$]*(?:-[a-z_][\w$]*)*(?:\.[\w$]+(?:-[a-z_][\w$]*)*|\[\d+\])*/iy],
  ['operator', /(?:<>|!=|<=|>=|\|\||\?\?|[=<>+\-*/%(),])/y]
]

/** Cuts a condition and what follows it into tokens; whatever fits none refuses the route. */
export function tokenize(text: string, start: number): Token[] {
  const tokens: Token[] = []
  let at = start
  for (;;) {
    while (/\s/.test(text.charAt(at))) at += 1
    if (at >= text.length) return tokens
    const token = next(text, at)
    if (token === undefined) refuse(`Error parsing route: unexpected character at ${at} of ${text}`)
    tokens.push(token)
    at += token.text.length
  }
}

function next(text: string, at: number): Token | undefined {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) return { kind, text: found }
  }
  return undefined
}
