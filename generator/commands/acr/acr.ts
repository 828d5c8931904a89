import type { CommonOptions, Context } from '../../context.ts'
import { GeneratorError } from '../../errors.ts'
import { suggest } from '../../site-file/suggest.ts'
import { Arguments, parseArguments } from './arguments.ts'
import type { AcrCommand } from './command.ts'
import { connectedRegistryCommands } from './connected-registries.ts'
import { commandHelp, groupHelp } from './help.ts'
import { Invocation } from './invocation.ts'
import { common } from './options.ts'
import { formatResult, outputFormats } from './output.ts'
import { prepareQuery } from './query.ts'
import { registryCommands } from './registries.ts'
import { scopeMapCommands } from './scope-maps.ts'
import { tokenCommands } from './tokens.ts'

export const acrCommands: readonly AcrCommand[] = [
  ...registryCommands,
  ...scopeMapCommands,
  ...tokenCommands,
  ...connectedRegistryCommands
]

/** A command line that was read, and what is to be done. */
export interface PreparedAcr {
  readonly options: CommonOptions
  readonly run: (context: Context) => Promise<void>
}

/**
 * Reads what stands behind `causeway acr`, as az would read it behind `az acr`.
 *
 * @throws {GeneratorError} `USAGE`
 */
export function prepareAcr(words: readonly string[]): PreparedAcr {
  const first = words.findIndex((word) => word.startsWith('-'))
  const leading = (first === -1 ? words : words.slice(0, first)).map((word) => word.toLowerCase())
  // The longest that fits: `token credential delete` before anything shorter.
  const command = acrCommands
    .filter((each) => startsWith(leading, each.words.split(' ')))
    .sort((a, b) => b.words.length - a.words.length)[0]
  if (command === undefined) return { options: {}, run: helpFor(leading, words) }
  const rest = words.slice(command.words.split(' ').length)
  if (asksForHelp(rest)) return { options: {}, run: print(commandHelp(command, common)) }
  const name = `acr ${command.words}`
  const args = new Arguments(name, parseArguments(name, [...command.options, ...common], rest))
  const secrets = args.optional('--secrets')
  // Before anything is done: a mistake in it is not to cost a password.
  const expression = args.optional('--query')
  const query = expression === undefined ? undefined : prepareQuery(expression)
  const format = outputFormats.find((known) => known === args.optional('--output')) ?? 'json'
  return {
    options: secrets === undefined ? {} : { secrets },
    async run(context) {
      const call = new Invocation(args, context)
      const result = await command.run(call)
      const { table } = command
      const text = formatResult(query === undefined ? result : query(result), {
        format,
        ...(table === undefined ? {} : { table }),
        queried: query !== undefined
      })
      if (text !== '') (call.showsSecrets ? context.io.stdout : context.stdout).write(text)
    }
  }
}

function helpFor(leading: readonly string[], words: readonly string[]): PreparedAcr['run'] {
  const group = leading.filter((_, index) =>
    acrCommands.some((each) => startsWith(each.words.split(' '), leading.slice(0, index + 1)))
  )
  const commands = acrCommands.filter((each) => startsWith(each.words.split(' '), group))
  if (
    group.length === leading.length &&
    (leading.length === 0 || asksForHelp(words) || leading.length === words.length)
  )
    return print(groupHelp(group.join(' '), commands))
  const wrong = leading[group.length] ?? words[leading.length] ?? ''
  const next = [...new Set(commands.map((each) => each.words.split(' ')[group.length] ?? ''))]
  throw new GeneratorError(
    'USAGE',
    `causeway acr${group.map((word) => ` ${word}`).join('')} has no command ${JSON.stringify(wrong.slice(0, 60))}${suggest(wrong, next)} (it has ${next.join(', ')})`
  )
}

function asksForHelp(words: readonly string[]): boolean {
  return words.includes('--help') || words.includes('-h')
}

function print(text: string): PreparedAcr['run'] {
  return (context) => {
    context.stdout.write(text)
    return Promise.resolve()
  }
}

function startsWith(whole: readonly string[], start: readonly string[]): boolean {
  return start.every((word, index) => whole[index] === word)
}
