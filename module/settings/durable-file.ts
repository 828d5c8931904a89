import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a small file so that after a power cut either the old content or the new one is there, never half of one: a new
 * file beside it, fsync, rename over it, fsync of the folder. Mode 0600, since what is written here may hold secrets.
 *
 * @param options.syncFolder false for one of many files, after the last of which {@link syncFolder} is called
 */
export async function writeDurably(
  path: string,
  content: string | Uint8Array,
  options: { readonly syncFolder?: boolean } = {}
): Promise<void> {
  const folder = dirname(path)
  await makeFolder(folder, 0o700)
  const draft = `${path}.${process.pid}.new`
  try {
    const file = await open(draft, 'w', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  if (options.syncFolder !== false) await syncFolder(folder)
}

/**
 * Makes a folder, and those above it that are missing, to survive a power cut as what is written into them does. Node's own
 * recursion never comes back where a folder cannot be made in one that is there, and the system calls that ENOENT, as `/proc`
 * does.
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  const make = async (): Promise<NodeJS.ErrnoException | undefined> => {
    try {
      await mkdir(path, mode)
    } catch (error) {
      // Which error a folder that is there gives differs between systems.
      return (await isFolder(path)) ? undefined : (error as NodeJS.ErrnoException)
    }
    await syncFolder(dirname(path))
    return undefined
  }
  let failure = await make()
  if (failure?.code === 'ENOENT' && dirname(path) !== path) {
    await makeFolder(dirname(path), mode)
    failure = await make()
  }
  if (failure !== undefined) throw failure
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/** The file's text, or undefined where there is none. Other errors are the caller's to tell. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A rename survives a power cut once its folder is synced. Windows has no such call, and a generator may run there. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
