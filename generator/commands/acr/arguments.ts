import { GeneratorError } from '../../errors.ts'
import { suggest } from '../../site-file/suggest.ts'

/**
 * How many words follow an option, as argparse's `nargs` has it: `one`; `flag` none; `optional` one or none (then `true`);
 * `some` one or more; `any` none or more.
 */
export type Arity = 'one' | 'flag' | 'optional' | 'some' | 'any'

/** One option of a command. */
export interface Option {
  /** az's spellings, the one that messages name first: `['--name', '-n']`. */
  readonly names: readonly string[]
  readonly arity: Arity
  readonly help: string
  readonly required?: boolean
  /** Repeated, each occurrence is kept by itself; otherwise the last one counts. */
  readonly append?: boolean
  /** Taken in any case, and given on in this one. */
  readonly choices?: readonly string[]
  /** Spellings that work and are shown to nobody: those that az deprecated. */
  readonly hidden?: readonly string[]
  /** An option of Causeway's, not of az: it takes no prefix away from those that az has, so it is written in full. */
  readonly own?: boolean
}

/** The words of each occurrence of each option, by the option's first name. */
export type Parsed = ReadonlyMap<string, readonly (readonly string[])[]>

/**
 * Reads a command line as Python's argparse does, which is what az uses: unambiguous prefixes of long options, `--name=x`,
 * `-n x`, `-nx`, `-n=x`, options of several words that end at the next option. Positional words there are none.
 *
 * @param command for messages: `acr token create`
 * @throws {GeneratorError} `USAGE`
 */
export function parseArguments(command: string, options: readonly Option[], words: readonly string[]): Parsed {
  const parsed = new Map<string, (readonly string[])[]>()
  const stray: string[] = []
  for (let at = 0; at < words.length;) {
    const word = words[at++] ?? ''
    const found = word === '--' ? undefined : recognise(command, options, word)
    if (found === undefined) {
      stray.push(word)
      continue
    }
    const given: string[] = found.value === undefined ? [] : [found.value]
    const most = found.value !== undefined ? 1 : mostWords(found.option.arity)
    while (given.length < most && at < words.length && !looksLikeOption(command, options, words[at] ?? ''))
      given.push(words[at++] ?? '')
    const values = check(command, found.option, given, found.value !== undefined)
    const name = nameOf(found.option)
    parsed.set(name, [...(found.option.append === true ? (parsed.get(name) ?? []) : []), values])
  }
  if (stray.length > 0) throw usage(command, `unrecognized arguments: ${stray.join(' ')}${nearest(options, stray)}`)
  const missing = options.filter((option) => option.required === true && !parsed.has(nameOf(option)))
  if (missing.length > 0)
    throw usage(
      command,
      `the following arguments are required: ${missing.map(({ names }) => names.join('/')).join(', ')}`
    )
  return parsed
}

export function nameOf(option: Option): string {
  return option.names[0] ?? ''
}

export function usage(command: string, problem: string): GeneratorError {
  return new GeneratorError('USAGE', `causeway ${command}: ${problem}. See causeway ${command} --help`)
}

interface Recognised {
  readonly option: Option
  /** What was joined on with `=`, or directly after one letter. */
  readonly value?: string
}

function recognise(command: string, options: readonly Option[], word: string): Recognised | undefined {
  if (!word.startsWith('-') || word === '-') return undefined
  const equals = word.indexOf('=')
  const name = equals === -1 ? word : word.slice(0, equals)
  const joined = equals === -1 ? {} : { value: word.slice(equals + 1) }
  const exact = options.find((option) => spellings(option).includes(name))
  if (exact !== undefined) return { option: exact, ...joined }
  if (!word.startsWith('--')) {
    const short = options.find((option) => option.names.includes(word.slice(0, 2)))
    return short === undefined ? undefined : { option: short, value: word.slice(2) }
  }
  const candidates = options
    .filter((option) => option.own !== true)
    .flatMap((option) => spellings(option).map((spelling) => ({ option, spelling })))
    .filter(({ spelling }) => spelling.startsWith(name))
  const [first, ...others] = candidates
  if (first === undefined) return undefined
  if (others.some(({ option }) => option !== first.option))
    throw usage(
      command,
      `ambiguous option: ${name} could match ${candidates.map(({ spelling }) => spelling).join(', ')}`
    )
  return { option: first.option, ...joined }
}

/** As argparse sorts words: what has a space is text, and so is a negative number, since no option looks like one. */
function looksLikeOption(command: string, options: readonly Option[], word: string): boolean {
  if (!word.startsWith('-') || word === '-') return false
  if (word === '--' || recognise(command, options, word) !== undefined) return true
  return !/^-\d+$|^-\d*\.\d+$/.test(word) && !word.includes(' ')
}

function mostWords(arity: Arity): number {
  if (arity === 'flag') return 0
  return arity === 'one' || arity === 'optional' ? 1 : Infinity
}

function check(command: string, option: Option, given: readonly string[], joined: boolean): readonly string[] {
  const where = `argument ${option.names.join('/')}`
  if (option.arity === 'flag' && joined) throw usage(command, `${where}: takes no value`)
  if (option.arity === 'one' && given.length === 0) throw usage(command, `${where}: expected one argument`)
  if (option.arity === 'some' && given.length === 0) throw usage(command, `${where}: expected at least one argument`)
  const values = option.arity === 'optional' && given.length === 0 ? ['true'] : given
  const { choices } = option
  if (choices === undefined) return values
  return values.map((value) => {
    const choice = choices.find((known) => known.toLowerCase() === value.toLowerCase())
    if (choice !== undefined) return choice
    throw usage(command, `${where}: '${value}' is none of ${choices.join(', ')}${suggest(value, choices)}`)
  })
}

function nearest(options: readonly Option[], stray: readonly string[]): string {
  const unknown = stray.find((word) => word.startsWith('--'))
  if (unknown === undefined) return ''
  return suggest(
    unknown,
    options.flatMap(({ names }) => names)
  )
}

function spellings(option: Option): readonly string[] {
  return [...option.names, ...(option.hidden ?? [])]
}

/** What a command was given, by the first names of its options. */
export class Arguments {
  readonly command: string
  readonly #parsed: Parsed

  constructor(command: string, parsed: Parsed) {
    this.command = command
    this.#parsed = parsed
  }

  has(name: string): boolean {
    return this.#parsed.has(name)
  }

  optional(name: string): string | undefined {
    return this.#parsed.get(name)?.[0]?.[0]
  }

  /** One that the parser insisted on. */
  text(name: string): string {
    const value = this.optional(name)
    if (value === undefined) throw this.usage(`the following arguments are required: ${name}`)
    return value
  }

  /** `[true|false]` */
  threeState(name: string): boolean | undefined {
    const value = this.optional(name)
    return value === undefined ? undefined : value === 'true'
  }

  /** All words of an option of several, or undefined where it was not given. */
  list(name: string): readonly string[] | undefined {
    return this.#parsed.get(name)?.flat()
  }

  /** The words of each occurrence of an option that is kept by occurrence. */
  groups(name: string): readonly (readonly string[])[] {
    return this.#parsed.get(name) ?? []
  }

  usage(problem: string): GeneratorError {
    return usage(this.command, problem)
  }
}
