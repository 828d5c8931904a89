import { createInterface } from 'node:readline'
import type { CloudRegistry } from '../../acr/cloud-registry.ts'
import type { Management } from '../../acr/management.ts'
import { checkName, checkSubscription, registryName } from '../../acr/names.ts'
import type { Context } from '../../context.ts'
import { GeneratorError } from '../../errors.ts'
import { isCi } from '../../io.ts'
import type { Site } from '../../site-file/site.ts'
import type { Arguments } from './arguments.ts'

/** One command that was asked for: what it was given, whom it asks, and what it may show. */
export class Invocation {
  readonly args: Arguments
  readonly context: Context
  #management: Promise<Management> | undefined
  #showed = false

  constructor(args: Arguments, context: Context) {
    this.args = args
    this.context = context
  }

  /** Whether the result holds a secret on purpose. */
  get showsSecrets(): boolean {
    return this.#showed
  }

  /**
   * The cloud registry that the command is about.
   *
   * @param option which option names it
   */
  async registry(option: '--registry' | '--name' = '--registry'): Promise<CloudRegistry> {
    const name = registryName(this.args.text(option))
    const group = this.args.optional('--resource-group')
    if (group !== undefined) checkName('resource group', group)
    return (await this.management()).open(name, group)
  }

  management(): Promise<Management> {
    const subscription = this.args.optional('--subscription') ?? this.context.io.env['AZURE_SUBSCRIPTION_ID'] ?? ''
    if (subscription === '')
      throw this.args.usage('say which subscription with --subscription or AZURE_SUBSCRIPTION_ID')
    const cloud = (this.args.optional('--cloud') ?? 'AzureCloud') as Site['azure']['cloud']
    this.#management ??= this.context.management({ subscription: checkSubscription(subscription), cloud })
    return this.#management
  }

  /** As az prints warnings: to stderr, and not with --only-show-errors. */
  warn(text: string): void {
    if (!this.args.has('--only-show-errors')) this.context.stderr.write(`WARNING: ${text}\n`)
  }

  /**
   * Asks a person, unless --yes was given.
   *
   * @throws {GeneratorError} `NOT_CONFIRMED` where the answer is no, or nobody is there to ask
   */
  async confirm(question: string): Promise<void> {
    if (this.args.has('--yes')) return
    const { stdin, stderr, env, signal } = this.context.io
    if (stdin?.isTTY !== true || isCi(env))
      throw new GeneratorError('NOT_CONFIRMED', `${question} There is nobody to ask: give --yes`)
    // Without an output of its own it leaves editing and echo to the terminal.
    const reader = createInterface({ input: stdin, signal })
    stderr.write(`${question} (y/n): `)
    for await (const line of reader) {
      const answer = line.trim().toLowerCase()
      if (['y', 'yes'].includes(answer)) return
      if (['n', 'no'].includes(answer)) break
      stderr.write(`${question} (y/n): `)
    }
    if (signal.aborted) throw new GeneratorError('CANCELLED', 'stopped at the question; nothing was done')
    throw new GeneratorError('NOT_CONFIRMED', 'Nothing was done.')
  }

  /**
   * What to print of a secret that was asked for and is stored: the secret, or null into the log of a CI, where
   * --show-secrets was not given.
   */
  secret(value: string): string | null {
    const { io, redaction } = this.context
    redaction.add(value)
    if (isCi(io.env) && io.stdout.isTTY !== true && !this.args.has('--show-secrets')) return null
    this.#showed = true
    return value
  }
}
