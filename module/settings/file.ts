import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { SettingsError } from './errors.ts'

/** Milliseconds between two looks at the file; polling also sees what editors and config maps do by renaming. */
const lookEvery = 1000

/**
 * Follows a settings file, for a module without IoT Edge: reads it now and after every change.
 *
 * @param onDocument gets each document in turn with a version that counts up from 1
 * @param onError gets what makes the file unreadable; the settings in force stay
 * @returns when the file has been looked at once
 */
export function followSettingsFile(
  path: string,
  onDocument: (document: unknown, version: number) => void | Promise<void>,
  onError: (error: SettingsError) => void,
  signal: AbortSignal
): Promise<void> {
  let version = 0
  let last: string | undefined
  const look = async (): Promise<void> => {
    try {
      const text = await readFile(path, 'utf8')
      if (text === last || signal.aborted) return
      const document: unknown = JSON.parse(text)
      last = text
      await onDocument(document, ++version)
    } catch (cause) {
      // The mistake taken back is news too, or its report would stay for ever.
      last = undefined
      const reason = cause instanceof SyntaxError ? 'it is not JSON' : String((cause as NodeJS.ErrnoException).code)
      if (!signal.aborted)
        onError(new SettingsError('SETTINGS_FILE_UNREADABLE', `${path} cannot be used: ${reason}`, { cause }))
    }
  }
  const changed = (): void => void look()
  watchFile(path, { interval: lookEvery, persistent: false }, changed)
  signal.addEventListener('abort', () => unwatchFile(path, changed), { once: true })
  return look()
}
