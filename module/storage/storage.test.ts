import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { describeStorageContract, putBlob, putManifestBytes } from './contract.ts'
import { openStorage } from './open-storage.ts'
import { storagePaths } from './paths.ts'
import { SortedNames } from './sorted.ts'
import type { Storage } from './storage.ts'

describeStorageContract('files and SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-storage-'))
  return {
    open: () => openStorage({ folder: join(folder, 'data') }),
    dispose: () => rm(folder, { recursive: true })
  }
})

describe('storage on disk', () => {
  const app = parseRepository('app')
  const tag = parseTag('1')
  let folder: string
  const open: Storage[] = []
  const openHere = async (lines: string[] = []): Promise<Storage> => {
    const storage = await openStorage({ folder, log: new LineLog((line) => lines.push(line)) })
    open.push(storage)
    return storage
  }

  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-storage-'))))
  afterEach(async () => {
    for (const storage of open.splice(0)) await storage.close()
    await rm(folder, { recursive: true })
  })

  async function fill(): Promise<{ layer: Buffer }> {
    const storage = await openHere()
    const layer = randomBytes(300_000)
    const manifest = await putManifestBytes(storage)
    await storage.index.apply([
      { kind: 'linkBlob', repository: app, digest: await putBlob(storage, layer) },
      { kind: 'putManifest', repository: app, ...manifest },
      { kind: 'setTag', repository: app, tag, digest: manifest.digest }
    ])
    await storage.close()
    return { layer }
  }

  it('is private: folders 0700, files 0600', async () => {
    await fill()
    const storage = await openHere()
    await (await storage.blobs.ingest('left over')).close()
    // With the database open, so that its -wal is looked at too.
    await storage.index.apply([{ kind: 'setState', key: 'a', value: 1 }])
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    assert.ok(entries.some((entry) => entry.name === 'index.db-wal'))
    for (const entry of entries) {
      const { mode } = await stat(join(entry.parentPath, entry.name))
      assert.equal(mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name)
    }
  })

  for (const [what, damage] of [
    ['is garbage', (path: string) => writeFile(path, 'not a database'.repeat(1000))],
    ['was cut short', (path: string) => truncate(path, 5000)],
    ['is of another program', (path: string) => run(path, 'PRAGMA user_version = 0')],
    ['lost a table', (path: string) => run(path, 'DROP TABLE tags')],
    ['holds a row that is no name', (path: string) => run(path, "UPDATE tags SET name = '../x'")]
  ] as const)
    it(`sets an index aside that ${what}, and keeps the blobs`, async () => {
      const { layer } = await fill()
      await damage(storagePaths(folder).index)
      const lines: string[] = []
      const storage = await openHere(lines)
      assert.deepEqual(await storage.index.repositories(), [])
      assert.ok((await storage.blobs.bytes(digestOf(layer))).equals(layer))
      await storage.index.apply([{ kind: 'linkBlob', repository: app, digest: digestOf(layer) }])
      assert.match(lines.join(), /\[ERR\] the index was damaged/)
      assert.equal((await readdir(folder)).filter((name) => name.includes('.damaged-')).length, 1)
    })

  it('starts with an empty index where it was lost', async () => {
    const { layer } = await fill()
    await rm(storagePaths(folder).index)
    const lines: string[] = []
    const storage = await openHere(lines)
    assert.deepEqual(await storage.index.repositories(), [])
    assert.equal(await storage.blobs.size(digestOf(layer)), layer.length)
    assert.match(lines.join(), /\[ERR\] the index was lost and begins anew/)
  })

  it('refuses an index of a newer release and leaves it as it is', async () => {
    await fill()
    await run(storagePaths(folder).index, 'PRAGMA user_version = 99')
    await assert.rejects(openHere(), { code: 'INDEX_TOO_NEW', message: /schema version 99/ })
    await run(storagePaths(folder).index, 'PRAGMA user_version = 3')
    assert.deepEqual(await (await openHere()).index.tags(app), [tag])
  })

  it('refuses a folder that is already open', async () => {
    await fill()
    const first = await openHere()
    await assert.rejects(openHere(), { code: 'STORAGE_IN_USE' })
    assert.deepEqual(await first.index.tags(app), [tag])
  })

  it('says what is wrong with a folder it cannot make', async () => {
    await writeFile(join(folder, 'file'), '')
    await assert.rejects(openStorage({ folder: join(folder, 'file', 'data') }), {
      code: 'DISK_FAILED',
      message: /making the data folder/
    })
  })

  it('replaces a blob that was damaged on disk when its bytes come again', async () => {
    const { layer } = await fill()
    const path = storagePaths(folder).blob(digestOf(layer))
    await writeFile(path, 'rot')
    const storage = await openHere()
    await putBlob(storage, layer)
    assert.ok((await storage.blobs.bytes(digestOf(layer))).equals(layer))
  })

  it('refuses a change that no row can hold, and only that one', async () => {
    const storage = await openHere()
    const manifest = await putManifestBytes(storage)
    const results = await Promise.allSettled([
      storage.index.apply([{ kind: 'putManifest', repository: app, ...manifest, size: 1.5 }]),
      storage.index.apply([{ kind: 'putManifest', repository: app, ...manifest, mediaType: undefined as never }]),
      storage.index.apply([{ kind: 'setState', key: 'a', value: 1 }])
    ])
    assert.deepEqual(
      results.map((result) => (result.status === 'rejected' ? (result.reason as { code: string }).code : 'applied')),
      ['INDEX_FAILED', 'INDEX_FAILED', 'applied']
    )
    assert.deepEqual(await storage.index.repositories(), [])
  })

  it('says so when the disk refuses bytes, and keeps what was taken', async () => {
    const storage = await openHere()
    const ingest = await storage.blobs.ingest('upload')
    await ingest.append(randomBytes(500_000))
    // Gone under the hashing worker's hands: what cannot be read again cannot be verified.
    await rm(storagePaths(folder).partial('upload'))
    const again = await storage.blobs.ingest('other')
    await again.append(randomBytes(10))
    await assert.rejects(ingest.commit(digestOf('x', 'sha512')), { code: 'DISK_FAILED', message: /verifying/ })
    assert.equal(again.offset, 10)
    await again.discard()
  })

  it('leaves no partial file behind a commit, right or wrong', async () => {
    const storage = await openHere()
    await putBlob(storage, randomBytes(10))
    const wrong = await storage.blobs.ingest('wrong')
    await wrong.append(randomBytes(10))
    await assert.rejects(wrong.commit(digestOf('other')))
    assert.deepEqual(await readdir(storagePaths(folder).partials), [])
  })
})

describe('sorted names', () => {
  it('stays sorted and without doubles, whatever comes and goes', () => {
    const names = new SortedNames<string>()
    const expected = new Set<string>()
    for (let round = 0; round < 2000; round++) {
      const name = randomBytes(1).toString('hex')
      if (round % 3 === 0) {
        names.remove(name)
        expected.delete(name)
      } else {
        names.add(name)
        expected.add(name)
      }
    }
    assert.deepEqual(names.page(), [...expected].sort())
  })
})

function run(path: string, sql: string): Promise<void> {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
  return Promise.resolve()
}
