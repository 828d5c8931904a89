import type { Argument, Command, Option } from 'commander'

/** What a shell may put in place of the word at the cursor. */
export interface Completion {
  readonly candidates: readonly Candidate[]
  /** Whether the shell is to look for files or folders besides. */
  readonly paths: 'none' | 'files' | 'folders'
}

export interface Candidate {
  readonly value: string
  readonly description?: string
}

/** What stands for a value that the command line itself has no list of. */
export interface Values {
  /** @param words before the cursor, of which some tell where to look, as `--site` does */
  of(name: ValueName, words: readonly string[]): Promise<readonly Candidate[]>
}

export const valueNames = ['devices', 'image sets', 'deployments', 'tokens', 'slots', 'repositories', 'codes'] as const
export type ValueName = (typeof valueNames)[number]

/** By what help calls them. An option's own name goes first: an `<id>` may be of anything. */
const byFlag: Readonly<Record<string, ValueName>> = {
  '--device': 'devices',
  '--abandon': 'devices',
  '--image-set': 'image sets',
  '--deployment': 'deployments',
  '--token': 'tokens',
  '--repository': 'repositories'
}
const byPlaceholder: Readonly<Record<string, ValueName | 'files' | 'folders'>> = {
  devices: 'devices',
  token: 'tokens',
  tokens: 'tokens',
  'token/slot': 'slots',
  code: 'codes',
  file: 'files',
  files: 'files',
  // A file or a key vault.
  place: 'files',
  folder: 'folders'
}

/** What an option's value is, as far as it can be completed. */
export function valueOf(option: Option): ValueName | 'files' | 'folders' | 'choices' | undefined {
  if (option.argChoices !== undefined) return 'choices'
  const [, placeholder = ''] = /[<[]([^>\].]+)/.exec(option.flags) ?? []
  return byFlag[option.long ?? ''] ?? byPlaceholder[placeholder]
}

/**
 * Completes the last word, out of the commands themselves: what is added to the command line is completed from then on.
 *
 * @param words what stands behind the program's name up to the cursor, the last of them often empty
 */
export async function complete(program: Command, words: readonly string[], values: Values): Promise<Completion> {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const { command, awaiting, position, onlyArguments } = walk(program, before)
  if (awaiting !== undefined && !(current.startsWith('-') && (awaiting.optional || awaiting.variadic)))
    return ofOption(awaiting)
  if (!onlyArguments && current.startsWith('-')) {
    const [, flag = '', equals] = /^([^=]*)(=?)/.exec(current) ?? []
    const option = equals === '=' ? findOption(command, flag) : undefined
    if (option !== undefined) return prefixed(await ofOption(option), `${flag}=`)
    return { candidates: options(command), paths: 'none' }
  }
  const commands = position === 0 && !onlyArguments ? subcommands(command) : []
  // `causeway images gateway` is `causeway images list gateway`.
  const takes = command.registeredArguments.length > 0 || position > 0 ? command : (defaultOf(command) ?? command)
  const argument = takes.registeredArguments[position] ?? variadic(takes)
  const own = argument === undefined ? nothing : await ofArgument(argument)
  const candidates = [...commands, ...own.candidates]
  // Where nothing else can stand, an option can.
  if (candidates.length === 0 && own.paths === 'none' && argument === undefined && !onlyArguments)
    return { candidates: options(command), paths: 'none' }
  return { candidates, paths: own.paths }

  async function ofOption(option: Option): Promise<Completion> {
    const value = valueOf(option)
    return value === 'choices' ? listed(option.argChoices ?? []) : ofValue(value)
  }

  async function ofArgument(argument: Argument): Promise<Completion> {
    if (argument.argChoices !== undefined) return listed(argument.argChoices)
    // Of the help command.
    if (argument.name() === 'command') return { candidates: subcommands(program), paths: 'none' }
    return ofValue(byPlaceholder[argument.name()])
  }

  async function ofValue(value: ReturnType<typeof valueOf>): Promise<Completion> {
    if (value === undefined || value === 'choices') return nothing
    if (value === 'files' || value === 'folders') return { candidates: [], paths: value }
    return { candidates: await values.of(value, before), paths: 'none' }
  }
}

const nothing: Completion = { candidates: [], paths: 'none' }

interface Place {
  readonly command: Command
  /** The option whose value comes next. */
  readonly awaiting: Option | undefined
  /** How many arguments of the command are there. */
  readonly position: number
  /** Behind `--`. */
  readonly onlyArguments: boolean
}

/** Reads the words as commander would, without refusing any. */
function walk(program: Command, words: readonly string[]): Place {
  let command = program
  let awaiting: Option | undefined
  let position = 0
  let onlyArguments = false
  for (const word of words) {
    if (awaiting !== undefined && !(word.startsWith('-') && word !== '-')) {
      // `--repository REPO ACTION…` takes what follows, up to the next option.
      if (!awaiting.variadic) awaiting = undefined
      continue
    }
    awaiting = undefined
    if (onlyArguments || word === '-' || !word.startsWith('-')) {
      const next = position === 0 && !onlyArguments ? find(command, word) : undefined
      if (next === undefined) position++
      else command = next
    } else if (word === '--') onlyArguments = true
    else {
      const option = word.includes('=') ? undefined : findOption(command, word)
      if (option?.required === true || option?.optional === true) awaiting = option
    }
  }
  return { command, awaiting, position, onlyArguments }
}

function visible(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command)
}

function find(command: Command, name: string): Command | undefined {
  return visible(command).find((each) => each.name() === name || each.aliases().includes(name))
}

function subcommands(command: Command): Candidate[] {
  return visible(command).map((each) => ({ value: each.name(), description: each.description() }))
}

/** commander keeps the name of the default command to itself; help of the options shows it by what it takes. */
function defaultOf(command: Command): Command | undefined {
  const name = (command as Command & { readonly _defaultCommandName?: string | null })._defaultCommandName
  return name === undefined || name === null ? undefined : find(command, name)
}

function variadic(command: Command): Argument | undefined {
  const last = command.registeredArguments.at(-1)
  return last?.variadic === true ? last : undefined
}

function findOption(command: Command, flag: string): Option | undefined {
  return command
    .createHelp()
    .visibleOptions(command)
    .find(({ long, short }) => flag === long || flag === short)
}

function options(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, short, description }) => {
      const value = long ?? short
      return value === undefined ? [] : [{ value, description }]
    })
}

function listed(words: readonly string[]): Completion {
  return { candidates: words.map((value) => ({ value })), paths: 'none' }
}

function prefixed({ candidates, paths }: Completion, prefix: string): Completion {
  return { candidates: candidates.map((each) => ({ ...each, value: `${prefix}${each.value}` })), paths }
}

/**
 * What the shells' functions read: a line for the paths, then one for each candidate that begins with the word at the cursor, with a
 * tab before its description.
 */
export function formatCompletion({ candidates, paths }: Completion, current: string): string {
  const seen = new Set<string>()
  const lines = candidates.flatMap(({ value, description = '' }) => {
    // What a file calls a name, and a shell or a terminal would take for more than a word, stays away from both.
    if (!value.startsWith(current) || seen.has(value) || !/^[\w@%+=:,./-]+$/.test(value)) return []
    seen.add(value)
    return [`${value}\t${short(description)}`]
  })
  return `:${paths}\n${lines.map((line) => `${line}\n`).join('')}`
}

/** As much of a description as stands beside a word on a terminal. */
function short(description: string): string {
  const [text = ''] = description.split(/[\n;]/, 1)
  return text.length > 70 ? `${text.slice(0, 69)}…` : text
}
