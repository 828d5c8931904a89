import { randomUUID } from 'node:crypto'
import { open, readFile, readlink, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { makeFolder } from '../../module/settings/durable-file.ts'
import { pause } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'

export interface FileLock {
  release(): Promise<void>
}

export interface LockOptions {
  readonly signal?: AbortSignal
  /** How a holder is watched for a sign of life; for tests. */
  readonly wait?: (milliseconds: number) => Promise<void>
}

/** Milliseconds between two signs of life of whoever holds a lock: its file is touched. */
const beat = 2_000
/** Milliseconds for which one that cannot be looked for is watched. */
const watched = 15_000

/**
 * Holds `<path>.lock` until it is released. A lock whose process on this machine is gone is taken over: containers have the same
 * name and the same process ids run after run, so a process is known by when it was started too, and one of another container is
 * watched for signs of life. One from another machine (a shared folder) is not taken over, since nobody here can tell.
 *
 * @throws {GeneratorError} `SECRETS_LOCKED`, `OUTPUT_UNWRITABLE`, or `CANCELLED`
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<FileLock> {
  const lock = `${path}.lock`
  try {
    await makeFolder(dirname(path), 0o700)
    for (let attempt = 0; attempt < 2; attempt++) {
      const held = await create(lock)
      if (held !== undefined) return held
      if (attempt === 0) await takeAwayAbandoned(lock, options)
    }
  } catch (cause) {
    if (cause instanceof GeneratorError) throw cause
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError(
      'OUTPUT_UNWRITABLE',
      `${path} cannot be written (${code}); make room or name another with --secrets, and run this again`,
      { cause }
    )
  }
  throw new GeneratorError(
    'SECRETS_LOCKED',
    `another causeway is writing ${path}. Wait for it; if there is none, remove ${lock} and, where it is there, ${guardOf(lock)}`
  )
}

/** @returns undefined where somebody has it */
async function create(lock: string): Promise<FileLock | undefined> {
  const text = `${process.pid} ${hostname()} ${await namespace()} ${(await startOf(process.pid)) ?? '-'} ${randomUUID()}\n`
  const file = await open(lock, 'wx', 0o600).catch(unless('EEXIST'))
  if (file === undefined) return undefined
  try {
    await file.writeFile(text)
  } catch (error) {
    await rm(lock, { force: true })
    throw error
  } finally {
    await file.close()
  }
  const beating = setInterval(() => {
    const now = new Date()
    utimes(lock, now, now).catch(() => undefined)
  }, beat).unref()
  return {
    release: async () => {
      clearInterval(beating)
      // Who was stopped for long, and taken for gone, leaves alone what is another's by now.
      if ((await lookAt(lock))?.text === text) await rm(lock, { force: true })
    }
  }
}

interface Seen {
  readonly text: string
  /** Milliseconds; a sign of life changes it. */
  readonly touched: number
}

async function lookAt(lock: string): Promise<Seen | undefined> {
  const text = await readFile(lock, 'utf8').catch(unless('ENOENT'))
  const stats = await stat(lock).catch(unless('ENOENT'))
  return text === undefined || stats === undefined ? undefined : { text, touched: stats.mtimeMs }
}

/**
 * Of all who find a lock abandoned one takes it away, and only as it was when it was looked at: without a sign of life since, and
 * not the lock of who was quicker.
 */
async function takeAwayAbandoned(lock: string, options: LockOptions): Promise<void> {
  const seen = await lookAt(lock)
  if (seen === undefined || !(await mayBeAbandoned(seen, options))) return
  const guard = await open(guardOf(lock), 'wx', 0o600).catch(unless('EEXIST'))
  if (guard === undefined) return
  try {
    await guard.close()
    if (isSame(await lookAt(lock), seen)) await rm(lock, { force: true })
  } finally {
    await rm(guardOf(lock), { force: true })
  }
}

function guardOf(lock: string): string {
  return `${lock}.takeover`
}

/** Of one that had to be watched, what is there afterwards tells: see {@link takeAwayAbandoned}. */
async function mayBeAbandoned({ text }: Seen, { signal, wait }: LockOptions): Promise<boolean> {
  const [id = '', host, space, started] = text.trimEnd().split(' ')
  // Empty is one whose process was ended before it could say who it is.
  const unseen = text === '' || (host === hostname() && space !== undefined && space !== (await namespace()))
  if (unseen) {
    await (wait ?? ((time) => pause(time, signal ?? new AbortController().signal)))(watched)
    return true
  }
  if (host !== hostname() || !/^\d+$/.test(id)) return false
  try {
    process.kill(Number(id), 0) // 0 sends nothing: it only asks whether the process is there
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  const start = await startOf(Number(id))
  return start !== undefined && started !== undefined && started !== '-' && started !== start
}

function isSame(now: Seen | undefined, before: Seen): boolean {
  return now?.text === before.text && now.touched === before.touched
}

/** What process ids are counted in: a container has its own. `-` where the system does not tell. */
async function namespace(): Promise<string> {
  return readlink('/proc/self/ns/pid').catch(() => '-')
}

/**
 * When a process was started, in ticks since the system was, and which start of the system that was.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html field 22; the name in field 2 may hold anything
 */
async function startOf(id: number): Promise<string | undefined> {
  try {
    const [boot, line] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${id}/stat`, 'utf8')
    ])
    const ticks = line.slice(line.lastIndexOf(')') + 2).split(' ')[19]
    return ticks === undefined ? undefined : `${boot.trim()}/${ticks}`
  } catch {
    return undefined
  }
}

/** Undefined in place of one error of the system. */
function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code !== code) throw error
    return undefined
  }
}
