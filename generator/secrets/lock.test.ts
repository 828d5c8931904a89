import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { lockFile, type FileLock, type LockOptions } from './lock.ts'

describe('the lock of the secrets file', () => {
  let folder: string
  let path: string
  let lock: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-lock-'))
    path = join(folder, 'secrets.jwe')
    lock = `${path}.lock`
  })
  afterEach(() => rm(folder, { recursive: true }))

  const never = (): Promise<void> => Promise.reject(new Error('nothing is to be watched here'))
  const take = (options: LockOptions = {}): Promise<FileLock> => lockFile(path, { wait: never, ...options })
  const locked = { code: 'SECRETS_LOCKED' }

  /** The lock of this process, as another one would have left it. */
  async function left(change: (fields: string[]) => void): Promise<void> {
    const held = await take()
    const fields = (await readFile(lock, 'utf8')).trimEnd().split(' ')
    await held.release()
    change(fields)
    await writeFile(lock, `${fields.join(' ')}\n`)
  }

  it('is held by one at a time, and leaves nothing behind', async () => {
    const held = await take()
    await assert.rejects(take(), locked)
    await held.release()
    await (await take()).release()
    assert.deepEqual(await readdir(folder), [])
  })

  it('is taken over from a process that was killed', async () => {
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { lockFile } = await import(${JSON.stringify(import.meta.resolve('./lock.ts'))})
        await lockFile(${JSON.stringify(path)})
        console.log('held')
        setInterval(() => {}, 1000)`
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    await once(child.stdout, 'data')
    await assert.rejects(take(), locked)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await take()).release()
  })

  it('is taken over from an earlier process of the same id, as containers have them', async function () {
    if (!existsSync('/proc/self/stat')) {
      console.log('    skipped: this system does not tell when a process was started')
      this.skip()
    }
    await left((fields) => (fields[3] = 'an-earlier-boot/17'))
    await (await take()).release()
  })

  it('of a process of another container is taken over when that gives no sign of life', async () => {
    await left((fields) => (fields[2] = 'pid:[1]'))
    const touch = async (): Promise<void> => utimes(lock, new Date(), new Date(Date.now() + 60_000))
    await assert.rejects(take({ wait: touch }), locked)
    let waits = 0
    await (
      await take({
        wait: (time) => {
          waits += time
          return Promise.resolve()
        }
      })
    ).release()
    assert.ok(waits > 0)
    await writeFile(lock, '')
    await (await take({ wait: () => Promise.resolve() })).release()
  })

  it('is watched until Ctrl-C at most', async () => {
    await left((fields) => (fields[2] = 'pid:[1]'))
    await assert.rejects(lockFile(path, { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  })

  it('of another machine, or of an earlier release, is as it was', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    await writeFile(lock, `${pid} another-machine\n`)
    await assert.rejects(take(), locked)
    await writeFile(lock, `${process.pid} ${hostname()}\n`)
    await assert.rejects(take(), locked)
    await writeFile(lock, `${pid} ${hostname()}\n`)
    await (await take()).release()
  })

  it('goes to the quicker of two who find it abandoned', async () => {
    await left((fields) => (fields[2] = 'pid:[1]'))
    let quicker: FileLock | undefined
    const beQuicker = async (): Promise<void> => {
      quicker = await take({ wait: () => Promise.resolve() })
    }
    await assert.rejects(take({ wait: beQuicker }), locked)
    await assert.rejects(take(), locked)
    await quicker?.release()
    assert.deepEqual(await readdir(folder), [])
  })

  it('of who was taken for gone is not let go of by them', async () => {
    const slow = await take()
    await writeFile(lock, 'of another')
    await slow.release()
    assert.equal(await readFile(lock, 'utf8'), 'of another')
  })

  it('tells in the words of the system where it cannot be', async () => {
    await writeFile(join(folder, 'file'), '')
    const places = [join(folder, 'file', 'x', 'secrets.jwe'), join(folder, 'x'.repeat(300))]
    if (existsSync('/proc/self/stat')) places.push('/proc/no-folder/secrets.jwe')
    for (const place of places)
      await assert.rejects(
        lockFile(place),
        (error: unknown) =>
          error instanceof GeneratorError &&
          error.code === 'OUTPUT_UNWRITABLE' &&
          /\((?:ENOTDIR|ENAMETOOLONG|ENOENT)\); make room or name another with --secrets/.test(error.message)
      )
  })
})
