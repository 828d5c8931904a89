import { Option, type Command } from 'commander'
import { doors, engineNames } from '../client-config/names.ts'
import type { ClientConfigOptions } from '../commands/client-config.ts'
import type { MethodOptions, PauseOptions } from '../commands/methods.ts'
import type { StatusOptions } from '../commands/status.ts'
import {
  called,
  collect,
  collectOf,
  common,
  devicesOption,
  port,
  seconds,
  timeoutOption,
  type Runner
} from './options.ts'

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

  common(program.command('client-config'))
    .description('tell what a machine needs to pull from a device: login, trust, mirrors; needs no network')
    .option('--device <id>', 'the device; not needed where the site has one')
    .addOption(
      new Option('--engine <engine>', 'for this container engine; may be given several times (default: all)')
        .choices(engineNames)
        .argParser(collectOf(engineNames))
    )
    .option(
      '--host <name>',
      "what clients call the device (default: its hostName); 127.0.0.1 for the device's own engine"
    )
    .addOption(
      new Option('--port <port>', 'where it answers (default: apiProxyPort, or port of the device)').argParser(port)
    )
    .addOption(
      new Option('--through <door>', 'the way in (default: api-proxy, or registry on the device itself)').choices(doors)
    )
    .option('--token <name>', "as whom to log in (default: the device's first client token)")
    .option(
      '--mirror <registry>',
      'whose images come from the device; may be given several times (default: the cloud registry)',
      collect
    )
    .option('--no-mirror', 'of no other registry')
    .option('--ca <file>', 'the root certificate to trust, in PEM')
    .option('--write <folder>', "write the files there, under their paths on the client; / is this machine's own")
    .option('--with-password', "put the token's password into the files of containerd and k3s, which have no login")
    .option('--force', 'go over files that are there with other content')
    .option('--allow-in-git', 'write passwords even where git does not ignore them')
    .addOption(new Option('--output <format>', 'lines for people, or JSON').choices(['text', 'json']).default('text'))
    .action((options: ClientConfigOptions) =>
      act(options, async (context) => (await import('../commands/client-config.ts')).clientConfig(context, options))
    )
}
