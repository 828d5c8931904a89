import { Option, type Command } from 'commander'
import { cloudNames } from '../azure/clouds.ts'
import type { InitOptions } from '../commands/init.ts'
import { clientWays, modes } from '../init/names.ts'
import { collect, type Runner } from './options.ts'

/** Where a site begins. */
export function addInitCommand(program: Command, act: Runner): void {
  program
    .command('init')
    .description('write a site file and a deployment template for a new site; asks on a terminal for what is not given')
    .argument('[folder]', 'where to write site.yaml and deployment.template.json', '.')
    .option('--subscription <id>', 'the Azure subscription')
    .option('--resource-group <name>', 'its resource group')
    .option('--registry <name>', 'the cloud registry')
    .option('--hub <name>', 'the IoT hub')
    .addOption(new Option('--cloud <name>', 'the Azure cloud (default: AzureCloud)').choices(cloudNames))
    .option('--device <id>', 'a device, from the top; up to three times for layers (default: gateway)', collect)
    .option('--domain <domain>', "what the devices' names on the network end with")
    .addOption(
      new Option('--mode <mode>', 'ReadWrite where clients push to devices (default: ReadOnly)').choices(modes)
    )
    .option('--repository <name>', 'what the devices hold; may be given several times (default: hello-world)', collect)
    .option('--token <name>', 'the client token that may pull from them (default: site-client)')
    .addOption(
      new Option(
        '--clients <way>',
        'how clients on the network come: by TLS through the API proxy or to the registry itself, or by plain HTTP, which is insecure (default: api-proxy)'
      ).choices(clientWays)
    )
    .option('--yes', 'ask nothing: defaults for what is not given')
    .action((folder: string, options: InitOptions) =>
      act({}, async (context) => (await import('../commands/init.ts')).init(context, folder, options))
    )
}
