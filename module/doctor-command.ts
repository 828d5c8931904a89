import { readFile } from 'node:fs/promises'
import { describeFindings } from './doctor/doctor.ts'
import { examineModule } from './examination.ts'
import { LineLog } from './log/log.ts'
import type { Settings } from './settings/document.ts'
import { becomeModuleUser } from './run-as.ts'
import { readEnvironment, type Environment } from './settings/environment.ts'
import { LastGoodFile } from './settings/last-good.ts'
import { readSettings } from './settings/validate.ts'

/**
 * `module doctor [--json]`: looks at everything that the module needs, beside one that may be running, and prints what it found.
 *
 * @returns the exit code: 0, or 1 where something failed
 */
export async function runDoctor(
  variables: Readonly<Record<string, string | undefined>>,
  { json, print }: { readonly json: boolean; readonly print: (text: string) => void }
): Promise<0 | 1> {
  const environment = readEnvironment(variables)
  becomeModuleUser(variables)
  const settings = await settingsOf(environment)
  // What is found is said once, in the findings.
  const log = new LineLog(() => undefined)
  const findings = await examineModule({ environment, variables, settings, log })
  print(json ? `${JSON.stringify(findings, undefined, 2)}\n` : describeFindings(findings))
  return findings.some(({ outcome }) => outcome === 'failed') ? 1 : 0
}

/** What a running module would use; a folder that cannot be read is the volume's finding. */
async function settingsOf({ source, dataFolder }: Environment): Promise<Settings | undefined> {
  try {
    const document =
      source.kind === 'file'
        ? (JSON.parse(await readFile(source.path, 'utf8')) as unknown)
        : (await new LastGoodFile(dataFolder).load())?.document
    const reading = document === undefined ? undefined : readSettings(document)
    return reading?.ok === true ? reading.settings : undefined
  } catch {
    return undefined
  }
}
