import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { SettingsError } from './errors.ts'

/** Milliseconds between two looks at the file; polling also sees what editors and config maps do by renaming. */
const lookEvery = 1000

/**
 * Reads the text of a settings file. Nothing of it is told, as V8's own messages do: it may hold a password.
 *
 * @throws {SettingsError} `SETTINGS_FILE_UNREADABLE` where it is no JSON object, with the place
 */
export function parseSettings(path: string, text: string): Readonly<Record<string, unknown>> {
  // Windows' editors put it before what they save as UTF-8.
  const json = text.replace(/^\uFEFF/, '')
  if (json.trim() === '') throw refused(path, 'it is empty, and must be a JSON object')
  let document: unknown
  try {
    document = JSON.parse(json)
  } catch (cause) {
    throw refused(path, `it is not JSON (${placeOf(json)})`, cause)
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw refused(path, 'it must be a JSON object: { … }')
  return document as Record<string, unknown>
}

/** What keeps a settings file from being read. */
export function unreadable(path: string, cause: unknown): SettingsError {
  return cause instanceof SettingsError ? cause : refused(path, String((cause as NodeJS.ErrnoException).code), cause)
}

function refused(path: string, reason: string, cause?: unknown): SettingsError {
  return new SettingsError('SETTINGS_FILE_UNREADABLE', `${path} cannot be read: ${reason}`, { cause })
}

/**
 * Where the mistake stands. V8 tells that of most, but of a word that JSON does not have (`tru`) it only quotes the text around
 * it: so it is the end of the shortest beginning that V8 refuses for anything else than being cut off.
 */
function placeOf(json: string): string {
  let whole = 0
  let broken = json.length + 1
  while (broken - whole > 1) {
    const length = Math.floor((whole + broken) / 2)
    if (isBroken(json.slice(0, length))) broken = length
    else whole = length
  }
  const before = json.slice(0, whole).split('\n')
  return `line ${before.length} column ${(before.at(-1)?.length ?? 0) + 1}`
}

function isBroken(beginning: string): boolean {
  try {
    JSON.parse(beginning)
    return false
  } catch (error) {
    const { message } = error as Error
    if (message === 'Unexpected end of JSON input') return false
    const position = / at position (\d+)/.exec(message)?.[1]
    return position === undefined || Number(position) < beginning.length
  }
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
      const document = parseSettings(path, text)
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
