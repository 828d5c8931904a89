import { readFile } from 'node:fs/promises'
import { describeFindings } from './doctor/doctor.ts'
import { examineModule } from './examination.ts'
import { noSettings, readKnownSettings, type KnownSettings } from './known-settings.ts'
import { LineLog } from './log/log.ts'
import { becomeModuleUser } from './run-as.ts'
import { SettingsArtifacts } from './settings-artifacts.ts'
import { readEnvironment, type Environment } from './settings/environment.ts'
import { SettingsError } from './settings/errors.ts'
import { parseSettings, unreadable } from './settings/file.ts'
import { LastGoodFile } from './settings/last-good.ts'

/**
 * `module doctor [--json]`: looks at everything that the module needs, beside one that may be running, and prints what it found.
 *
 * @param words after `doctor`
 * @returns the exit code: 0, or 1 where something failed
 * @throws {SettingsError} `ENVIRONMENT_INVALID` and `ARGUMENT_UNKNOWN`
 */
export async function runDoctor(
  words: readonly string[],
  variables: Readonly<Record<string, string | undefined>>,
  print: (text: string) => void
): Promise<0 | 1> {
  const unknown = words.find((word) => word !== '--json')
  if (unknown !== undefined)
    throw new SettingsError('ARGUMENT_UNKNOWN', `doctor takes --json and nothing else: there is no ${unknown}`)
  const environment = readEnvironment(variables)
  await becomeModuleUser(environment.dataFolder, variables)
  // What is found is said once, in the findings.
  const log = new LineLog(() => undefined)
  const settings = await settingsOf(environment, log)
  const findings = await examineModule({ environment, variables, settings, log })
  print(words.includes('--json') ? `${JSON.stringify(findings, undefined, 2)}\n` : describeFindings(findings))
  return findings.some(({ outcome }) => outcome === 'failed') ? 1 : 0
}

/** What a running module would use. */
async function settingsOf(environment: Environment, log: LineLog): Promise<KnownSettings> {
  const { source, dataFolder } = environment
  const lastGood = new LastGoodFile(dataFolder)
  const path = source.kind === 'file' ? source.path : lastGood.path
  try {
    const document =
      source.kind === 'file' ? parseSettings(path, await readFile(path, 'utf8')) : (await lastGood.load())?.document
    if (document !== undefined) {
      const artifacts = new SettingsArtifacts(dataFolder, log)
      return await readKnownSettings(environment, document, (digest) => artifacts.kept(digest))
    }
    if (!lastGood.isDamaged) return noSettings(environment)
    return failed(`${path} cannot be read: it is damaged; a start that reaches its twin writes it anew`)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? noSettings(environment)
      : failed(unreadable(path, error).message)
  }
}

function failed(message: string): KnownSettings {
  return { verdict: { outcome: 'failed', message } }
}
