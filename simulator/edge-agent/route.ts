import { ConditionParser } from './condition.ts'
import { refuse } from './read.ts'
import { tokenize, type Token } from './route-tokens.ts'

/** Where a route leads. */
export type Sink =
  { readonly kind: 'upstream' } | { readonly kind: 'module'; readonly module: string; readonly input: string }

// Route.g4: a source is a path of `*` and names without the characters that HTTP calls separators.
const source = /^\s*(?:select\s+\*\s+)?from\s+((?:\/[^()<>@,;:\\"/[\]?={}\s]+)+)\s+/i

/**
 * Parses one of edgeHub's routes: `[SELECT *] FROM path [WHERE condition] INTO sink` (deployment-manifests.md §1.3).
 *
 * @throws {DeploymentError} 400; edgeHub refuses its whole configuration for one bad route
 */
export function parseRoute(text: string): Sink {
  const head = source.exec(text)
  if (head === null) refuse(`Error parsing route ${text}: expected FROM and a path`)
  const tokens = tokenize(text, head[0].length)
  const rest = isName(tokens[0], 'where') ? new ConditionParser(tokens.slice(1)).parse() : tokens
  if (!isName(rest[0], 'into')) refuse(`Error parsing route ${text}: expected INTO`)
  return parseSink(rest.slice(1), text)
}

function parseSink(tokens: readonly Token[], text: string): Sink {
  const [first, open, endpoint, close] = tokens
  // The grammar has no end of input: what stands behind the sink is not looked at.
  if (first?.kind === 'name' && first.text.startsWith('$')) {
    if (first.text.toLowerCase() === '$upstream') return { kind: 'upstream' }
    refuse(`Unknown system endpoint ${first.text}`)
  }
  const call = open?.text === '(' && endpoint?.kind === 'string' && close?.text === ')'
  if (!call || !isName(first, 'brokeredendpoint')) refuse(`Error parsing route ${text}: unknown sink`)
  const parts = endpoint.text.slice(1, -1).split('/').filter(Boolean)
  const [, module, , input] = parts
  if (parts.length !== 4 || module === undefined || input === undefined)
    refuse(`Unsupported endpoint ${endpoint.text}: it reads /modules/<module>/inputs/<input>`)
  return { kind: 'module', module, input }
}

function isName(token: Token | undefined, keyword: string): boolean {
  return token?.kind === 'name' && token.text.toLowerCase() === keyword
}
