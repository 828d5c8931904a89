import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdtemp, open, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { IndexDatabase } from './index-database.ts'
import type { StoredChange } from './index-protocol.ts'
import { WorkerIndex } from './index.ts'
import { Leases } from './leases.ts'
import { openStorage } from './open-storage.ts'
import { storagePaths, type StoragePaths } from './paths.ts'

const app = parseRepository('app')

describe('storage: ways back', () => {
  let folder: string
  let paths: StoragePaths
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-recovery-'))
    paths = storagePaths(folder)
  })
  afterEach(() => rm(folder, { recursive: true }))

  describe('from an index whose write-ahead log outlived it', () => {
    const tags = (...names: readonly string[]): StoredChange[] =>
      names.flatMap((name): StoredChange[] => {
        const digest = digestOf(name)
        return [
          { kind: 'putManifest', repository: app, digest, mediaType: mediaTypes.ociManifest, size: 1 },
          { kind: 'setTag', repository: app, tag: parseTag(name), digest }
        ]
      })

    function change(changes: readonly StoredChange[], after: (index: IndexDatabase) => void = () => undefined): void {
      const { index } = IndexDatabase.open(folder)
      try {
        assert.deepEqual(index.apply([changes]), [undefined])
        after(index)
      } finally {
        index.close()
      }
    }

    /** As a kill leaves it: a database, and a log with what came since. */
    async function killed(): Promise<void> {
      change(tags('old'), (index) => assert.deepEqual(index.copy(), {}))
      const { index } = IndexDatabase.open(folder)
      index.apply([tags('since')])
      for (const suffix of ['', '-wal']) await copyFile(paths.index + suffix, `${folder}/kept${suffix}`)
      index.close()
      for (const suffix of ['', '-wal']) await copyFile(`${folder}/kept${suffix}`, paths.index + suffix)
    }

    function found(): string[] {
      const { index } = IndexDatabase.open(folder)
      index.close()
      const database = new DatabaseSync(paths.index)
      try {
        assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
        return database
          .prepare('SELECT name FROM tags ORDER BY name')
          .all()
          .map(({ name }) => String(name))
      } finally {
        database.close()
      }
    }

    it('has what the log has, where nothing else is lost', async () => {
      await killed()
      assert.deepEqual(found(), ['old', 'since'])
    })

    for (const [what, lose] of [
      ['lost', (path: string) => rm(path)],
      ['damaged', (path: string) => writeFile(path, 'not a database'.repeat(1000))]
    ] as const)
      it(`takes the copy as it is, and nothing of the log, where the index is ${what}`, async () => {
        await killed()
        await lose(paths.index)
        assert.deepEqual(found(), ['old'])
      })
  })

  it('knows which tag was set last also on a device whose clock was set back, and over a restart', () => {
    const { now } = Date
    let time = Date.parse('2026-11-01T12:00:00Z')
    Date.now = () => time
    try {
      for (const tag of ['first', 'second', 'third'].map(parseTag)) {
        const { index } = IndexDatabase.open(folder)
        const digest = digestOf('manifest')
        index.apply([
          [
            { kind: 'putManifest', repository: app, digest, mediaType: mediaTypes.ociManifest, size: 1 },
            { kind: 'setTag', repository: app, tag, digest }
          ]
        ])
        const times = index.tagTimes(app).times.toSorted(([, one], [, other]) => one - other)
        assert.equal(times.at(-1)?.[0], tag)
        assert.equal(new Set(times.map(([, at]) => at)).size, times.length)
        index.close()
        time -= 3_600_000
      }
    } finally {
      Date.now = now
    }
  })

  it('pays for no byte again where the disk is full at the end', async () => {
    let full = true
    const beforeSync = (): Promise<void> =>
      full ? Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })) : Promise.resolve()
    const storage = await openStorage({ folder, durability: { beforeSync } })
    try {
      const bytes = randomBytes(100_000)
      const digest = digestOf(bytes)
      const ingest = await storage.blobs.ingest(digest)
      await ingest.append(bytes)
      await assert.rejects(ingest.commit(digest), { code: 'DISK_FULL' })
      full = false
      const again = await storage.blobs.ingest(digest)
      assert.equal(again.offset, bytes.length)
      await again.commit(digest)
      assert.ok((await storage.blobs.bytes(digest)).equals(bytes))
    } finally {
      await storage.close()
    }
  })

  it('goes on from what was taken, not from the half of a piece that the disk had no room for', async () => {
    const storage = await openStorage({ folder })
    const probe = await open(folder, 'r')
    const handles = Object.getPrototypeOf(probe) as Record<'write', (this: FileHandle, ...parts: unknown[]) => unknown>
    await probe.close()
    const { write } = handles
    try {
      const ingest = await storage.blobs.ingest('upload')
      await ingest.append(Buffer.from('taken'))
      handles.write = function (chunk, at, _length, position) {
        if (at === 0) return write.call(this, chunk, 0, 3, position)
        return Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
      }
      await assert.rejects(ingest.append(Buffer.from('refused')), { code: 'DISK_FULL' })
      handles.write = write
      await ingest.close()
      const again = await storage.blobs.ingest('upload')
      assert.equal(again.offset, 5)
      await again.append(Buffer.from(' and more'))
      const digest = digestOf('taken and more')
      await again.commit(digest)
      assert.equal((await storage.blobs.bytes(digest)).toString(), 'taken and more')
    } finally {
      handles.write = write
      await storage.close()
    }
  })

  it('refuses everything at once after its worker died, and is whole when it is opened again', async () => {
    await (await openStorage({ folder })).close()
    const others = {
      folder,
      leases: new Leases(),
      hasBytes: () => Promise.resolve(true),
      onDiskFull: () => assert.ok(false)
    }
    // No such gate can be waited at: the worker ends with an error that nobody foresaw.
    const { index } = WorkerIndex.open({ ...others, commitGate: new SharedArrayBuffer(2) })
    const write = (): Promise<void> => index.apply([{ kind: 'setState', key: 'word', value: 1 }])
    await assert.rejects(write())
    const stopped = { code: 'INDEX_FAILED', message: /the index worker stopped/ }
    await assert.rejects(write(), stopped)
    await assert.rejects(index.copy(), stopped)
    await assert.rejects(index.tagTimes(app), stopped)
    await index.close()
    const { index: again } = WorkerIndex.open(others)
    await again.apply([{ kind: 'setState', key: 'word', value: 2 }])
    assert.equal(await again.state('word'), 2)
    await again.close()
  })
})
