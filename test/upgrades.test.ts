import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { digestOf } from '../module/oci/digest.ts'
import { parseRepository, parseTag } from '../module/oci/name.ts'
import { indexSchemaVersion } from '../module/storage/index-schema.ts'
import { openStorage } from '../module/storage/open-storage.ts'
import { mustRun } from './real-tools.ts'

const written = join(import.meta.dirname, 'upgrades')
const repository = parseRepository('plant/app')

describe('data folders of other releases', () => {
  let folder: string
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-upgrade-'))))
  afterEach(() => rm(folder, { recursive: true }))

  const unpack = (version: number): Promise<string> =>
    mustRun('tar', ['-C', folder, '-xzf', join(written, `index-${version}.tgz`)])

  function versionOf(file: string): unknown {
    const database = new DatabaseSync(join(folder, file), { readOnly: true })
    try {
      return database.prepare('PRAGMA user_version').get()?.['user_version']
    } finally {
      database.close()
    }
  }

  async function check(): Promise<void> {
    const storage = await openStorage({ folder })
    try {
      const image = await storage.index.tag(repository, parseTag('1.0'))
      assert.ok(image !== undefined)
      assert.equal(digestOf(await storage.blobs.bytes(image)), image)
      const [signature, ...others] = await storage.index.referrers(repository, image)
      assert.ok(signature !== undefined && others.length === 0, 'what a release did not keep is read from the bytes')
      const record = await storage.index.manifest(repository, signature)
      assert.equal(record?.artifactType, 'application/vnd.example.signature')
      assert.deepEqual(await storage.index.state('a/key'), { a: 'value' })
      // And it can be written.
      await storage.index.apply([{ kind: 'setTag', repository, tag: parseTag('2.0'), digest: signature }])
    } finally {
      await storage.close()
    }
  }

  it('are here for every version of the index that a release has written', () => {
    const names = globSync('*.tgz', { cwd: written }).sort()
    const wanted = Array.from({ length: indexSchemaVersion }, (_, at) => `index-${at + 1}.tgz`)
    assert.deepEqual(names, wanted, 'test/upgrades/write.ts makes one')
  })

  for (let version = 1; version <= indexSchemaVersion; version += 1)
    it(`open with an index of version ${version}, which is kept as it was where it has to be changed`, async () => {
      await unpack(version)
      await check()
      assert.equal(versionOf('index.db'), indexSchemaVersion)
      const kept = (await readdir(folder)).filter((name) => name.startsWith('index-of-version-'))
      assert.deepEqual(kept, version === indexSchemaVersion ? [] : [`index-of-version-${version}.db`])
      for (const name of kept) {
        assert.equal(versionOf(name), version)
        // The way back, and forward again.
        await copyFile(join(folder, name), join(folder, 'index.db'))
        await check()
      }
    })

  it('are refused where a newer release wrote them, and left as they are', async () => {
    await unpack(indexSchemaVersion)
    const database = new DatabaseSync(join(folder, 'index.db'))
    database.exec(`PRAGMA user_version = ${indexSchemaVersion + 1}`)
    database.close()
    const before = await readFile(join(folder, 'index.db'))
    await assert.rejects(openStorage({ folder }), {
      code: 'INDEX_TOO_NEW',
      message: new RegExp(`schema version ${indexSchemaVersion + 1} and this release reads up to ${indexSchemaVersion}`)
    })
    assert.ok(before.equals(await readFile(join(folder, 'index.db'))))
  })
})
