import { execFile } from 'node:child_process'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { writeDurably } from '../../module/settings/durable-file.ts'
import { GeneratorError } from '../errors.ts'

const run = promisify(execFile)

/**
 * Writes a file that holds passwords: 0600, whole or not at all, and not where git would pick it up.
 *
 * @param path absolute
 * @param allowInGit writes it there all the same
 * @throws {GeneratorError} `OUTPUT_IN_GIT` or `OUTPUT_UNWRITABLE`
 */
export async function writeSecretFile(path: string, text: string, allowInGit: boolean): Promise<void> {
  if (!allowInGit) await refuseInGit(path, 'choose another --output, or use --without-secrets or --allow-in-git')
  await writing(path, () => writeDurably(path, text))
}

/**
 * @param path absolute
 * @param instead what else the person can do
 * @throws {GeneratorError} `OUTPUT_IN_GIT` where git would pick a file up
 */
export async function refuseInGit(path: string, instead: string): Promise<void> {
  if (await gitWouldTake(path))
    throw new GeneratorError(
      'OUTPUT_IN_GIT',
      `${path} would hold passwords, and git does not ignore it. Ignore it there, ${instead}`
    )
}

/** Writes a file that everybody may read. @throws {GeneratorError} `OUTPUT_UNWRITABLE` */
export async function writeOpenFile(path: string, text: string): Promise<void> {
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  })
}

async function writing(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError('OUTPUT_UNWRITABLE', `${path} cannot be written (${code})`, { cause })
  }
}

/** Whether the file lies in a git work tree that does not ignore it. A file that git tracks counts as not ignored. */
async function gitWouldTake(path: string): Promise<boolean> {
  const root = await workTreeAbove(dirname(path))
  if (root === undefined) return false
  try {
    await run('git', ['-C', root, 'check-ignore', '--quiet', '--', path], { timeout: 10_000 })
    return false
  } catch {
    // 1 says "not ignored". Without git, or where git refuses the folder, nobody knows, and a password is at stake.
    return true
  }
}

async function workTreeAbove(folder: string): Promise<string | undefined> {
  if (await exists(join(folder, '.git'))) return folder
  return basename(folder) === '' ? undefined : workTreeAbove(dirname(folder))
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false
  )
}
