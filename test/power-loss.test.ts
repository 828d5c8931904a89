import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { digestOf } from '../module/oci/digest.ts'
import { syncFolder, writeDurably } from '../module/settings/durable-file.ts'
import { putBlob } from '../module/storage/contract.ts'
import { placeCopy, takeCopy } from '../module/storage/index-copy.ts'
import { configureIndex } from '../module/storage/index-schema.ts'
import { openStorage } from '../module/storage/open-storage.ts'
import { storagePaths } from '../module/storage/paths.ts'
import { canWatchDisk, ForgetfulDisk } from './forgetful-disk.ts'

describe('a power cut, on a disk that keeps only what it was asked to keep', () => {
  let folder: string
  let disk: ForgetfulDisk

  before(function () {
    if (canWatchDisk) return
    console.log('      skipped: this system does not show which file a descriptor is (/proc/self/fd)')
    this.skip()
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-power-'))
    disk = await ForgetfulDisk.watch(folder)
  })
  afterEach(async () => {
    disk.stopWatching()
    await rm(folder, { recursive: true })
  })

  const left = (path: string): string | undefined =>
    disk.afterPowerCut().get(relative(folder, path))?.toString('latin1')

  it('loses what nobody made durable', async () => {
    await writeFile(join(folder, 'file'), 'bytes')
    assert.equal(left(join(folder, 'file')), undefined)
    await syncFolder(folder)
    assert.equal(left(join(folder, 'file')), '')
  })

  it('leaves a blob that was committed, with every folder that it stands in', async () => {
    const storage = await openStorage({ folder: join(folder, 'module', 'content') })
    try {
      const paths = storagePaths(join(folder, 'module', 'content'))
      for (const size of [10, 100_000]) {
        const bytes = randomBytes(size)
        const digest = await putBlob(storage, bytes)
        assert.equal(left(paths.blob(digest)), bytes.toString('latin1'))
      }
    } finally {
      await storage.close()
    }
  })

  it('leaves the bytes of a partial file that was flushed', async () => {
    const storage = await openStorage({ folder })
    try {
      const bytes = randomBytes(100_000)
      const path = storagePaths(folder).partial(digestOf(bytes))
      const ingest = await storage.blobs.ingest(digestOf(bytes))
      await ingest.append(bytes)
      await ingest.flush()
      await syncFolder(storagePaths(folder).partials)
      assert.equal(left(path), bytes.toString('latin1'))
      await ingest.close()
    } finally {
      await storage.close()
    }
  })

  it('leaves the copy of the index, and the index that was made from it', () => {
    const paths = storagePaths(folder)
    placeCopy(paths, (path) => writeFileSync(path, 'first'))
    assert.equal(left(paths.indexCopy), 'first')
    placeCopy(paths, (path) => writeFileSync(path, 'second'))
    assert.equal(left(paths.indexCopy), 'second')
    takeCopy(paths)
    assert.equal(left(paths.index), 'second')
  })

  it('leaves what a commit of the index wrote: SQLite is told to fsync at each', () => {
    const database = new DatabaseSync(join(folder, 'index.db'))
    try {
      configureIndex(database)
      // https://www.sqlite.org/pragma.html#pragma_synchronous: 2 is FULL; in WAL mode NORMAL fsyncs at checkpoints only.
      assert.deepEqual({ ...database.prepare('PRAGMA synchronous').get() }, { synchronous: 2 })
    } finally {
      database.close()
    }
  })

  it('leaves a small file whole, the old one or the new one, in a folder that is new too', async () => {
    const path = join(folder, 'kept', 'deeper', 'settings.json')
    await writeDurably(path, 'first')
    assert.equal(left(path), 'first')
    await writeDurably(path, 'second')
    assert.equal(left(path), 'second')
    await writeDurably(path, 'third', { syncFolder: false })
    assert.equal(left(path), 'second')
    await syncFolder(join(folder, 'kept', 'deeper'))
    assert.equal(left(path), 'third')
  })
})
