import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LineLog } from './log/log.ts'
import { Maintenance } from './maintenance.ts'
import { parseRepository, parseTag } from './oci/name.ts'
import { retentionOf } from './retention.ts'
import { settingsSchema, type Settings, type SettingsInput } from './settings/document.ts'
import { readSettings } from './settings/validate.ts'
import { openStorage } from './storage/open-storage.ts'
import { storagePaths } from './storage/paths.ts'
import type { CollectionReport, Storage } from './storage/storage.ts'
import { pushImage } from './storage/testing.ts'

const builds = parseRepository('plant/builds')
const app = parseRepository('samples/app')
const day = 24 * 3_600_000

const read = (changes: Partial<SettingsInput>): Settings => settingsSchema.parse({ schemaVersion: '1.0', ...changes })

describe('retention settings', () => {
  const { untaggedMs, retention } = retentionOf(
    read({
      imageSets: {
        app: { repositories: ['samples/app:1.*'], untagged: 'P2D' },
        same: { repositories: ['samples/app:lts'], untagged: 'P3D' }
      },
      storage: {
        untagged: 'PT12H',
        retention: {
          everything: { repositories: ['*'], newest: 100, untagged: 'P9D' },
          plant: { repositories: ['plant/*'], newest: 10, youngerThan: 'P30D' },
          builds: { repositories: ['plant/builds', 'samples/app'], newest: 3 },
          'builds-too': { repositories: ['plant/builds'], newest: 5, youngerThan: 'P1D' }
        }
      }
    })
  )

  it('go by the rule that names a repository most closely, and by what keeps more where two do', () => {
    assert.deepEqual(
      [app, builds, 'plant/other', 'else'].map((name) => untaggedMs(parseRepository(name)) / day),
      [3, 9, 9, 9]
    )
    const limits = (name: string): unknown => {
      const { newest, youngerThanMs } = retention(parseRepository(name)) ?? {}
      return [newest, youngerThanMs === undefined ? undefined : youngerThanMs / day]
    }
    assert.deepEqual(limits('plant/other'), [10, 30])
    assert.deepEqual(limits('plant/builds'), [5, 1])
    assert.deepEqual(limits('else'), [100, 0])
  })

  it('keep what is a day old, and every tag, where nothing else is said', () => {
    const defaults = retentionOf(read({}))
    assert.equal(defaults.untaggedMs(app), day)
    assert.equal(defaults.retention(app), undefined)
  })

  it('leave the tags of image sets alone', () => {
    const rule = retention(app)
    assert.deepEqual(
      ['1.7', 'lts', '2.0'].map((tag) => rule?.spares(parseTag(tag))),
      [true, true, false]
    )
  })

  it('are refused where they cannot be, with where and why', () => {
    const reading = readSettings({
      schemaVersion: '1.0',
      imageSets: { app: { repositories: ['samples/app'], untagged: '7 days' } },
      storage: {
        untagged: 'P9999D',
        retention: {
          a: { repositories: ['Plant'], newest: 0 },
          b: { repositories: ['plant/*'], youngerThan: 'P1D', untagged: 'P1D' },
          c: { repositories: ['plant/*'] }
        }
      }
    })
    assert.ok(!reading.ok)
    assert.deepEqual(reading.errors.map(({ path }) => path).sort(), [
      'imageSets.app.untagged',
      'storage.retention.a.newest',
      'storage.retention.a.repositories.0',
      'storage.retention.b.youngerThan',
      'storage.retention.c',
      'storage.untagged'
    ])
  })
})

describe('retention of what was pushed', () => {
  let folder: string
  let storage: Storage

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-retention-'))
    storage = await openStorage({ folder })
  })
  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true })
  })

  /** A garbage collection by these settings, without the grace that it gives to what was just asked for. */
  const collect = async (changes: Partial<SettingsInput>): Promise<CollectionReport> => {
    const { promise, resolve } = Promise.withResolvers<CollectionReport>()
    const maintenance = new Maintenance({
      storage: {
        collectGarbage: (options) => storage.collectGarbage({ ...options, graceMs: 0 }),
        scrub: (options) => storage.scrub(options),
        copyIndex: () => storage.copyIndex()
      },
      log: new LineLog(() => undefined),
      onDamage: () => undefined,
      onCollected: resolve
    })
    maintenance.configure(read(changes))
    maintenance.collectGarbage()
    const report = await promise
    await maintenance.close()
    return report
  }
  const rule = (newest: number, youngerThan?: string): Partial<SettingsInput> => ({
    storage: {
      untagged: 'PT0S',
      retention: {
        builds: { repositories: ['plant/*'], newest, ...(youngerThan === undefined ? {} : { youngerThan }) }
      }
    }
  })

  it('keeps the tags that were pushed last, in whichever order they sort, and frees the rest', async () => {
    for (const tag of ['9', '1', '5', '3']) await pushImage(storage, builds, { tag })
    await pushImage(storage, app, { tag: 'not-pushed-here' })
    // Pushed again, and so no longer the oldest.
    await pushImage(storage, builds, { tag: '9' })
    await storage.close()
    storage = await openStorage({ folder })
    const { tags, manifests, blobs, bytes } = await collect(rule(2))
    assert.deepEqual(await storage.index.tags(builds), ['3', '9'])
    // Both that lost their tags, and the first of `9`.
    assert.deepEqual([tags, manifests, blobs], [2, 3, 12])
    assert.ok(bytes > 3 * 3000)
    assert.deepEqual(await storage.index.tags(app), ['not-pushed-here'])
    assert.equal((await collect(rule(2))).tags, 0)
  })

  it('keeps what is young too', async () => {
    for (const tag of ['1', '2', '3']) await pushImage(storage, builds, { tag })
    assert.equal((await collect(rule(1, 'PT1H'))).tags, 0)
    assert.equal((await collect(rule(1, 'PT0S'))).tags, 2)
  })

  it('lets manifests without tags stay for as long as their image set or rule says', async () => {
    await pushImage(storage, builds)
    await pushImage(storage, app)
    const rules: Partial<SettingsInput> = {
      imageSets: { app: { repositories: ['samples/app:1.0'], untagged: 'P1D' } },
      storage: { untagged: 'PT0S' }
    }
    assert.equal((await collect(rules)).manifests, 1)
    assert.deepEqual(await storage.index.repositories(), [app])
    assert.equal((await collect({ storage: { untagged: 'PT0S' } })).manifests, 1)
    assert.deepEqual(await storage.index.repositories(), [])
  })

  it('takes the tags of signatures with what they belong to, and does not count them', async () => {
    const tagOf = (digest: string): string => digest.replace(':', '-')
    const old = await pushImage(storage, builds, { tag: 'old' })
    const renamed = await pushImage(storage, builds, { tag: 'also-old' })
    for (const { record } of [old, renamed]) {
      await pushImage(storage, builds, { tag: tagOf(record.digest) })
      await pushImage(storage, builds, { tag: `${tagOf(record.digest)}.sig` })
    }
    const tag = parseTag('kept')
    await storage.index.apply([{ kind: 'setTag', repository: builds, tag, digest: renamed.record.digest }])
    assert.equal((await collect(rule(1))).tags, 4)
    const signatures = [tagOf(renamed.record.digest), `${tagOf(renamed.record.digest)}.sig`]
    assert.deepEqual(await storage.index.tags(builds), ['kept', ...signatures])
  })

  it('knows of tags from before it knew when they were set that they are here now', async () => {
    for (const tag of ['1', '2']) await pushImage(storage, builds, { tag })
    await storage.close()
    const database = new DatabaseSync(storagePaths(folder).index)
    database.exec('ALTER TABLE tags DROP COLUMN set_at; PRAGMA user_version = 2')
    database.close()
    storage = await openStorage({ folder })
    assert.equal((await collect(rule(1, 'PT1H'))).tags, 0)
    await pushImage(storage, builds, { tag: '0' })
    assert.equal((await collect(rule(1))).tags, 2)
    assert.deepEqual(await storage.index.tags(builds), ['0'])
  })
})
