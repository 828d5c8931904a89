import { Option, type Command } from 'commander'
import type { GenerateCommandOptions } from '../commands/generate.ts'
import type { ValidateOptions } from '../commands/validate.ts'
import { findingStyles } from '../validate/styles.ts'
import { common, devicesOption, platformOption, templateOption, type Runner } from './options.ts'

/** Deployment manifests: made, and looked at. */
export function addManifestCommands(program: Command, act: Runner): void {
  common(program.command('generate'))
    .description(
      "write a device's deployment manifest, and for one below another its part of config.toml; needs no network"
    )
    .addOption(devicesOption('not needed where the site has one'))
    .addOption(templateOption())
    .addOption(platformOption())
    .option(
      '--output <file>',
      'where to write it (default: config/deployment.<device>.json), or the folder for those of several (default: config); - for stdout, with a line of JSON for each of several'
    )
    .option('--without-secrets', 'leave references in place of passwords')
    .option('--allow-in-git', 'write passwords even where git does not ignore them')
    .action((options: GenerateCommandOptions) =>
      act(options, async (context) => (await import('../commands/generate.ts')).generate(context, options))
    )

  program
    .command('validate')
    .description('find what a device would refuse or misread in deployment manifests; needs no network')
    .argument('<files...>', 'files, folders, and - for stdin')
    .addOption(
      new Option('--output <format>', 'how to show it (default: text, or as the CI service likes it)').choices(
        findingStyles
      )
    )
    .action((files: string[], options: ValidateOptions) =>
      act({}, async (context) => (await import('../commands/validate.ts')).validate(context, files, options))
    )

  program
    .command('explain')
    .description('tell what a finding of validate means, and what to do')
    .argument('[code]', 'such as M033 (default: all codes, with their titles)')
    .action((code: string | undefined) =>
      act({}, async (context) => {
        const { explain, listRules } = await import('../commands/explain.ts')
        if (code === undefined) listRules(context)
        else explain(context, code)
      })
    )
}
