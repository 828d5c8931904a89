import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from './log/log.ts'
import { PauseKeeper } from './pause-keeper.ts'
import type { Pause } from './status/events.ts'

describe('PauseKeeper', () => {
  let folder: string
  let told: (Pause | undefined)[]
  let time: Date

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-pause-'))
    told = []
    time = new Date('2026-11-21T10:00:00Z')
  })

  afterEach(() => rm(folder, { recursive: true, force: true }))

  /** As a process that starts with what is on disk. */
  const start = async (): Promise<PauseKeeper> => {
    const keeper = new PauseKeeper({
      folder,
      log: new LineLog(() => undefined),
      onChange: (pause) => told.push(pause),
      now: () => time
    })
    await keeper.restore()
    return keeper
  }

  it('is not paused where nobody said so', async () => {
    const keeper = await start()
    assert.equal(keeper.current, undefined)
    assert.equal(await keeper.resume(), false)
    assert.deepEqual(told, [])
  })

  it('stays paused over restarts until it is resumed, and that over restarts too', async () => {
    await (await start()).pause('in harbour')
    const paused = { since: '2026-11-21T10:00:00.000Z', reason: 'in harbour' }
    told = []
    const again = await start()
    assert.deepEqual([again.current, told], [paused, [paused]])
    assert.equal(await again.resume(), true)
    assert.deepEqual(told, [paused, undefined])
    assert.equal((await start()).current, undefined)
  })

  it('keeps the time at which it began, and takes a new reason', async () => {
    const keeper = await start()
    await keeper.pause('first')
    time = new Date('2026-11-21T11:00:00Z')
    assert.deepEqual(await keeper.pause('second'), { since: '2026-11-21T10:00:00.000Z', reason: 'second' })
    assert.equal((await keeper.pause()).reason, 'second')
  })

  it('is in the state asked for last where two ask at once', async () => {
    const keeper = await start()
    await Promise.all([keeper.pause(), keeper.resume(), keeper.pause('last')])
    assert.equal(keeper.current?.reason, 'last')
    assert.equal((await start()).current?.reason, 'last')
  })

  it('is paused where it was and the file cannot be read any more', async () => {
    await writeFile(join(folder, 'paused.json'), '{"since"')
    assert.deepEqual((await start()).current, { since: '2026-11-21T10:00:00.000Z' })
    // What the disk does not give.
    await rm(join(folder, 'paused.json'))
    await mkdir(join(folder, 'paused.json'))
    assert.deepEqual((await start()).current, { since: '2026-11-21T10:00:00.000Z' })
  })
})
