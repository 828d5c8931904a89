import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { mediaTypes } from '../module/oci/media-types.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { LoneModule } from './lone-module.ts'
import { pushImage, pushManifest, statusAt, type Target } from './pushing.ts'

const password = 'right for everybody'
const every = ['content/read', 'content/write', 'content/delete', 'metadata/read']

/** Bytes are kept once, whoever pushed them; who may have them is a question of the repository. */
describe('a repository that names what only another one holds', function () {
  this.timeout(60_000)
  let folder: string
  let hash: string
  let parent: LoneModule
  let device: LoneModule
  /** Changes with each writing: what is the same starts no pass. */
  let minutes = 15

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-holders-'))
    hash = await hashPassword(password)
    parent = new LoneModule(await mkdtemp(join(folder, 'parent-')))
    await parent.write(settings())
    await parent.start()
    device = new LoneModule(await mkdtemp(join(folder, 'device-')))
    await device.write(below())
    await device.start()
    await device.logs(/ sync ended /)
  })
  after(async () => {
    for (const module of [device, parent] as (LoneModule | undefined)[])
      if (module?.isRunning === true) await module.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const settings = (): SettingsInput => ({
    schemaVersion: '1.0',
    mode: 'ReadWrite',
    scopeMaps: Object.fromEntries(
      ['alice', 'bob', '*'].map((of) => [
        of === '*' ? 'sync' : of,
        { actions: every.map((action) => `repositories/${of === '*' ? of : `${of}/*`}/${action}`) }
      ])
    ),
    tokens: Object.fromEntries(
      ['alice', 'bob', 'sync'].map((name) => [name, { scopeMap: name, passwords: { password1: { hash } } }])
    )
  })
  const below = (): SettingsInput => ({
    ...settings(),
    parent: { endpoint: new URL(parent.origin).host, protocol: 'http', tokenName: 'sync', password },
    imageSets: { all: { repositories: ['alice/app:*', 'bob/app:*'] } },
    sync: { intervalMinutes: minutes }
  })
  const as = (user: string, { origin }: LoneModule): Target => ({ origin, user, password })

  async function pass(): Promise<void> {
    const { length } = device.log
    minutes += 1
    await device.write(below())
    await device.logs(/ settings applied[^]* sync ended .*trigger=SettingsChange/, length)
  }

  it('gets none of it by what is pushed on the device, there and above', async () => {
    const secret = randomBytes(2000)
    const bobs = await pushImage(as('bob', device), 'bob/app', 'private', [secret])
    await device.logs(/ upwards: delivered .*what="push bob\/app:private"/)
    const child = { mediaType: mediaTypes.ociManifest, digest: bobs.digest, size: 500 }
    await pushManifest(as('alice', device), 'alice/app', 'loot', { mediaType: mediaTypes.ociIndex, manifests: [child] })
    await device.logs(/ upwards: delivered .*what="push alice\/app:loot"/)
    const layer = { mediaType: 'application/x', digest: digestOf(secret), size: secret.length }
    await pushManifest(as('alice', device), 'alice/app', 'layer', {
      mediaType: mediaTypes.ociManifest,
      config: layer,
      layers: []
    })
    await device.logs(/ upwards: parked .*what="push alice\/app:layer" .*neither here nor in the parent's alice\/app/)
    await pass()
    await isBobsAlone([`blobs/${digestOf(secret)}`, `manifests/${bobs.digest}`])
  })

  it('gets none of it by what is pushed above and synced', async () => {
    const secret = randomBytes(2000)
    const bobs = await pushImage(as('bob', parent), 'bob/app', 'above', [secret])
    await pass()
    const child = { mediaType: mediaTypes.ociManifest, digest: bobs.digest, size: 500 }
    const mine = await pushImage(as('alice', parent), 'alice/app', 'mine', [randomBytes(100)])
    await pushManifest(as('alice', parent), 'alice/app', 'index', {
      mediaType: mediaTypes.ociIndex,
      manifests: [child, { ...child, digest: mine.digest }]
    })
    const layer = { mediaType: 'application/x', digest: digestOf(secret), size: secret.length }
    await pushManifest(as('alice', parent), 'alice/app', 'taken', {
      mediaType: mediaTypes.ociManifest,
      config: layer,
      layers: []
    })
    await pass()
    await isBobsAlone([`blobs/${digestOf(secret)}`, `manifests/${bobs.digest}`])
    assert.equal(await statusAt(as('alice', device), '/v2/alice/app/manifests/index'), 200, 'with what alice has of it')
    assert.equal(await statusAt(as('alice', device), `/v2/alice/app/manifests/${mine.digest}`), 200)
    assert.match(device.log, /image failed image=alice\/app:taken reason="[^"]* has no alice\/app@/)
  })

  async function isBobsAlone(paths: readonly string[]): Promise<void> {
    for (const module of [parent, device])
      for (const path of paths) {
        assert.equal(await statusAt(as('alice', module), `/v2/alice/app/${path}`), 404, path)
        assert.equal(await statusAt(as('bob', module), `/v2/bob/app/${path}`), 200, path)
      }
  }
})
