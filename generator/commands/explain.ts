import type { Context } from '../context.ts'
import { GeneratorError } from '../errors.ts'
import { suggest } from '../site-file/suggest.ts'
import { examples, shown } from '../validate/examples.ts'
import { rules, type RuleCode } from '../validate/rules.ts'

/**
 * Prints what a finding's code means, why it matters and what to do.
 *
 * @throws {GeneratorError} `USAGE` for a code that is none
 */
export function explain(context: Context, code: string): void {
  const known = code.toUpperCase()
  if (!isRule(known))
    throw new GeneratorError(
      'USAGE',
      `there is no rule ${code}${suggest(known, Object.keys(rules))}; causeway explain lists them`
    )
  const { severity, title, why, whatToDo, facts } = rules[known]
  context.stdout.write(
    `${known} (${severity}): ${title}\n\nWhy: ${why}\n\nWhat to do: ${whatToDo}\n\n${exampleOf(known)}\n\nFacts: ${facts}\n`
  )
}

function exampleOf(code: RuleCode): string {
  const { path, wrong, right } = examples[code]
  const where = path.length === 0 ? '' : `, at ${['modulesContent', ...path].join('.')}`
  const side = (value: unknown): string => (path.length === 0 ? String(value) : shown(value)).replace(/^/gm, '  ')
  return `Found${where}:\n${side(wrong)}\nInstead:\n${side(right)}`
}

/** Every code with its title. */
export function listRules(context: Context): void {
  for (const [code, { severity, title }] of Object.entries(rules))
    context.stdout.write(`${code}  ${severity.padEnd(7)}  ${title}\n`)
}

function isRule(code: string): code is RuleCode {
  return Object.hasOwn(rules, code)
}
