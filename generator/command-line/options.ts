import { InvalidArgumentError, Option, type Command } from 'commander'
import type { CommonOptions, Context } from '../context.ts'
import { defaultTemplate } from '../deployment/template-name.ts'
import type { ExitCode } from '../errors.ts'
import { progressStyles } from '../output/progress.ts'

/* Options that several commands have, and what reads their values. */

/** Does the work of a command, and keeps how it ended. */
export type Runner = (options: CommonOptions, action: (context: Context) => Outcome | Promise<Outcome>) => Promise<void>

/** An exit code of its own, where a command that did its work has news for a pipeline. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most commands have none, and return nothing
type Outcome = ExitCode | void

export function common(command: Command): Command {
  return command
    .option('--site <file>', 'the site file (default: site.yaml)')
    .option(
      '--secrets <place>',
      "where passwords are kept: an encrypted file, a key vault's https://name.vault.azure.net, or environment (default: the site file's key vault, or .causeway/secrets.jwe beside it)"
    )
    .addOption(
      new Option('--progress <style>', 'how to show progress, on stderr').choices(progressStyles).default('auto')
    )
}

/** A command that calls devices. */
export function called(command: Command): Command {
  return common(command)
    .argument('[devices...]', 'which devices, * for anything; not needed where the site has one')
    .option('--all', 'all devices of the site')
    .addOption(outcomeOption())
    .addOption(
      new Option('--timeout <seconds>', 'seconds that a device has for its answer, 5 to 300')
        .argParser(answerSeconds)
        .default(30)
    )
}

export function outcomeOption(): Option {
  return new Option('--output <format>', 'lines for people, or JSON lines').choices(['text', 'json']).default('text')
}

export function platformOption(): Option {
  return new Option(
    '--platform <platform>',
    'for modules that the template names as ${MODULES.name} (default: DEFAULT_PLATFORM, or amd64)'
  )
}

export function templateOption(): Option {
  return new Option('--template <file>', 'the deployment template').default(defaultTemplate)
}

export function devicesOption(more = 'all where it is not given'): Option {
  return new Option('--device <id>', `which device, * for anything; may be given several times; ${more}`).argParser(
    collect
  )
}

export function imageCheckOption(): Option {
  return new Option('--no-image-check', "do not ask the cloud registry whether the devices' images are there")
}

export function timeoutOption(fallback: number): Option {
  return new Option('--timeout <seconds>', 'seconds to wait').argParser(seconds).default(fallback)
}

export function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0 || value > 86_400)
    throw new InvalidArgumentError('a number of seconds, up to a day')
  return value
}

/** What IoT Hub allows. */
export function answerSeconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 5 || value > 300) throw new InvalidArgumentError('5 to 300 seconds')
  return value
}

export function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, 0 or more')
  return value
}

export function collect(value: string, before: readonly string[] | false | undefined): readonly string[] {
  return [...(before === undefined || before === false ? [] : before), value]
}

/** As {@link collect}, of words that are known: a parser of its own takes the place of the one that `choices` brings. */
export function collectOf(known: readonly string[]) {
  return (value: string, before: readonly string[] | undefined): readonly string[] => {
    if (!known.includes(value)) throw new InvalidArgumentError(`Allowed choices are ${known.join(', ')}.`)
    return collect(value, before)
  }
}

export function port(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new InvalidArgumentError('a port, 1 to 65535')
  return value
}
