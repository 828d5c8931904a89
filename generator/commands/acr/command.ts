import type { Option } from './arguments.ts'
import type { Invocation } from './invocation.ts'
import type { Json } from './json.ts'
import type { Row } from './output.ts'

/** One command of `causeway acr`, which does what az's command of the same words does. */
export interface AcrCommand {
  /** Without `acr`: `token credential generate`. */
  readonly words: string
  readonly summary: string
  readonly options: readonly Option[]
  readonly table?: (result: Json) => readonly Row[]
  /** @returns what to print; null prints nothing */
  run(call: Invocation): Promise<Json>
}
