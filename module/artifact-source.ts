import type { Log } from './log/log.ts'
import { ParentError } from './parent/errors.ts'
import type { ParentKeeper } from './parent-keeper.ts'
import { SettingsArtifacts } from './settings-artifacts.ts'
import type { ArtifactSource } from './settings-keeper.ts'
import { SettingsArtifactError } from './settings/artifact.ts'
import { settingsSchemaVersion } from './settings/document.ts'
import type { Environment } from './settings/environment.ts'
import { resolveParent } from './settings/parent.ts'
import { readSettings } from './settings/validate.ts'

/** Settings artifacts come from the parent that the very document names: the one in force may be another. */
export function artifactSource(
  environment: Environment,
  parents: Pick<ParentKeeper, 'borrow'>,
  log: Log
): ArtifactSource {
  const artifacts = new SettingsArtifacts(environment.dataFolder, log)
  return {
    kept: (digest) => artifacts.kept(digest),
    forgetOthers: (digest) => artifacts.forgetOthers(digest),
    async fetch(document, reference, signal) {
      const reading = readSettings({ schemaVersion: settingsSchemaVersion, parent: document['parent'] })
      // What exactly is wrong with it is told once the artifact is here and all is validated.
      if (!reading.ok) throw new SettingsArtifactError('the parent of these settings is not valid')
      const from = resolveParent(environment, reading.settings)
      if (from === undefined)
        throw new ParentError('PARENT_UNREACHABLE', 'there is no parent to fetch it from: set one in parent')
      if ('problem' in from) throw new ParentError('PARENT_UNREACHABLE', from.problem)
      return parents.borrow(from, (lent) => artifacts.fetch(lent, reference, signal))
    }
  }
}
