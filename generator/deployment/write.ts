import { execFile } from 'node:child_process'
import { stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { makeFolder, writeDurably } from '../../module/settings/durable-file.ts'
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
  if (!allowInGit) await refuseInGit([path], 'choose another --output, or use --without-secrets or --allow-in-git')
  await writing(path, () => writeDurably(path, text))
}

/**
 * @param paths absolute, of one folder
 * @param instead what else the person can do
 * @throws {GeneratorError} `OUTPUT_IN_GIT` where git would pick one of them up
 */
export async function refuseInGit(paths: readonly string[], instead: string): Promise<void> {
  const [taken, ...others] = await takenByGit(paths)
  if (taken === undefined) return
  const more = others.length === 0 ? '' : `, as would ${others.length} more`
  throw new GeneratorError(
    'OUTPUT_IN_GIT',
    `${taken} would hold passwords${more}, and git does not ignore it. Ignore it there, ${instead}`
  )
}

/** Writes a file that everybody may read. @throws {GeneratorError} `OUTPUT_UNWRITABLE` */
export async function writeOpenFile(path: string, text: string): Promise<void> {
  await writing(path, async () => {
    await makeFolder(dirname(path))
    await writeFile(path, text)
  })
}

/** @throws {GeneratorError} `OUTPUT_UNWRITABLE` in place of what the system says */
export async function writing(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError('OUTPUT_UNWRITABLE', `${path} cannot be written (${code})`, { cause })
  }
}

/** Which of these files lie in a git work tree that does not ignore them. One that git tracks counts as not ignored. */
async function takenByGit(paths: readonly string[]): Promise<readonly string[]> {
  const root = await workTreeAbove(dirname(paths[0] ?? '/'))
  if (root === undefined) return []
  const git = run('git', ['-C', root, 'check-ignore', '-z', '--stdin'], {
    timeout: 60_000,
    maxBuffer: 1024 + 2 * Buffer.byteLength(paths.join('\0'))
  })
  git.child.stdin?.on('error', () => undefined).end(paths.join('\0'))
  try {
    const ignored = new Set((await git).stdout.split('\0'))
    return paths.filter((path) => !ignored.has(path))
  } catch {
    // 1 says "none is ignored". Without git, or where git refuses the folder, nobody knows, and a password is at stake.
    return paths
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
