import { createHash, randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { makeFolder, readIfPresent } from '../../module/settings/durable-file.ts'
import { GeneratorError } from '../errors.ts'
import { isCi, type Io } from '../io.ts'

/** What an encrypted file is read and written with. */
export interface SecretsKey {
  readonly bytes: Uint8Array
  /** Tells keys apart and says nothing about them: the beginning of a SHA-256. */
  readonly id: string
  /** Where it came from, for messages. */
  readonly source: string
}

const keyBytes = 32

/** The two variables, and the file that serves where neither is set. */
export const keyVariable = 'CAUSEWAY_SECRETS_KEY'
export const keyFileVariable = 'CAUSEWAY_SECRETS_KEY_FILE'

/**
 * The key that was given: in an environment variable, in a file that one names, or in the file that Causeway made for this
 * user. Never in an argument, which every process on the machine can read.
 *
 * @param create makes the file where there is none yet; not in a CI, whose disks are gone after the job, and the key with them
 * @returns undefined where there is none
 * @throws {GeneratorError} `SECRETS_KEY_INVALID`
 */
export async function findKey(io: Io, create: boolean): Promise<SecretsKey | undefined> {
  const given = io.env[keyVariable]?.trim()
  if (given !== undefined && given !== '') return parseKey(given, keyVariable)
  const path = keyFile(io)
  if (path === undefined) return undefined
  const text = await readKey(path)
  if (text !== undefined) return parseKey(text.trim(), path)
  if (!create || isCi(io.env)) return undefined
  const made = await makeKey(path)
  if (made) io.stderr.write(`made a key for stored passwords in ${path}; keep a copy, without it they cannot be read\n`)
  return parseKey((await readKey(path))?.trim() ?? '', path)
}

/** What to do where no key was found. */
export function missingKey(place: string, exists: boolean, io: Io): GeneratorError {
  const file = keyFile(io)
  const where = file === undefined ? '' : `, or put it at ${file}`
  return new GeneratorError(
    'SECRETS_KEY_MISSING',
    exists
      ? `${place} is encrypted, and its key is not here: set ${keyVariable} to it, or ${keyFileVariable} to a file that holds it${where}`
      : `passwords are kept encrypted in ${place}, and there is no key: set ${keyVariable} to 32 random bytes in base64, as openssl rand -base64 32 prints them, and keep it where the next run finds it; or keep passwords in a key vault with --secrets`
  )
}

/**
 * The folder of a user's own settings, or undefined where the environment does not tell.
 *
 * @see https://specifications.freedesktop.org/basedir-spec/latest/
 */
function keyFile(io: Io): string | undefined {
  const named = io.env[keyFileVariable]
  if (named !== undefined && named !== '') return resolve(io.workingFolder, named)
  const { XDG_CONFIG_HOME: xdg, APPDATA: appData, HOME: home } = io.env
  const folder = xdg ?? appData ?? (home === undefined ? undefined : join(home, '.config'))
  return folder === undefined || folder === '' ? undefined : join(folder, 'causeway', 'secrets.key')
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    return await readIfPresent(path)
  } catch (cause) {
    throw new GeneratorError(
      'SECRETS_KEY_INVALID',
      `the key file ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'})`
    )
  }
}

/** @returns false where another process was quicker */
async function makeKey(path: string): Promise<boolean> {
  try {
    await makeFolder(dirname(path), 0o700)
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(`${randomBytes(keyBytes).toString('base64')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    return true
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    if (code === 'EEXIST') return false
    throw new GeneratorError(
      'OUTPUT_UNWRITABLE',
      `no key for stored passwords can be made in ${path} (${code}); set ${keyVariable} or ${keyFileVariable}`,
      { cause }
    )
  }
}

/** Base64 in either alphabet, with or without its padding. */
function parseKey(text: string, source: string): SecretsKey {
  const bytes = Buffer.from(text, 'base64')
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text) || bytes.length !== keyBytes)
    throw new GeneratorError(
      'SECRETS_KEY_INVALID',
      `${source} is no key: it takes ${keyBytes} random bytes in base64, as openssl rand -base64 32 prints them`
    )
  return { bytes, id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), source }
}
