import { data, Evaluator, Lexer, Parser } from '@actions/expressions'

/** A function of an expression: its arguments as text. */
export type Functions = Readonly<Record<string, (...words: string[]) => boolean>>

/**
 * Evaluates an expression with GitHub's own evaluator; Azure Pipelines writes conditions in the same grammar.
 *
 * @param contexts what names stand for: `steps`, `inputs`, `variables`, …
 * @throws {Error} for what is no expression, and for names and functions that there are not
 */
export function evaluate(expression: string, contexts: object, functions: Functions = {}): data.ExpressionData {
  const definitions = Object.entries(functions).map(([name, call]) => ({
    name,
    minArgs: 0,
    maxArgs: 20,
    call: (...words: data.ExpressionData[]) => new data.BooleanData(call(...words.map((word) => word.coerceString())))
  }))
  const { tokens } = new Lexer(expression).lex()
  const tree = new Parser(tokens, Object.keys(contexts), definitions).parse()
  const known = new Map(definitions.map((definition) => [definition.name.toLowerCase(), definition]))
  return new Evaluator(tree, dictionary(contexts), known).evaluate()
}

/** Whether a condition holds; an empty one is what it is where nobody writes one. */
export function holds(condition: string, contexts: object, functions: Functions): boolean {
  const value = evaluate(condition, contexts, functions)
  return !['', 'false', '0'].includes(value.coerceString())
}

function dictionary(value: object): data.Dictionary {
  return new data.Dictionary(...Object.entries(value).map(([key, entry]) => ({ key, value: expressionData(entry) })))
}

function expressionData(value: unknown): data.ExpressionData {
  if (typeof value === 'string') return new data.StringData(value)
  if (typeof value === 'number') return new data.NumberData(value)
  if (typeof value === 'boolean') return new data.BooleanData(value)
  if (typeof value === 'object' && value !== null) return dictionary(value)
  return new data.Null()
}
