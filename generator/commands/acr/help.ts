import { nameOf, type Option } from './arguments.ts'
import type { AcrCommand } from './command.ts'

/** What `--help` prints of a group of commands, or of all. */
export function groupHelp(group: string, commands: readonly AcrCommand[]): string {
  const prefix = group === '' ? '' : `${group} `
  const width = Math.max(...commands.map(({ words }) => words.length - prefix.length))
  const lines = commands.map(({ words, summary }) => `  ${words.slice(prefix.length).padEnd(width)}  ${summary}`)
  return [
    `Usage: causeway acr ${prefix}<command> [options]`,
    '',
    'What az acr does, with the names, options and outputs that az has.',
    '',
    'Commands:',
    ...lines,
    '',
    'causeway acr <command> --help shows the options of a command.',
    ''
  ].join('\n')
}

export function commandHelp(command: AcrCommand, common: readonly Option[]): string {
  return [
    `Usage: causeway acr ${command.words} [options]`,
    '',
    `${command.summary.slice(0, 1).toUpperCase()}${command.summary.slice(1)}.`,
    '',
    'Options:',
    ...optionLines(command.options),
    '',
    'For every command:',
    ...optionLines(common),
    ''
  ].join('\n')
}

function optionLines(options: readonly Option[]): string[] {
  const heads = options.map((option) => `${option.names.join(', ')}${argumentOf(option)}`)
  const width = Math.min(48, Math.max(...heads.map(({ length }) => length)))
  return options.map((option, index) => {
    const needed = option.required === true ? ' [required]' : ''
    return `  ${(heads[index] ?? '').padEnd(width)}  ${option.help}${needed}`
  })
}

function argumentOf(option: Option): string {
  if (option.arity === 'flag') return ''
  const what = option.choices?.join('|') ?? nameOf(option).replace(/^-+/, '').replaceAll('-', '_').toUpperCase()
  if (option.arity === 'optional') return ` [${what}]`
  return option.arity === 'one' ? ` ${option.choices === undefined ? what : `{${what}}`}` : ` ${what}…`
}
