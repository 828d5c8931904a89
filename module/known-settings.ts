import type { Verdict } from './doctor/doctor.ts'
import { howToMend } from './how-to-mend.ts'
import type { Digest } from './oci/digest.ts'
import { readKept, referenceOf } from './settings/artifact.ts'
import { settingsSchemaVersion, type Settings } from './settings/document.ts'
import type { Environment } from './settings/environment.ts'
import { hasSettings, readSettings } from './settings/validate.ts'

/** What the doctor goes by: as much of the settings as is known, and what is to be said of them. */
export interface KnownSettings {
  readonly parent?: Settings['parent'] | undefined
  /** Mebibytes that content leaves alone. */
  readonly reserveMebibytes?: number | undefined
  readonly verdict: Verdict
}

/** Those that a running module goes by. */
export function settingsInForce(environment: Environment, settings: Settings | undefined): KnownSettings {
  return settings === undefined ? noSettings(environment) : usable(settings, 'there are settings in force')
}

export function noSettings(environment: Environment): KnownSettings {
  return { verdict: { outcome: 'failed', message: howToMend(environment) } }
}

/**
 * Those that a module would go by. Of settings that are refused, or whose artifact is not here, the parent and the reserve are
 * known all the same: what keeps the rest away may be there.
 *
 * @param kept as {@link readKept} has it
 */
export async function readKnownSettings(
  environment: Environment,
  document: Readonly<Record<string, unknown>>,
  kept: (digest: Digest) => Promise<Uint8Array | undefined>
): Promise<KnownSettings> {
  if (!hasSettings(document)) return noSettings(environment)
  const reading = await readKept(document, kept)
  if (reading?.ok === true) return usable(reading.settings, 'they can be used')
  return {
    parent: sectionOf(document, 'parent'),
    reserveMebibytes: sectionOf(document, 'storage')?.reserveMebibytes,
    verdict: reading === undefined ? incomplete(document) : refused(reading.errors)
  }
}

/** One section of a document that is wrong somewhere else. */
function sectionOf<Name extends 'parent' | 'storage'>(
  document: Readonly<Record<string, unknown>>,
  name: Name
): Settings[Name] | undefined {
  const reading = readSettings({ schemaVersion: settingsSchemaVersion, [name]: document[name] })
  return reading.ok ? reading.settings[name] : undefined
}

function usable({ parent, storage }: Settings, message: string): KnownSettings {
  return {
    parent,
    reserveMebibytes: storage.reserveMebibytes,
    verdict: { outcome: 'ok', message }
  }
}

function incomplete(document: Readonly<Record<string, unknown>>): Verdict {
  const reference = referenceOf(document)
  const what = reference !== undefined && 'digest' in reference ? `${reference.repository}@${reference.digest}` : ''
  return {
    outcome: 'warning',
    message: `they wait for their settings artifact ${what}, which has not come from the parent so far; until then those before them are in force`
  }
}

function refused(errors: readonly { readonly path: string; readonly reason: string }[]): Verdict {
  const said = errors.slice(0, 3).map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`))
  const more = errors.length > 3 ? [`and ${errors.length - 3} more`] : []
  return { outcome: 'failed', message: `they are refused: ${[...said, ...more].join('; ')}` }
}
