import fs, { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join, sep } from 'node:path'

/** Whether this system shows which file a descriptor is: on others the disk cannot be watched. */
export const canWatchDisk = existsSync('/proc/self/fd')

/**
 * A disk that loses, when its power is cut, whatever nobody asked it to keep: a file's bytes unless they were fsynced, and a name
 * (of a new file, a renamed one, a new folder) unless the folder that it stands in was. POSIX promises no more; real file systems
 * keep more at times, and tests on them cannot tell. Sees what this thread does through `node:fs`, not what SQLite does.
 */
export class ForgetfulDisk {
  readonly #root: string
  readonly #files = new Map<bigint, Buffer>()
  readonly #folders = new Map<bigint, ReadonlyMap<string, bigint>>()
  readonly #restore: () => void

  private constructor(root: string, restore: () => void) {
    this.#root = root
    this.#restore = restore
  }

  /** @param folder what is in it now counts as kept */
  static async watch(folder: string): Promise<ForgetfulDisk> {
    const probe = await open(folder, 'r')
    const handles = Object.getPrototypeOf(probe) as Record<'sync' | 'datasync', (this: FileHandle) => Promise<void>>
    await probe.close()
    const { sync, datasync } = handles
    const { fsyncSync } = fs
    const disk = new ForgetfulDisk(realpathSync(folder), () => {
      Object.assign(handles, { sync, datasync })
      fs.fsyncSync = fsyncSync
      syncBuiltinESMExports()
    })
    const watched = (original: (this: FileHandle) => Promise<void>) =>
      async function (this: FileHandle): Promise<void> {
        const keep = disk.#look(this.fd)
        await original.call(this)
        keep()
      }
    Object.assign(handles, { sync: watched(sync), datasync: watched(datasync) })
    fs.fsyncSync = (descriptor) => {
      const keep = disk.#look(descriptor)
      fsyncSync(descriptor)
      keep()
    }
    // Those who import single functions get these too.
    syncBuiltinESMExports()
    disk.#keepAll(disk.#root)
    return disk
  }

  /** The files that a power cut now would leave, by their path below the folder. */
  afterPowerCut(): Map<string, Buffer> {
    const left = new Map<string, Buffer>()
    const walk = (folder: bigint, below: string): void => {
      for (const [name, id] of this.#folders.get(folder) ?? []) {
        const path = join(below, name)
        if (this.#folders.has(id)) walk(id, path)
        else left.set(path, this.#files.get(id) ?? Buffer.alloc(0))
      }
    }
    walk(status(this.#root).ino, '')
    return left
  }

  stopWatching(): void {
    this.#restore()
  }

  /** What is written by now is what an fsync that begins now keeps. */
  #look(descriptor: number): () => void {
    const path = readlinkSync(`/proc/self/fd/${descriptor}`)
    if (path !== this.#root && !path.startsWith(this.#root + sep)) return () => undefined
    const { ino, isFolder } = status(path)
    if (!isFolder) {
      const bytes = readFileSync(path)
      return () => this.#files.set(ino, bytes)
    }
    const names = entries(path)
    return () => this.#folders.set(ino, names)
  }

  #keepAll(path: string): void {
    const { ino, isFolder } = status(path)
    if (!isFolder) {
      this.#files.set(ino, readFileSync(path))
      return
    }
    this.#folders.set(ino, entries(path))
    for (const name of readdirSync(path)) this.#keepAll(join(path, name))
  }
}

function entries(folder: string): ReadonlyMap<string, bigint> {
  return new Map(readdirSync(folder).map((name) => [name, status(join(folder, name)).ino]))
}

function status(path: string): { readonly ino: bigint; readonly isFolder: boolean } {
  const found = lstatSync(path, { bigint: true })
  return { ino: found.ino, isFolder: found.isDirectory() }
}
