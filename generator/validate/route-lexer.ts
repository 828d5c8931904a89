/** Tokens of edgeHub's routes, named as in its lexer (RouteLexer.g4; deployment-manifests.md §1.3). */
export type TokenKind =
  | 'select'
  | 'from'
  | 'where'
  | 'into'
  | 'string'
  | 'unterminated'
  | 'number'
  | 'constant'
  | 'and'
  | 'or'
  | 'not'
  | 'operator'
  | 'system'
  | 'id'
  | 'path'
  | 'unknown'
  | 'end'

export interface Token {
  readonly kind: TokenKind
  readonly text: string
  readonly at: number
}

const idCharacter = String.raw`[^()<>@,;:\\"/[\]?={} \t\n\r]`
const pathCharacter = String.raw`[^()<>@,;:\\"/?={} \t\n\r]`
const stringEscape = String.raw`\\(?:["'\\]|u[0-9a-fA-F]{4})`

/**
 * In the grammar's order: the longest match wins, and of two of one length the first. So `a-b` is a name, `1` a number, and
 * `/from` a slash with a keyword.
 */
const patterns: readonly (readonly [TokenKind | 'skip', RegExp])[] = [
  ['select', /select/iy],
  ['from', /from/iy],
  ['where', /where/iy],
  ['into', /into/iy],
  ['string', new RegExp(String.raw`"(?:${stringEscape}|[^"\\])*"|'(?:${stringEscape}|[^'\\])*'`, 'y')],
  ['unterminated', new RegExp(String.raw`"(?:${stringEscape}|[^"\\])*|'(?:${stringEscape}|[^'\\])*`, 'y')],
  ['number', /-?\d+/y],
  ['number', /0x[0-9a-f]+/iy],
  ['number', /-?\d*\.\d+(?:e[+-]?\d+)?|-?\d*e[+-]?\d+/iy],
  ['constant', /true|false|null|undefined/y],
  ['operator', /\|\||\?\?|!=|<>|<=|>=|[(){},+\-*/%=<>]/y],
  ['and', /and/iy],
  ['or', /or/iy],
  ['not', /not/iy],
  ['system', new RegExp(String.raw`\$${pathCharacter}+`, 'y')],
  ['id', new RegExp(`${idCharacter}+`, 'y')],
  ['path', new RegExp(`${pathCharacter}+`, 'y')],
  ['skip', /[ \t\r\n]+/y],
  // A comment of the grammar: `/*/a/*/` in a path is one, and the path silently lacks it.
  ['skip', /\/\*[^]*?\*\//y],
  ['unknown', /[^]/y]
]

/** Cuts a route into tokens, an `end` last. Nothing is refused here: the grammar leaves that to the parser. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length;) {
    let best: { kind: TokenKind | 'skip'; length: number } = { kind: 'unknown', length: 0 }
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = at
      const length = pattern.exec(text)?.[0].length ?? 0
      if (length > best.length) best = { kind, length }
    }
    if (best.kind !== 'skip') tokens.push({ kind: best.kind, text: text.slice(at, at + best.length), at })
    at += best.length
  }
  return [...tokens, { kind: 'end', text: '', at: text.length }]
}
