import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { LoneModule } from './lone-module.ts'
import { pullPath } from './world.ts'

interface Referrers {
  readonly manifests: readonly { readonly digest: Digest; readonly artifactType?: string }[]
}

describe('image sets between the pretend ACR and a client of the device', function () {
  this.timeout(60_000)
  let folder: string
  let world: CloudFixture
  let module: LoneModule
  let settings: SettingsInput

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-sets-'))
    world = await CloudFixture.start()
    const cloud = world.cloud.registry('contoso')
    for (const tag of ['1.0.0', '1.1.0', '1.2.0', '2.0.0']) await cloud.pushImage('plant/app', tag)
    const { username, password } = cloud.addToken('sync-token', [
      'repositories/*/content/read',
      'repositories/*/metadata/read'
    ])
    settings = {
      schemaVersion: '1.0',
      parent: { endpoint: 'contoso.azurecr.io', tokenName: username, password },
      imageSets: {
        app: { repositories: [{ repository: 'plant/app', semver: '1', newest: 2 }], deletions: 'mirror' }
      },
      anonymousPull: { enabled: true }
    }
    module = new LoneModule(folder)
  })
  after(async () => {
    if (module.isRunning) await module.stop()
    await world.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function get(path: string): Promise<{ status: number; body: unknown }> {
    const { status, body } = await pullPath({ origin: module.origin }, 'plant/app', path)
    return { status, body: JSON.parse(body.toString()) as unknown }
  }

  async function sync(change: Partial<SettingsInput>): Promise<void> {
    const before = module.log.length
    settings = { ...settings, ...change }
    await module.write(settings)
    await module.logs(/settings applied[^]* sync ended .*state=Succeeded/, before)
  }

  it('give out the newest of a range, with the signature of each by the referrers API', async () => {
    const cloud = world.cloud.registry('contoso')
    const digest = cloud.digestOf('plant/app', '1.2.0') ?? assert.fail()
    const subject = { digest, mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 100 }
    const signature = await cloud.push('plant/app', 'signature', {
      bytes: Buffer.from('a signature'),
      artifactType: 'application/vnd.cncf.notary.signature',
      subject
    })
    await module.write(settings)
    await module.start({ https_proxy: world.network.proxyUrl, NODE_EXTRA_CA_CERTS: world.caFile })
    await module.logs(/ sync ended .*state=Succeeded/)
    assert.deepEqual((await get('tags/list')).body, { name: 'plant/app', tags: ['1.1.0', '1.2.0'] })
    const referrers = (await get(`referrers/${digest}`)).body as Referrers
    assert.deepEqual(
      referrers.manifests.map((each) => [each.digest, each.artifactType]),
      [[signature.digest, 'application/vnd.cncf.notary.signature']]
    )
    assert.equal((await get(`manifests/${signature.digest}`)).status, 200)
  })

  it('follow what is deleted and what is new in the parent where they mirror it', async () => {
    const cloud = world.cloud.registry('contoso')
    cloud.delete('plant/app', '1.1.0')
    await cloud.pushImage('plant/app', '1.3.0')
    await sync({ sync: { intervalMinutes: 16 } })
    assert.deepEqual((await get('tags/list')).body, { name: 'plant/app', tags: ['1.2.0', '1.3.0'] })
  })

  it('leave a repository that no set names any more, and clean it up when they are told to', async () => {
    await sync({ imageSets: {} })
    assert.equal((await get('manifests/1.3.0')).status, 200)
    await sync({ sync: { cleanUp: true } })
    assert.equal((await get('manifests/1.3.0')).status, 404)
  })

  it('wait for their window, which is told', async () => {
    const hour = (new Date().getUTCHours() + 12) % 24
    const before = module.log.length
    settings = {
      ...settings,
      imageSets: { app: { repositories: ['plant/app:2.0.0'] } },
      sync: { schedule: `0 ${hour} * * *`, window: 'PT1H' }
    }
    await module.write(settings)
    await module.logs(/settings applied/, before)
    assert.equal((await get('manifests/2.0.0')).status, 404)
    assert.doesNotMatch(module.log.slice(before), /sync ended/)
    await sync({ sync: { schedule: '* * * * *' } })
    assert.equal((await get('manifests/2.0.0')).status, 200)
  })
})
