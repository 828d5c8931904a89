import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WorkerIndex } from './index.ts'
import { Leases } from './leases.ts'
import { openStorage } from './open-storage.ts'
import { storagePaths } from './paths.ts'

describe("storage: the index's worker", () => {
  let folder: string
  let index: WorkerIndex
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-idle-'))
    await (await openStorage({ folder })).close()
    const leases = new Leases()
    const hasBytes = (): Promise<boolean> => Promise.resolve(true)
    const opened = WorkerIndex.open({ folder, leases, hasBytes, onDiskFull: () => assert.ok(false), idleMs: 1 })
    index = opened.index
  })
  afterEach(async () => {
    await index.close()
    await rm(folder, { recursive: true })
  })
  const write = (value: unknown): Promise<void> => index.apply([{ kind: 'setState', key: 'word', value }])
  const ended = async (): Promise<void> => {
    while (index.hasWorker) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  it('begins with the first change, and ends when none has come for a while', async () => {
    assert.equal(index.hasWorker, false)
    for (const round of [1, 2, 3]) {
      await write(round)
      await ended()
    }
    await index.close()
    const { index: again } = WorkerIndex.open({
      folder,
      leases: new Leases(),
      hasBytes: () => Promise.resolve(true),
      onDiskFull: () => assert.ok(false)
    })
    assert.equal(await again.state('word'), 3)
    await again.close()
  })

  it('takes changes while it goes', async () => {
    for (let round = 1; round <= 25; round += 1) {
      await write(round)
      await new Promise((resolve) => setTimeout(resolve, round % 4))
      assert.equal(await index.state('word'), round)
    }
  })

  it('leaves nobody else in while there is none', async () => {
    await write(1)
    await ended()
    await index.settled()
    await ended()
    await assert.rejects(openStorage({ folder }), { code: 'STORAGE_IN_USE' })
    await write(2)
  })

  it('fails what was asked for while the file could not be opened, and nothing after it', async () => {
    const { index: file } = storagePaths(folder)
    await write(1)
    await ended()
    const away = join(folder, 'away')
    await rename(file, away)
    await mkdir(file)
    await assert.rejects(write(2), { code: 'INDEX_FAILED' })
    await assert.rejects(index.copy(), { code: 'INDEX_FAILED' })
    await rmdir(file)
    await rename(away, file)
    assert.equal(await index.state('word'), 1)
    await write(3)
    assert.equal(await index.state('word'), 3)
    await index.copy()
  })

  it('may be closed while it goes', async () => {
    await write(1)
    const going = ended()
    await index.close()
    await going.catch(() => undefined)
    await (await openStorage({ folder })).close()
  })
})
