import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { GeneratorError } from '../errors.ts'

export interface FileLock {
  release(): Promise<void>
}

/**
 * Holds `<path>.lock` until it is released. A lock whose process on this machine is gone is taken over; one from another
 * machine (a shared folder) is not, since nobody here can tell.
 *
 * @throws {GeneratorError} `SECRETS_LOCKED`
 */
export async function lockFile(path: string): Promise<FileLock> {
  const lock = `${path}.lock`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(lock, 'wx', 0o600)
      await file.writeFile(`${process.pid} ${hostname()}\n`)
      await file.close()
      return { release: () => rm(lock, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (attempt === 0 && (await isAbandoned(lock))) await rm(lock, { force: true })
  }
  throw new GeneratorError(
    'SECRETS_LOCKED',
    `another causeway is writing ${path}. Wait for it; if there is none, remove ${lock}`
  )
}

async function isAbandoned(lock: string): Promise<boolean> {
  const [, id, host] = /^(\d+) (.*)\n$/.exec(await readFile(lock, 'utf8').catch(() => '')) ?? []
  if (id === undefined || host !== hostname()) return false
  try {
    process.kill(Number(id), 0) // 0 sends nothing: it only asks whether the process is there
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
