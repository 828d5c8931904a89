import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { readersOf } from './guarded-module.ts'
import { LoneModule } from './lone-module.ts'
import { pullPath } from './world.ts'

describe('a gateway whose disk was replaced, above a device that mirrors it', function () {
  this.timeout(60_000)
  let folder: string
  let world: CloudFixture
  let upper: LoneModule
  let lower: LoneModule
  /** Changes with each writing: what is the same starts no pass. */
  let minutes = 15
  let credentials: { readonly tokenName: string; readonly password: string }

  const mirrored: SettingsInput['imageSets'] = {
    all: { repositories: ['plant/app:1.*', 'tools:1'], deletions: 'mirror', referrers: false }
  }
  const above = async (): Promise<SettingsInput> => ({
    ...(await readersOf('', '', { reader: 'secret' })),
    parent: { endpoint: 'contoso.azurecr.io', ...credentials },
    imageSets: mirrored
  })
  const below = async (): Promise<SettingsInput> => ({
    ...(await readersOf('', new URL(upper.origin).host, {})),
    imageSets: mirrored,
    sync: { intervalMinutes: minutes },
    anonymousPull: { enabled: true }
  })

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-anew-'))
    for (const name of ['upper', 'lower', 'upper anew']) await mkdir(join(folder, name))
    world = await CloudFixture.start()
    const cloud = world.cloud.registry('contoso')
    for (const tag of ['1.0', '1.1']) await cloud.pushImage('plant/app', tag)
    await cloud.pushImage('tools', '1')
    const { username, password } = cloud.addToken('sync-token', [
      'repositories/*/content/read',
      'repositories/*/metadata/read'
    ])
    credentials = { tokenName: username, password }
    upper = new LoneModule(join(folder, 'upper'))
    await upper.write(await above())
    await upper.start({ https_proxy: world.network.proxyUrl, NODE_EXTRA_CA_CERTS: world.caFile })
    await upper.logs(/ sync ended .*state=Succeeded/)
    lower = new LoneModule(join(folder, 'lower'))
    await lower.write(await below())
    await lower.start()
    await lower.logs(/ sync ended .*state=Succeeded/)
  })
  after(async () => {
    for (const module of [upper, lower]) if ((module as LoneModule | undefined)?.isRunning === true) await module.stop()
    await world.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function pass(): Promise<void> {
    const { length } = lower.log
    minutes += 1
    await lower.write(await below())
    await lower.logs(/ settings applied[^]* sync ended .*trigger=SettingsChange/, length)
  }
  const status = async (repository: string, tag: string): Promise<number> =>
    (await pullPath({ origin: lower.origin }, repository, `manifests/${tag}`)).status

  it('takes nothing away from it, while its own link is down', async () => {
    await upper.stop()
    upper = new LoneModule(join(folder, 'upper anew'))
    await upper.write(await above())
    // Nobody listens there.
    await upper.start({ https_proxy: 'http://127.0.0.1:1' })
    await upper.logs(/ sync ended .*state=Failed/)
    await pass()
    assert.deepEqual(
      [await status('plant/app', '1.0'), await status('plant/app', '1.1'), await status('tools', '1')],
      [200, 200, 200]
    )
  })

  it('has its deletions mirrored once it has all that it wants', async () => {
    await upper.stop()
    const cloud = world.cloud.registry('contoso')
    cloud.delete('plant/app', '1.0')
    await upper.start({ https_proxy: world.network.proxyUrl, NODE_EXTRA_CA_CERTS: world.caFile })
    await upper.logs(/ sync ended .*state=Succeeded/)
    await pass()
    assert.deepEqual(
      [await status('plant/app', '1.0'), await status('plant/app', '1.1'), await status('tools', '1')],
      [404, 200, 200]
    )
  })
})
