import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { AnonymousPullOptions } from './commands/anonymous-pull.ts'
import type { CheckOptions } from './commands/check.ts'
import type { ConfigureOptions } from './commands/configure.ts'
import type { DeployOptions } from './commands/deploy.ts'
import type { GenerateCommandOptions } from './commands/generate.ts'
import type { ImagesImportOptions } from './commands/images.ts'
import type { ImagesListOptions, MethodOptions, PauseOptions } from './commands/methods.ts'
import type { PlanOptions } from './commands/plan.ts'
import type { ProvisionOptions } from './commands/provision.ts'
import type { RevokeOptions } from './commands/revoke.ts'
import type { RotateOptions } from './commands/rotate.ts'
import type { SecretsShowOptions } from './commands/secrets.ts'
import type { StatusOptions } from './commands/status.ts'
import type { ValidateOptions } from './commands/validate.ts'
import { Context, type CommonOptions, type Services } from './context.ts'
import { defaultTemplate } from './deployment/template-name.ts'
import { exitCodes, type ExitCode } from './errors.ts'
import type { Io } from './io.ts'
import { reportError } from './output/errors.ts'
import { planStyles } from './plan/format.ts'
import { progressStyles } from './output/progress.ts'

/**
 * Runs one command line.
 *
 * @param args without node and script
 * @returns the exit code; nothing is thrown
 */
export async function run(args: readonly string[], io: Io, services: Services): Promise<ExitCode> {
  let failed: ExitCode = exitCodes.ok
  const program = createProgram(io, async (options, action) => {
    const context = new Context(io, services, options)
    try {
      failed = (await action(context)) ?? exitCodes.ok
    } catch (error) {
      // What is drawn goes first, so that the error stands below it.
      await context.close()
      failed = reportError(error, { stderr: context.stderr, env: io.env })
    } finally {
      await context.close()
    }
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return failed
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.error
    return reportError(error, io)
  }
}

type Runner = (options: CommonOptions, action: (context: Context) => Outcome | Promise<Outcome>) => Promise<void>

/** An exit code of its own, where a command that did its work has news for a pipeline. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most commands have none, and return nothing
type Outcome = ExitCode | void

/** The command line. Each command's code is loaded when it runs, so that `--help` answers at once. */
function createProgram(io: Io, act: Runner): Command {
  const program = new Command('causeway')
    .description('Connected registries for Azure IoT Edge: what they need in the cloud, their deployments and settings')
    .version(packageJson.version, '--version', 'print the version')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .addHelpText('after', `\n${environmentHelp}`)

  common(program.command('provision'))
    .description('make scope maps, tokens and passwords in the cloud registry; safe to run again')
    .option('--regenerate <token/slot>', 'make this password anew, and take the one before it away', collect)
    .option('--plan <file>', 'only if it still does what this plan said')
    .addOption(outcomeOption())
    .action((options: ProvisionOptions) =>
      act(options, async (context) => (await import('./commands/provision.ts')).provision(context, options))
    )

  const images = program.command('images').description('images on devices, and in the cloud registry')
  called(images.command('list', { isDefault: true }))
    .description("list devices' images, as the devices tell")
    .addOption(new Option('--state <state>', 'only these').choices(['failed', 'pending', 'syncing', 'ready']))
    .option('--repository <name>', 'only of this repository')
    .option('--image-set <name>', 'only of this image set')
    .action((devices: string[], options: ImagesListOptions) =>
      act(options, async (context) => (await import('./commands/methods.ts')).imagesList(context, devices, options))
    )
  common(images.command('import'))
    .description("import the runtime's images, and those the site file names")
    .option('--force', 'move tags that are there already')
    .addOption(outcomeOption())
    .action((options: ImagesImportOptions) =>
      act(options, async (context) => (await import('./commands/images.ts')).imagesImport(context, options))
    )

  // Its options are az's, and are read as az reads them: commander knows neither prefixes nor options that group words.
  program
    .command('acr')
    .description('what az acr does, with the names, options and outputs that az has')
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const prepared = (await import('./commands/acr/acr.ts')).prepareAcr(words)
      await act(prepared.options, prepared.run)
    })

  common(program.command('generate'))
    .description(
      "write a device's deployment manifest, and for one below another its part of config.toml; needs no network"
    )
    .option('--device <id>', 'the device; not needed where the site has one')
    .addOption(templateOption())
    .addOption(platformOption())
    .option('--output <file>', 'where to write it, - for stdout (default: config/deployment.<device>.json)')
    .option('--without-secrets', 'leave references in place of passwords')
    .option('--allow-in-git', 'write passwords even where git does not ignore them')
    .action((options: GenerateCommandOptions) =>
      act(options, async (context) => (await import('./commands/generate.ts')).generate(context, options))
    )

  program
    .command('validate')
    .description('find what a device would refuse or misread in deployment manifests; needs no network')
    .argument('<files...>', 'files, folders, and - for stdin')
    .addOption(new Option('--output <format>', 'lines for people, or JSON').choices(['text', 'json']).default('text'))
    .action((files: string[], options: ValidateOptions) =>
      act({}, async (context) => (await import('./commands/validate.ts')).validate(context, files, options))
    )

  program
    .command('explain')
    .description('tell what a finding of validate means, and what to do')
    .argument('[code]', 'such as M033 (default: all codes, with their titles)')
    .action((code: string | undefined) =>
      act({}, async (context) => {
        const { explain, listRules } = await import('./commands/explain.ts')
        if (code === undefined) listRules(context)
        else explain(context, code)
      })
    )

  common(program.command('plan'))
    .description('show what provision and deploy would do; changes nothing')
    .addOption(devicesOption())
    .addOption(templateOption())
    .addOption(platformOption())
    .addOption(
      new Option('--output <format>', 'how to show it (default: text, or as the CI service likes it)').choices(
        planStyles
      )
    )
    .option('--out <file>', 'save it, for provision --plan and deploy --plan')
    .addOption(imageCheckOption())
    .addHelpText('after', '\nExit codes: 0 nothing to do, 2 changes, 1 it cannot be told')
    .action((options: PlanOptions) =>
      act(options, async (context) => (await import('./commands/plan.ts')).planCommand(context, options))
    )

  common(program.command('deploy'))
    .description('give devices their deployment manifests, and wait until they run')
    .addOption(devicesOption('not needed where the site has one'))
    .option('--deployment <name>', 'roll out an automatic deployment; may be given several times', collect)
    .addOption(
      new Option('--may-fail <devices>', 'devices that may refuse an automatic deployment before it is rolled back')
        .argParser(count)
        .default(0)
    )
    .option('--plan <file>', 'only if it still does what this plan said')
    .option('--manifest <file>', 'a manifest made by generate, instead of making one now')
    .addOption(templateOption())
    .addOption(platformOption())
    .option('--allow-remove', 'take away modules that the manifest does not have')
    .addOption(imageCheckOption())
    .option('--no-wait', 'do not wait for the device')
    .addOption(timeoutOption(600))
    .action((options: DeployOptions) =>
      act(options, async (context) => (await import('./commands/deploy.ts')).deployCommand(context, options))
    )

  common(program.command('configure'))
    .description("bring the site file's settings to the modules' twins, without a deployment")
    .option('--device <id>', 'only this device; may be given several times', collect)
    .option('--no-wait', 'do not wait for the devices')
    .addOption(timeoutOption(300))
    .action((options: ConfigureOptions) =>
      act(options, async (context) => (await import('./commands/configure.ts')).configureCommand(context, options))
    )

  common(program.command('check'))
    .description('compare the cloud registry, the hub and the devices with the site file; changes nothing')
    .addOption(devicesOption())
    .addOption(templateOption())
    .addOption(new Option('--days <days>', 'tell passwords that expire within these days').argParser(count).default(30))
    .addOption(new Option('--output <format>', 'lines for people, or JSON').choices(['text', 'json']).default('text'))
    .addOption(imageCheckOption())
    .addHelpText('after', '\nExit codes: 0 as it should be, 2 something differs, 1 it cannot be told')
    .action((options: CheckOptions) =>
      act(options, async (context) => (await import('./commands/check.ts')).checkCommand(context, options))
    )

  const anonymousPull = program
    .command('anonymous-pull')
    .description('pulls from the cloud registry without a login, and what devices allow beside it')
  common(anonymousPull.command('show'))
    .description('show whether they are allowed')
    .addOption(outcomeOption())
    .action((options: AnonymousPullOptions) =>
      act(options, async (context) =>
        (await import('./commands/anonymous-pull.ts')).showAnonymousPull(context, options)
      )
    )
  for (const verb of ['enable', 'disable'] as const)
    common(anonymousPull.command(verb))
      .description(verb === 'enable' ? 'allow them, for every repository' : 'allow them no longer')
      .option('--yes', 'go ahead, warnings and all')
      .addOption(outcomeOption())
      .action((options: AnonymousPullOptions) =>
        act(options, async (context) =>
          (await import('./commands/anonymous-pull.ts')).setAnonymousPull(context, verb === 'enable', options)
        )
      )

  common(program.command('rotate'))
    .description(
      'change passwords of tokens: new ones made, proved, brought to the devices and used, then the old ones taken away'
    )
    .argument('[tokens...]', "which (default: every device's sync token)")
    .option('--resume', 'go on with what an earlier run began')
    .option('--abandon <device>', 'wait for this device no more; may be given several times', collect)
    .option('--retire', 'the clients of these tokens have moved: take the old password away')
    .addOption(timeoutOption(1800))
    .action((tokens: string[], options: RotateOptions) =>
      act(options, async (context) => (await import('./commands/rotate.ts')).rotate(context, tokens, options))
    )

  common(program.command('revoke'))
    .description(
      'disable a token in the cloud registry and on every device, and list those that have not acknowledged it'
    )
    .argument('<token>')
    .option('--undo', 'enable it again, as the site file says')
    .addOption(timeoutOption(60))
    .action((token: string, options: RevokeOptions) =>
      act(options, async (context) => (await import('./commands/revoke.ts')).revoke(context, token, options))
    )

  common(program.command('status'))
    .description('show where the devices stand, and how old that is')
    .addOption(devicesOption())
    .addOption(
      new Option('--state <state>', 'show only devices in this state').choices([
        'Online',
        'Offline',
        'Syncing',
        'Unhealthy',
        'NotDeployed',
        'Unknown'
      ])
    )
    .option('--not-ready', 'show only devices that miss an image, or do not apply their settings')
    .option('--image-set <name>', 'show only devices that do not have all of this image set')
    .addOption(new Option('--output <format>', 'how to show it').choices(['table', 'json']).default('table'))
    .option('--watch', 'show it again and again')
    .option('--wait', 'wait until every image is on every device')
    .addOption(
      new Option('--interval <seconds>', 'seconds between two looks (default: 2, or 10 for many devices)').argParser(
        seconds
      )
    )
    .addOption(timeoutOption(1800))
    .action((options: StatusOptions) =>
      act(options, async (context) => (await import('./commands/status.ts')).status(context, options))
    )

  called(program.command('sync-now'))
    .description('have devices sync now')
    .action((devices: string[], options: MethodOptions) =>
      act(options, async (context) => (await import('./commands/methods.ts')).syncNow(context, devices, options))
    )

  called(program.command('pause'))
    .description('have devices fetch nothing until they are resumed; what is ready is served')
    .option('--reason <text>', 'shown in their status')
    .action((devices: string[], options: PauseOptions) =>
      act(options, async (context) => (await import('./commands/methods.ts')).pauseSync(context, devices, options))
    )

  called(program.command('resume'))
    .description('have devices fetch again')
    .action((devices: string[], options: MethodOptions) =>
      act(options, async (context) => (await import('./commands/methods.ts')).resumeSync(context, devices, options))
    )

  const secrets = program.command('secrets').description('the passwords kept beside the site file')
  common(secrets.command('show'))
    .description('write one password to stdout, for docker login --password-stdin')
    .argument('<token>')
    .addOption(new Option('--slot <slot>', 'which (default: the newest)').choices(['password1', 'password2']))
    .action((token: string, options: SecretsShowOptions) =>
      act(options, async (context) => (await import('./commands/secrets.ts')).secretsShow(context, token, options))
    )

  common(secrets.command('import'))
    .description('keep passwords that az acr token create or credential generate printed')
    .argument('[file]', 'what it printed, or a plain secrets file of an earlier release; - for stdin', '-')
    .action((file: string, options: CommonOptions) =>
      act(options, async (context) => (await import('./commands/secrets.ts')).secretsImport(context, file))
    )

  program
    .command('schema')
    .description('print a JSON Schema, for editors')
    .addArgument(program.createArgument('<document>').choices(['site', 'settings']))
    .action((name: 'site' | 'settings') =>
      act({}, async (context) => {
        ;(await import('./commands/schema.ts')).schema(context, name)
      })
    )
  return program
}

const environmentHelp = `Environment:
  CAUSEWAY_SITE, CAUSEWAY_SECRETS            as --site and --secrets
  CAUSEWAY_SECRETS_KEY                       what encrypts that file: 32 random bytes in base64; or _KEY_FILE
  CAUSEWAY_PASSWORD_<TOKEN>[__PASSWORD2]     passwords, for --secrets environment, which is only read
  AZURE_TENANT_ID, AZURE_CLIENT_ID, …        who to be in Azure; without them, whoever az login signed in
  AZURE_SUBSCRIPTION_ID                      for causeway acr, as --subscription
  IOTHUB_CONNECTION_STRING                   for the IoT hub, instead of that
  https_proxy, no_proxy, NODE_EXTRA_CA_CERTS proxies, and the CA they need
Exit codes: 0 done, 1 failed, 2 differences (plan, check), 3 a file is not valid, 4 not allowed, 5 in conflict with what is there`

function common(command: Command): Command {
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
function called(command: Command): Command {
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

function outcomeOption(): Option {
  return new Option('--output <format>', 'lines for people, or JSON lines').choices(['text', 'json']).default('text')
}

function platformOption(): Option {
  return new Option(
    '--platform <platform>',
    'for modules that the template names as ${MODULES.name} (default: DEFAULT_PLATFORM, or amd64)'
  )
}

function templateOption(): Option {
  return new Option('--template <file>', 'the deployment template').default(defaultTemplate)
}

function devicesOption(more = 'all where it is not given'): Option {
  return new Option('--device <id>', `which device, * for anything; may be given several times; ${more}`).argParser(
    collect
  )
}

function imageCheckOption(): Option {
  return new Option('--no-image-check', "do not ask the cloud registry whether the devices' images are there")
}

function timeoutOption(fallback: number): Option {
  return new Option('--timeout <seconds>', 'seconds to wait').argParser(seconds).default(fallback)
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0 || value > 86_400)
    throw new InvalidArgumentError('a number of seconds, up to a day')
  return value
}

/** What IoT Hub allows. */
function answerSeconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 5 || value > 300) throw new InvalidArgumentError('5 to 300 seconds')
  return value
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, 0 or more')
  return value
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}
