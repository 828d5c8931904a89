import { Option, type Command } from 'commander'
import type { MethodOptions, PauseOptions } from '../commands/methods.ts'
import type { StatusOptions } from '../commands/status.ts'
import { called, common, devicesOption, seconds, timeoutOption, type Runner } from './options.ts'

/** Devices: watched, asked and told. */
export function addDeviceCommands(program: Command, act: Runner): void {
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
      act(options, async (context) => (await import('../commands/status.ts')).status(context, options))
    )

  called(program.command('sync-now'))
    .description('have devices sync now')
    .action((devices: string[], options: MethodOptions) =>
      act(options, async (context) => (await import('../commands/methods.ts')).syncNow(context, devices, options))
    )

  called(program.command('pause'))
    .description('have devices fetch nothing until they are resumed; what is ready is served')
    .option('--reason <text>', 'shown in their status')
    .action((devices: string[], options: PauseOptions) =>
      act(options, async (context) => (await import('../commands/methods.ts')).pauseSync(context, devices, options))
    )

  called(program.command('resume'))
    .description('have devices fetch again')
    .action((devices: string[], options: MethodOptions) =>
      act(options, async (context) => (await import('../commands/methods.ts')).resumeSync(context, devices, options))
    )
}
