import { compile, search } from '@jmespath-community/jmespath'
import { GeneratorError } from '../../errors.ts'
import { sortKeys, type Json } from './json.ts'

/** Documented az commands still write texts in backquotes without quotes inside, as `[?name==`x`]`. */
const options = { enable_legacy_literals: true }

/**
 * Prepares `--query`, so that a mistake in it is told before Azure is called.
 *
 * @throws {GeneratorError} `USAGE`
 */
export function prepareQuery(expression: string): (value: Json) => Json {
  try {
    compile(expression, options)
  } catch (error) {
    throw invalid(expression, error)
  }
  return (value) => {
    try {
      // Sorted first, so that a document's own members come sorted, and those that the query names in its order, as in az.
      return search(sortKeys(value) as Parameters<typeof search>[0], expression, options)
    } catch (error) {
      throw invalid(expression, error)
    }
  }
}

function invalid(expression: string, error: unknown): GeneratorError {
  const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
  return new GeneratorError('USAGE', `argument --query: ${expression} is not JMESPath: ${reason}`, { cause: error })
}
