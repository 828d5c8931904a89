import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { storagePaths } from './storage/paths.ts'

/** Bytes that a first start has to find free: an index with its log, and a key. */
const firstStartBytes = 256 * 1024

/**
 * Looks whether the module may work in its data folder, which is made where it is absent, and whether there is room for a
 * first start. A later one needs none: what is on a full disk is served.
 *
 * @returns what is in the way, and the command that mends it; undefined where nothing is, or something that storage tells better
 */
export async function findObstacle(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const probe = join(folder, '.may-write')
    // Bytes that compress or share to nothing would prove nothing.
    const content = (await hasIndex(folder)) ? '' : randomBytes(firstStartBytes)
    await writeFile(probe, content).finally(() => rm(probe, { force: true }))
    // What another user has left in there, or a restore: deeper than this only Causeway has written.
    for (const each of ['', 'storage'])
      for (const entry of await entriesOf(join(folder, each)))
        await access(join(folder, each, entry), constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    const { code = '', path = folder } = error as NodeJS.ErrnoException
    if (code === 'EROFS')
      return `${path} is mounted read-only: take ":ro" away from its entry in Binds of the module's createOptions; where none stands there the disk itself fails, and dmesg says how`
    if ((code === 'ENOSPC' || code === 'EDQUOT') && !(await hasIndex(folder)))
      return `there is no room to begin with in ${path} (${code}): free at least ${firstStartBytes / 1024} KiB on its volume`
    if (code !== 'EACCES' && code !== 'EPERM') return undefined
    return `user ${who()} may not write to ${path} (${code}): on the device run: ${await remedy(folder)}`
  }
}

/** Whether a start before this one came so far as to have one. */
async function hasIndex(folder: string): Promise<boolean> {
  try {
    return (await stat(storagePaths(join(folder, 'storage')).index)).size > 0
  } catch {
    return false
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function who(): string {
  return `${process.getuid?.() ?? '?'}:${process.getgid?.() ?? '?'}`
}

async function remedy(folder: string): Promise<string> {
  const outside = outsideOf(folder, await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''))
  const [above, own] = [quoted(dirname(outside)), quoted(outside)]
  return `sudo mkdir -p ${own} && sudo chown -R ${who()} ${own} && sudo chmod a+x ${above}`
}

/** For a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/**
 * What a folder in a container is called on the device, where it is bound in.
 *
 * @param mounts `/proc/self/mountinfo`; its fourth field is the place within the file system, which is the device's own path
 *   where that file system is the device's root (proc_pid_mountinfo(5))
 */
export function outsideOf(folder: string, mounts: string): string {
  const [closest] = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, , , within = '', at = '']) => ({ within: unescaped(within), at: unescaped(at) }))
    .filter(({ at }) => at !== '/' && (folder === at || folder.startsWith(`${at}/`)))
    .sort((a, b) => b.at.length - a.at.length)
  return closest === undefined ? folder : posix.join(closest.within, folder.slice(closest.at.length))
}

function unescaped(field: string): string {
  return field.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}
