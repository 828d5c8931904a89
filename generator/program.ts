import { Command, CommanderError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { addAccessCommands } from './command-line/access.ts'
import { addSecretCommands } from './command-line/secrets.ts'
import { addChangeCommands } from './command-line/changes.ts'
import { addCompletionCommands } from './command-line/completion.ts'
import { addDeviceCommands } from './command-line/devices.ts'
import { addInitCommand } from './command-line/init.ts'
import { addManifestCommands } from './command-line/manifests.ts'
import { addRegistryCommands } from './command-line/registry.ts'
import type { Runner } from './command-line/options.ts'
import { Context, type Services } from './context.ts'
import { exitCodes, type ExitCode } from './errors.ts'
import type { Io } from './io.ts'
import { reportError } from './output/errors.ts'

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
      // What is drawn goes first, so that the error stands below it; the rest may fail or take its time.
      context.stopDrawing()
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

/** The command line. Each command's code is loaded when it runs, so that `--help` answers at once. */
export function createProgram(io: Io, act: Runner): Command {
  const program = new Command('causeway')
    .description('Connected registries for Azure IoT Edge: what they need in the cloud, their deployments and settings')
    .version(packageJson.version, '--version', 'print the version')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .addHelpText('after', `\n${environmentHelp}`)

  addInitCommand(program, act)
  addRegistryCommands(program, act)
  addManifestCommands(program, act)
  addChangeCommands(program, act)
  addAccessCommands(program, act)
  addDeviceCommands(program, act)
  addSecretCommands(program, act)
  addCompletionCommands(program, act)
  return program
}

const environmentHelp = `Environment:
  CAUSEWAY_SITE, CAUSEWAY_SECRETS            as --site and --secrets
  CAUSEWAY_SECRETS_KEY                       what encrypts that file: 32 random bytes in base64; or _KEY_FILE
  CAUSEWAY_PASSWORD_<TOKEN>[__PASSWORD2]     passwords, for --secrets environment, which is only read
  CAUSEWAY_IMPORT_PASSWORD                   for causeway acr import --username
  AZURE_TENANT_ID, AZURE_CLIENT_ID, …        who to be in Azure; without them, whoever az login signed in
  AZURE_SUBSCRIPTION_ID                      for causeway acr, as --subscription
  IOTHUB_CONNECTION_STRING                   for the IoT hub, instead of that
  https_proxy, no_proxy, NODE_EXTRA_CA_CERTS proxies, and the CA they need
Exit codes: 0 done, 1 failed, 2 differences (plan, check) or something left to do (rotate, revoke), 3 a file is not valid, 4 not allowed, 5 in conflict with what is there`
