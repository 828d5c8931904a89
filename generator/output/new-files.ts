import { chmod, link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder } from '../../module/settings/durable-file.ts'
import { GeneratorError } from '../errors.ts'

export interface NewFile {
  /** Absolute. */
  readonly path: string
  readonly content: string
  /** 0600 where only the owner may read it, 0644 else. */
  readonly mode: 0o600 | 0o644
}

/**
 * Writes files that a person may have written before: all of them or, where one is there with other content, none.
 *
 * @param options.replace goes over what is there
 * @param options.instead what a person can do where that is not wanted
 * @returns the paths that were written; the others are there with the same content
 * @throws {GeneratorError} `OUTPUT_EXISTS`, `OUTPUT_UNWRITABLE`, or `CANCELLED` before anything was put in place
 */
export async function writeNewFiles(
  files: readonly NewFile[],
  { replace, instead, signal }: { readonly replace: boolean; readonly instead: string; readonly signal: AbortSignal }
): Promise<readonly string[]> {
  const compared = await Promise.all(files.map(async (file) => ({ file, before: await read(file.path) })))
  const changed = compared.filter(({ file, before }) => before !== file.content).map(({ file }) => file)
  const taken = compared.filter(({ file, before }) => before !== undefined && before !== file.content)
  if (taken.length > 0 && !replace)
    throw exists(
      taken.map(({ file }) => file.path),
      instead
    )
  const draft = ({ path }: NewFile): string => `${path}.${process.pid}.new`
  const placed: string[] = []
  try {
    for (const file of changed) await writing(file.path, () => writeDraft(draft(file), file))
    if (signal.aborted) throw new GeneratorError('CANCELLED', 'stopped by Ctrl-C; nothing was written')
    for (const file of changed) {
      await writing(file.path, () =>
        replace ? rename(draft(file), file.path) : place(draft(file), file.path, instead)
      )
      placed.push(file.path)
    }
    // One with the same content may be open to others still.
    for (const { path, mode } of files) if (mode === 0o600) await writing(path, () => chmod(path, mode))
    return placed
  } catch (error) {
    if (!replace) await removeAll(placed)
    throw error
  } finally {
    await removeAll(changed.map(draft))
  }
}

async function writeDraft(draft: string, { path, content, mode }: NewFile): Promise<void> {
  await makeFolder(dirname(path))
  // One of an earlier process with this number that was killed.
  await rm(draft, { force: true })
  await writeFile(draft, content, { mode, flag: 'wx' })
}

/** A link goes over nothing, not even what came there a moment ago. */
async function place(draft: string, path: string, instead: string): Promise<void> {
  try {
    await link(draft, path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') throw exists([path], instead)
    // File systems without links, such as FAT and some network shares.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    await rename(draft, path)
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unwritable(path, cause)
  }
}

async function writing(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (cause) {
    throw cause instanceof GeneratorError ? cause : unwritable(path, cause)
  }
}

async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true })
}

function exists(paths: readonly string[], instead: string): GeneratorError {
  return new GeneratorError(
    'OUTPUT_EXISTS',
    `${paths.join(', ')} ${paths.length === 1 ? 'is' : 'are'} there already, and nothing was written; ${instead}`
  )
}

function unwritable(path: string, cause: unknown): GeneratorError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'error'
  return new GeneratorError('OUTPUT_UNWRITABLE', `${path} cannot be written (${code})`, { cause })
}
