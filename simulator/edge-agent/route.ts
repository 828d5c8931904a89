import { ConditionParser, type Call } from './condition.ts'
import { refuse } from './read.ts'
import { tokenize, type Token } from './route-tokens.ts'

/** Where a route leads. */
export type Sink =
  { readonly kind: 'upstream' } | { readonly kind: 'module'; readonly module: string; readonly input: string }

/** A route as far as parsing goes; {@link compileRoute} says whether it works. */
export interface ParsedRoute {
  readonly sink: Sink
  readonly calls: readonly Call[]
}

/** A route that parses and does not compile: edgeHub applies nothing of its new configuration, and its twin says 200 (Evaluator.cs). */
export class RouteCompilationError extends Error {
  override readonly name = 'RouteCompilationError'
}

// Route.g4: a source is a path of `*` and names without the characters that HTTP calls separators.
const source = /^\s*(?:select\s+\*\s+)?from\s+((?:\/[^()<>@,;:\\"/[\]?={}\s]+)+)\s+/i

/**
 * Parses one of edgeHub's routes: `[SELECT *] FROM path [WHERE condition] INTO sink` (deployment-manifests.md §1.3).
 *
 * @throws {DeploymentError} 400; edgeHub refuses its whole configuration for one bad route
 */
export function parseRoute(text: string): ParsedRoute {
  const head = source.exec(text)
  if (head === null) refuse(`Error parsing route ${text}: expected FROM and a path`)
  const tokens = tokenize(text, head[0].length)
  const condition = isName(tokens[0], 'where') ? new ConditionParser(tokens.slice(1)) : undefined
  const rest = condition?.parse() ?? tokens
  if (!isName(rest[0], 'into')) refuse(`Error parsing route ${text}: expected INTO`)
  return { sink: parseSink(rest.slice(1), text), calls: condition?.calls ?? [] }
}

/** The signatures of the builtins: an argument each, `*` for as many more as one likes, `?` for one that may be left out. */
const signatures = [
  'abs n, exp n, power n n, square n, ceiling n, floor n, sign n, sqrt n',
  'as_number v, is_bool v, is_defined v, is_null v, is_number v, is_string v',
  'concat s s *, length s, lower s, upper s, substring s n ?, index_of s s, starts_with s s, ends_with s s, contains s s'
]
const builtins = new Map(
  signatures
    .join(', ')
    .split(', ')
    .map((signature) => {
      const [name = '', ...parameters] = signature.split(' ')
      const required = parameters.filter((parameter) => /[a-z]/.test(parameter)).length
      const optional = parameters.includes('*') ? Infinity : parameters.filter((parameter) => parameter === '?').length
      return [name, { required, most: required + optional }] as const
    })
)

/**
 * Looks at the functions of a route as edgeHub's compiler does. `twin_change_includes` is in its list too, but wants a source that
 * no route of edgeHub has (TwinChangeIncludes.cs).
 *
 * @throws {RouteCompilationError}
 */
export function compileRoute({ calls }: ParsedRoute): void {
  for (const { name, given } of calls) {
    const builtin = builtins.get(name.toLowerCase())
    if (builtin === undefined) throw new RouteCompilationError(`Invalid built-in function name '${name}'`)
    if (given < builtin.required || given > builtin.most)
      throw new RouteCompilationError(`Invalid arguments to built-in function '${name}'`)
  }
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
