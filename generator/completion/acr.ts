import { Command, Option } from 'commander'
import type { Option as AcrOption } from '../commands/acr/arguments.ts'
import { acrCommands } from '../commands/acr/acr.ts'
import { common } from '../commands/acr/options.ts'

/** `causeway acr`, which is read as az reads it, in the form that the other commands have. */
export function acrCommandTree(): Command {
  const root = new Command('acr').helpOption(false).helpCommand(false)
  for (const { words, summary, options } of acrCommands) {
    let command = root
    for (const word of words.split(' ')) {
      const known = command.commands.find((each) => each.name() === word)
      command = known ?? command.command(word).helpOption(false).helpCommand(false)
    }
    command.description(summary)
    for (const option of [...options, ...common]) command.addOption(asOption(option))
  }
  return root
}

const values: Readonly<Record<AcrOption['arity'], string>> = {
  flag: '',
  one: ' <value>',
  optional: ' [value]',
  some: ' <value...>',
  any: ' [value...]'
}

function asOption({ names, arity, help, choices }: AcrOption): Option {
  const long = names.find((name) => name.startsWith('--')) ?? ''
  const letter = names.find((name) => /^-[a-z]$/i.test(name))
  const option = new Option(`${letter === undefined ? '' : `${letter}, `}${long}${values[arity]}`, help)
  return choices === undefined ? option : option.choices(choices)
}
