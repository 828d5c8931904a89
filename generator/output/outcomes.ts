import type { Outcome } from '../acr/provision.ts'
import type { Output } from '../io.ts'
import type { Progress } from './progress.ts'

/** How a command that changes things tells what became of them. */
export type OutcomeStyle = 'text' | 'json'

/** Tells outcomes as they come: a line each, or a JSON object a line. */
export function outcomeWriter(style: OutcomeStyle, output: Output, progress: Progress): (outcome: Outcome) => void {
  return (outcome) => {
    const { kind, name, detail } = outcome
    const text = `${outcome.outcome.padEnd(9)} ${kind} ${name}${detail === undefined ? '' : ` (${detail})`}`
    progress.print(() => void output.write(`${style === 'json' ? JSON.stringify(outcome) : text}\n`))
  }
}
