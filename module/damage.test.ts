import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Damage } from './damage.ts'
import { LineLog } from './log/log.ts'
import { Maintenance } from './maintenance.ts'
import { digestOf, type Digest } from './oci/digest.ts'
import { app, bigLayer, codeOf, manifest, useWorld } from './registry/world.test.ts'
import { reportedSchema } from './settings/reported.ts'
import { createStatus, type Status } from './status/status.ts'
import { storagePaths } from './storage/paths.ts'

describe('damage that a scrub finds in what was pushed here', () => {
  const world = useWorld()
  const layer = digestOf(bigLayer)
  const log = new LineLog(() => undefined)
  let status: Status
  let damage: Damage

  const start = async (): Promise<void> => {
    status = createStatus({ version: '0.1.0', startedAt: new Date() })
    damage = new Damage({ storage: world.storage, status, log })
    await damage.restore()
  }
  const lost = (): unknown => status.snapshot().damaged
  const codes = (): string[] => (status.snapshot().statusDetails ?? []).map(({ code }) => code)

  before(start)
  after(() => damage.close())

  async function rot(digest: Digest): Promise<void> {
    const file = await open(storagePaths(join(world.folder, 'data')).blob(digest), 'r+')
    await file.write('rot', 7)
    await file.close()
  }

  async function scrub(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const maintenance = new Maintenance({
      storage: world.storage,
      log,
      onCollected: () => undefined,
      onDamage: (digests) => void damage.add(digests).then(() => resolve(undefined))
    })
    maintenance.scrub()
    await promise
    await maintenance.close()
  }

  it('is told in the twin, the metrics and to clients, until the bytes are pushed again', async () => {
    await rot(layer)
    await scrub()
    assert.deepEqual(lost(), [{ digest: layer, repositories: [app] }])
    assert.deepEqual(codes(), ['ContentDamaged'])
    assert.equal(reportedSchema.parse(status.snapshot()).damagedOmitted, 0)
    assert.equal(status.figures().damagedBlobs, 1)
    assert.ok(status.healthz().ok, 'everything else is served')
    assert.doesNotMatch(JSON.stringify(status.healthz()), /samples/)
    assert.equal(codeOf(await world.get(`/v2/samples/app/blobs/${layer}`)), 'BLOB_UNKNOWN')
    assert.equal((await world.send('HEAD', `/v2/samples/app/blobs/${layer}`)).status, 404)

    await damage.close()
    await world.restart()
    await start()
    assert.deepEqual(lost(), [{ digest: layer, repositories: [app] }], 'also after a restart')

    world.mode = 'ReadWrite'
    assert.equal((await world.push('POST', `/v2/samples/app/blobs/uploads/?digest=${layer}`, bigLayer)).status, 201)
    await damage.check()
    assert.equal(lost(), undefined)
    assert.deepEqual(codes(), [])
    assert.equal(await world.storage.index.state('scrub.damaged'), undefined)
    assert.equal((await world.get(`/v2/samples/app/blobs/${layer}`)).status, 200)
  })

  it('is told of a manifest too, and forgotten when nothing needs it any more', async () => {
    const digest = digestOf(manifest)
    await rot(digest)
    await scrub()
    assert.deepEqual(lost(), [{ digest, repositories: [app] }])
    // The cache of this process may hold it; a new one has what is on the disk.
    await damage.close()
    await world.restart()
    await start()
    assert.equal(codeOf(await world.get('/v2/samples/app/manifests/1.0')), 'MANIFEST_UNKNOWN')
    assert.equal((await world.send('HEAD', '/v2/samples/app/manifests/1.0')).status, 404)
    world.mode = 'ReadWrite'
    assert.equal((await world.push('DELETE', `/v2/samples/app/manifests/${digest}`)).status, 202)
    await damage.check()
    assert.equal(lost(), undefined)
  })
})
