import { Option, type Command } from 'commander'
import type { ImagesImportOptions } from '../commands/images.ts'
import type { ImagesListOptions } from '../commands/methods.ts'
import type { ProvisionOptions } from '../commands/provision.ts'
import { called, collect, common, outcomeOption, type Runner } from './options.ts'

/** What is made in the cloud registry, and what is in it. */
export function addRegistryCommands(program: Command, act: Runner): void {
  common(program.command('provision'))
    .description('make scope maps, tokens and passwords in the cloud registry; safe to run again')
    .option('--regenerate <token/slot>', 'make this password anew, and take the one before it away', collect)
    .option('--plan <file>', 'only if it still does what this plan said')
    .option('--allow-remove', 'delete retired connected registries, and make anew what Azure cannot change in place')
    .addOption(outcomeOption())
    .action((options: ProvisionOptions) =>
      act(options, async (context) => (await import('../commands/provision.ts')).provision(context, options))
    )

  const images = program.command('images').description('images on devices, and in the cloud registry')
  called(images.command('list', { isDefault: true }))
    .description("list devices' images, as the devices tell")
    .addOption(new Option('--state <state>', 'only these').choices(['failed', 'pending', 'syncing', 'ready']))
    .option('--repository <name>', 'only of this repository')
    .option('--image-set <name>', 'only of this image set')
    .action((devices: string[], options: ImagesListOptions) =>
      act(options, async (context) => (await import('../commands/methods.ts')).imagesList(context, devices, options))
    )
  common(images.command('import'))
    .description("import the runtime's images, and those the site file names")
    .option('--force', 'move tags that are there already')
    .addOption(outcomeOption())
    .action((options: ImagesImportOptions) =>
      act(options, async (context) => (await import('../commands/images.ts')).imagesImport(context, options))
    )

  // Its options are az's, and are read as az reads them: commander knows neither prefixes nor options that group words.
  program
    .command('acr')
    .description('what az acr does, with the names, options and outputs that az has')
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const prepared = (await import('../commands/acr/acr.ts')).prepareAcr(words)
      await act(prepared.options, prepared.run)
    })
}
