import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { ForeignRegistry, type Pushed } from './foreign-registry.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, skip } from './real-tools.ts'
import { ask, pullPath, type Caller } from './world.ts'

const mebibyte = 1024 * 1024
const credentials = { user: 'sync-token', password: 'right for the parent' }
const clientPassword = 'right for the client'

interface Health {
  readonly connectionState: string
  readonly imagesReady: number
  readonly imagesTotal: number
  readonly faults: readonly { readonly code: string; readonly description: string }[]
}

async function health(origin: string): Promise<Health> {
  const { status, body } = await ask({ origin }, '/healthz')
  assert.equal(status, 200)
  return JSON.parse(body.toString()) as Health
}

describe('a module without IoT Edge', function () {
  this.timeout(60_000)
  let folder: string
  let module: LoneModule

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-lone-'))
    module = new LoneModule(folder)
  })
  after(async () => {
    if (module.isRunning) await module.stop()
    await rm(folder, { recursive: true, force: true })
  })

  describe('with neither settings nor a parent', () => {
    it('stays up, challenges and says what it lacks; then takes a file that is not right for what it is', async () => {
      await module.start()
      const challenged = await ask({ origin: module.origin }, '/v2/')
      assert.equal(challenged.status, 401)
      assert.equal(
        challenged.headers['www-authenticate'],
        `Bearer realm="${module.origin}/acr/oauth2/token",service="${new URL(module.origin).host}"`
      )
      const { connectionState, faults } = await health(module.origin)
      assert.equal(connectionState, 'Unhealthy')
      assert.ok(
        faults.some(({ code }) => code === 'SettingsMissing'),
        JSON.stringify(faults)
      )
      await module.write({ schemaVersion: '1.0', scopeMaps: {}, imageSets: { all: { repositories: ['Wrong Name'] } } })
      await module.logs(/settings refused .*path=imageSets\.all\.repositories\.0 reason=/)
      assert.ok((await health(module.origin)).faults.some(({ code }) => code === 'SettingsInvalid'))
      assert.equal((await ask({ origin: module.origin }, '/v2/')).status, 401)
    })

    it('ends with 0 when it is told to', async () => {
      assert.equal(await module.stop(), 0, module.log)
    })
  })
})

describe('a module with a parent that is none of ours', function () {
  this.timeout(60_000)
  let folder: string
  let parent: ForeignRegistry
  let module: LoneModule
  let settings: SettingsInput
  let app: Pushed
  let tools: Pushed

  before(async function () {
    if (!isInstalled('docker-registry')) skip(this, "Debian's docker-registry is not installed")
    folder = await mkdtemp(join(tmpdir(), 'causeway-foreign-'))
    parent = await ForeignRegistry.start(join(folder, 'parent'), credentials)
    app = await parent.push('plant/app', '1.0', [3 * mebibyte, 1000])
    tools = await parent.push('tools', '2.0', [70_000])
    settings = {
      schemaVersion: '1.0',
      parent: {
        endpoint: parent.endpoint,
        protocol: 'http',
        tokenName: credentials.user,
        password: credentials.password
      },
      imageSets: { workloads: { repositories: ['plant/app:1.*'] } },
      scopeMaps: { readers: { actions: ['repositories/plant/*/content/read'] } },
      tokens: {
        'plant-client': {
          scopeMap: 'readers',
          passwords: { password1: { hash: await hashPassword(clientPassword) } }
        }
      }
    }
    module = new LoneModule(folder)
    await module.write(settings)
    await module.start()
    await module.logs(/settings applied[^]* sync ended .*state=Succeeded/)
  })
  after(async () => {
    if ((module as LoneModule | undefined)?.isRunning === true) await module.stop()
    await (parent as ForeignRegistry | undefined)?.stop()
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true, force: true })
  })

  const client = (): Caller => ({ origin: module.origin, user: 'plant-client', password: clientPassword })

  async function servesAll(repository: string, tag: string, { digest, manifest, blobs }: Pushed): Promise<void> {
    for (const reference of [tag, digest]) {
      const answer = await pullPath(client(), repository, `manifests/${reference}`)
      assert.equal(answer.status, 200, answer.body.toString())
      assert.equal(answer.headers['docker-content-digest'], digest)
      assert.ok(answer.body.equals(manifest), `${repository}: the manifest by ${reference}`)
    }
    for (const blob of blobs) {
      const answer = await pullPath(client(), repository, `blobs/${digestOf(blob)}`)
      assert.ok(answer.body.equals(blob), `${repository}: ${digestOf(blob)}`)
    }
  }

  it('gives out, to a client token, what the parent has', async () => {
    await servesAll('plant/app', '1.0', app)
    assert.deepEqual(await health(module.origin), {
      status: 'ok',
      connectionState: 'Online',
      imagesReady: 1,
      imagesTotal: 1,
      faults: []
    })
    assert.notEqual((await pullPath(client(), 'tools', 'manifests/2.0')).status, 200)
  })

  it('takes another repository from the edited file without a restart', async () => {
    const before = module.log.length
    settings = {
      ...settings,
      imageSets: { ...settings.imageSets, tools: { repositories: ['tools'] } },
      scopeMaps: { readers: { actions: ['repositories/plant/*/content/read', 'repositories/tools/content/read'] } }
    }
    await module.write(settings)
    await module.logs(/settings applied[^]* sync ended .*state=Succeeded/, before)
    await servesAll('tools', '2.0', tools)
    await servesAll('plant/app', '1.0', app)
  })

  for (const { what, content, reason } of [
    { what: 'no JSON', content: '{ "schemaVersion": "1.0", ', reason: /settings refused reason=.*it is not JSON/ },
    {
      what: 'not what the schema says',
      content: '{ "schemaVersion": "1.0", "imageSets": { "all": { "repositories": "tools" } } }',
      reason: /settings refused version=\d+ path=imageSets\.all\.repositories reason=/
    }
  ])
    it(`keeps the last good settings where the file is ${what}, and mends with it`, async () => {
      const before = module.log.length
      await module.write(content)
      await module.logs(reason, before)
      const { faults } = await health(module.origin)
      assert.deepEqual(
        faults.map(({ code }) => code),
        ['SettingsInvalid']
      )
      await servesAll('tools', '2.0', tools)
      settings = { ...settings, sync: { intervalMinutes: (settings.sync?.intervalMinutes ?? 15) + 1 } }
      const broken = module.log.length
      await module.write(settings)
      await module.logs(/settings applied/, broken)
      assert.deepEqual((await health(module.origin)).faults, [])
    })

  it('ends with 0 when it is told to, and has logged no password', async () => {
    // After eight seconds it gives up on an orderly end, and that is a 1.
    assert.equal(await module.stop(), 0, module.log)
    assert.match(module.log, / stopped\n$/)
    for (const secret of [credentials.password, clientPassword]) assert.ok(!module.log.includes(secret))
  })

  it('serves what it has when it starts with the parent down and the settings file gone', async () => {
    await parent.stop()
    await rm(module.settings)
    await module.start()
    assert.match(module.log, /settings of an earlier start are in force/)
    await servesAll('plant/app', '1.0', app)
    await servesAll('tools', '2.0', tools)
    await module.logs(/sync ended .*state=Failed/)
    const { connectionState, imagesReady, imagesTotal, faults } = await health(module.origin)
    assert.deepEqual([connectionState, imagesReady, imagesTotal], ['Offline', 2, 2])
    assert.ok(
      faults.some(({ code }) => code === 'ParentUnreachable'),
      JSON.stringify(faults)
    )
  })

  it('goes on when the parent is back at another address, and follows a tag that moved', async () => {
    parent = await ForeignRegistry.start(join(folder, 'parent'), credentials)
    const moved = await parent.push('plant/app', '1.0', [2000])
    settings = { ...settings, parent: { ...settings.parent!, endpoint: parent.endpoint } }
    const before = module.log.length
    await module.write(settings)
    await module.logs(/settings applied[^]* sync ended .*state=Succeeded/, before)
    await servesAll('plant/app', '1.0', moved)
    await servesAll('tools', '2.0', tools)
    const { connectionState, faults } = await health(module.origin)
    assert.deepEqual([connectionState, faults], ['Online', []])
  })
})
