import type { Command } from 'commander'
import type { AnonymousPullOptions } from '../commands/anonymous-pull.ts'
import type { RevokeOptions } from '../commands/revoke.ts'
import type { RotateOptions } from '../commands/rotate.ts'
import { collect, common, outcomeOption, timeoutOption, type Runner } from './options.ts'

/** Who may log in, and with what. */
export function addAccessCommands(program: Command, act: Runner): void {
  const anonymousPull = program
    .command('anonymous-pull')
    .description('pulls from the cloud registry without a login, and what devices allow beside it')
  common(anonymousPull.command('show'))
    .description('show whether they are allowed')
    .addOption(outcomeOption())
    .action((options: AnonymousPullOptions) =>
      act(options, async (context) =>
        (await import('../commands/anonymous-pull.ts')).showAnonymousPull(context, options)
      )
    )
  for (const verb of ['enable', 'disable'] as const)
    common(anonymousPull.command(verb))
      .description(verb === 'enable' ? 'allow them, for every repository' : 'allow them no longer')
      .option('--yes', 'go ahead, warnings and all')
      .addOption(outcomeOption())
      .action((options: AnonymousPullOptions) =>
        act(options, async (context) =>
          (await import('../commands/anonymous-pull.ts')).setAnonymousPull(context, verb === 'enable', options)
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
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 2 an old password is left until its clients or deployments have moved, 1 devices are away or it failed, 5 refused'
    )
    .action((tokens: string[], options: RotateOptions) =>
      act(options, async (context) => (await import('../commands/rotate.ts')).rotate(context, tokens, options))
    )

  common(program.command('revoke'))
    .description(
      'disable a token in the cloud registry and on every device, and list those that have not acknowledged it'
    )
    .argument('<token>')
    .option('--undo', 'enable it again, as the site file says')
    .addOption(timeoutOption(60))
    .addHelpText('after', '\nExit codes: 0 done, 2 a device has not acknowledged it, 1 it failed')
    .action((token: string, options: RevokeOptions) =>
      act(options, async (context) => (await import('../commands/revoke.ts')).revoke(context, token, options))
    )
}
