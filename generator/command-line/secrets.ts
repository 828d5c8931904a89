import { Option, type Command } from 'commander'
import type { SecretsShowOptions } from '../commands/secrets.ts'
import type { CommonOptions } from '../context.ts'
import { common, type Runner } from './options.ts'

/** What `schema` prints one of. */
const documents = ['site', 'settings', 'deployment', 'template'] as const

/** What stands beside the site file: passwords, and its schema. */
export function addSecretCommands(program: Command, act: Runner): void {
  const secrets = program.command('secrets').description('the passwords kept beside the site file')
  common(secrets.command('show'))
    .description('write one password to stdout, for docker login --password-stdin')
    .argument('<token>')
    .addOption(new Option('--slot <slot>', 'which (default: the newest)').choices(['password1', 'password2']))
    .action((token: string, options: SecretsShowOptions) =>
      act(options, async (context) => (await import('../commands/secrets.ts')).secretsShow(context, token, options))
    )

  common(secrets.command('import'))
    .description('keep passwords that az acr token create or credential generate printed')
    .argument('[file]', 'what it printed, or a plain secrets file of an earlier release; - for stdin', '-')
    .action((file: string, options: CommonOptions) =>
      act(options, async (context) => (await import('../commands/secrets.ts')).secretsImport(context, file))
    )

  program
    .command('schema')
    .description('print a JSON Schema, for editors')
    .addArgument(program.createArgument('<document>', 'what people write with it').choices(documents))
    .action((name: (typeof documents)[number]) =>
      act({}, async (context) => {
        ;(await import('../commands/schema.ts')).schema(context, name)
      })
    )
}
