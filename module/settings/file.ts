import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { SettingsError } from './errors.ts'

/** Milliseconds between two looks at the file; polling also sees what editors and config maps do by renaming. */
const lookEvery = 1000

/**
 * What is no object is refused by the schema, with a reason.
 *
 * @throws {SyntaxError} where it is not JSON
 */
export function parseSettings(text: string): Readonly<Record<string, unknown>> {
  const document: unknown = JSON.parse(text)
  return typeof document === 'object' && document !== null && !Array.isArray(document)
    ? (document as Record<string, unknown>)
    : { schemaVersion: typeof document }
}

/** What keeps a settings file from being read. Nothing of its text is told, as V8's own message does: it may hold a password. */
export function unreadable(path: string, cause: unknown): SettingsError {
  const { code, message } = cause as NodeJS.ErrnoException
  const where = /\(line \d+ column \d+\)$/.exec(message)?.[0]
  const reason = cause instanceof SyntaxError ? ['it is not JSON', where].filter(Boolean).join(' ') : String(code)
  return new SettingsError('SETTINGS_FILE_UNREADABLE', `${path} cannot be read: ${reason}`, { cause })
}

/**
 * Follows a settings file, for a module without IoT Edge: reads it now and after every change.
 *
 * @param onDocument gets each document in turn with a version that counts up from 1
 * @param onError gets what makes the file unreadable; the settings in force stay
 * @returns when the file has been looked at once
 */
export function followSettingsFile(
  path: string,
  onDocument: (document: Readonly<Record<string, unknown>>, version: number) => void | Promise<void>,
  onError: (error: SettingsError) => void,
  signal: AbortSignal
): Promise<void> {
  let version = 0
  let last: string | undefined
  const look = async (): Promise<void> => {
    try {
      const text = await readFile(path, 'utf8')
      if (text === last || signal.aborted) return
      const document = parseSettings(text)
      last = text
      await onDocument(document, ++version)
    } catch (cause) {
      // The mistake taken back is news too, or its report would stay for ever.
      last = undefined
      if (!signal.aborted) onError(unreadable(path, cause))
    }
  }
  const changed = (): void => void look()
  watchFile(path, { interval: lookEvery, persistent: false }, changed)
  signal.addEventListener('abort', () => unwatchFile(path, changed), { once: true })
  return look()
}
