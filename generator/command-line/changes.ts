import { Option, type Command } from 'commander'
import type { CheckOptions } from '../commands/check.ts'
import type { ConfigureOptions } from '../commands/configure.ts'
import type { DeployOptions } from '../commands/deploy.ts'
import type { PlanOptions } from '../commands/plan.ts'
import { planStyles } from '../plan/styles.ts'
import {
  collect,
  common,
  count,
  devicesOption,
  imageCheckOption,
  platformOption,
  templateOption,
  timeoutOption,
  type Runner
} from './options.ts'

/** From the site file to cloud and devices: shown, done, and compared. */
export function addChangeCommands(program: Command, act: Runner): void {
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
    .option('--summary <file>', 'write it as Markdown there as well, for a pipeline to show')
    .addOption(imageCheckOption())
    .addHelpText('after', '\nExit codes: 0 nothing to do, 2 changes, 1 it cannot be told')
    .action((options: PlanOptions) =>
      act(options, async (context) => (await import('../commands/plan.ts')).planCommand(context, options))
    )

  common(program.command('deploy'))
    .description('give devices their deployment manifests, and wait until they run')
    .addOption(devicesOption('not needed where the site has one'))
    .option(
      '--deployment <name>',
      'roll out an automatic deployment, or retire one that the site file no longer has; may be given several times',
      collect
    )
    .addOption(
      new Option('--may-fail <devices>', 'devices that may refuse an automatic deployment before it is rolled back')
        .argParser(count)
        .default(0)
    )
    .option('--plan <file>', 'only if it still does what this plan said')
    .option('--manifest <file>', 'a manifest made by generate, instead of making one now')
    .addOption(templateOption())
    .addOption(platformOption())
    .option('--allow-remove', 'take away modules that the manifest does not have, and automatic deployments')
    .addOption(imageCheckOption())
    .option('--no-wait', 'do not wait for the device')
    .addOption(timeoutOption(600))
    .action((options: DeployOptions) =>
      act(options, async (context) => (await import('../commands/deploy.ts')).deployCommand(context, options))
    )

  common(program.command('configure'))
    .description("bring the site file's settings to the modules' twins, without a deployment")
    .option('--device <id>', 'only this device; may be given several times', collect)
    .option('--no-wait', 'do not wait for the devices')
    .addOption(timeoutOption(300))
    .action((options: ConfigureOptions) =>
      act(options, async (context) => (await import('../commands/configure.ts')).configureCommand(context, options))
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
      act(options, async (context) => (await import('../commands/check.ts')).checkCommand(context, options))
    )
}
