import assert from 'node:assert/strict'
import { ArmFixture, root } from './arm-fixture.ts'

describe('registries of the pretend Resource Manager', () => {
  let arm: ArmFixture

  beforeEach(async () => {
    arm = await ArmFixture.start()
  })
  afterEach(() => arm.close())

  describe('a registry', () => {
    it('is patched asynchronously: 201, new values at once, done by the first poll', async () => {
      const patched = await arm.call('PATCH', root, {
        properties: { anonymousPullEnabled: true, dataEndpointEnabled: false }
      })
      assert.equal(patched.status, 201)
      const { properties } = patched.json
      assert.equal(properties.provisioningState, 'Updating')
      assert.equal(properties.anonymousPullEnabled, true)
      assert.deepEqual(properties.dataEndpointHostNames, [])
      assert.match(
        patched.headers['azure-asyncoperation'] as string,
        /\/operationStatuses\/registries-[0-9a-f-]{36}\?api-version=2025-11-01$/
      )
      assert.equal(patched.headers.location, undefined)
      assert.deepEqual((await arm.call('GET', patched.headers['azure-asyncoperation'] as string)).json, {
        status: 'Succeeded'
      })
      assert.equal((await arm.ok('GET', root)).properties.provisioningState, 'Succeeded')
    })

    it('is patched synchronously where that is set, with the whole resource too', async () => {
      arm.cloud.arm.registryPatch = 'synchronous'
      const before = await arm.ok('GET', root)
      arm.clock += 60_000
      const body = { ...before, tags: { site: 'a' }, properties: { ...before.properties, anonymousPullEnabled: true } }
      const patched = await arm.call('PATCH', root, body)
      assert.equal(patched.status, 200)
      const after = patched.json
      assert.deepEqual(after.tags, { site: 'a' })
      assert.equal(after.systemData.createdAt, before.systemData.createdAt)
      assert.notEqual(after.systemData.lastModifiedAt, before.systemData.lastModifiedAt)
      assert.equal('status' in after.properties, false)
      assert.match(after.properties.creationDate as string, /Z$/)
      // By another clock of the service (arm-wire §1).
      const later =
        Date.parse(after.properties.creationDate as string) - Date.parse(after.systemData.createdAt as string)
      assert.ok(later >= 48 && later <= 287, String(later))
      assert.match(after.systemData.createdAt as string, /\+00:00$/)
      assert.equal(patched.headers['api-supported-versions'], '2025-11-01')
    })

    it('tells when its policies were changed last, not when anything else was', async () => {
      arm.cloud.arm.registryPatch = 'synchronous'
      const changed = async (properties: object): Promise<unknown> => {
        arm.clock += 60_000
        return (await arm.ok('PATCH', root, { properties })).properties.policies.retentionPolicy.lastUpdatedTime
      }
      const first = await changed({})
      assert.match(first as string, /\+00:00$/)
      assert.equal(await changed({ anonymousPullEnabled: true }), first)
      assert.notEqual(await changed({ policies: {} }), first)
    })

    it('makes its data endpoint reachable, or not', async () => {
      const host = 'contoso.westeurope.data.azurecr.io:443'
      assert.notEqual(arm.base.network.resolve(host), undefined)
      await arm.ok('PATCH', root, { properties: { dataEndpointEnabled: false } })
      assert.equal(arm.base.network.resolve(host), undefined)
    })

    it('refuses a second PATCH while the first runs, and what its SKU cannot', async () => {
      await arm.ok('PATCH', root, { properties: { anonymousPullEnabled: true } })
      assert.equal((await arm.call('PATCH', root, { properties: {} })).status, 409)
      const plain = root.replace('Contoso', 'plain')
      assert.equal((await arm.call('PATCH', plain, { properties: { dataEndpointEnabled: true } })).status, 400)
    })
  })

  describe('importing an image', () => {
    const source = { registryUri: 'mcr.microsoft.com', sourceImage: 'azureiotedge-hub:1.5' }

    it('takes it from the public registry with every platform, and is polled by Location', async () => {
      const started = await arm.call('POST', `${root}/importImage`, { source, targetTags: ['edge/hub:stable'] })
      assert.equal(started.status, 202)
      const done = await arm.finish(started)
      assert.deepEqual([done.status, done.text], [200, ''])
      const registry = arm.cloud.registry('contoso')
      assert.deepEqual(registry.tags('edge/hub'), ['stable'])
      const again = await arm.call('POST', `${root}/importImage`, { source, targetTags: ['edge/hub:stable'] })
      assert.equal(again.status, 409)
      assert.deepEqual(again.json.error, {
        code: 'Conflict',
        message: 'Tag edge/hub:stable already exists in target registry.'
      })
      const forced = await arm.call('POST', `${root}/importImage`, {
        source,
        targetTags: ['edge/hub:stable'],
        mode: 'Force'
      })
      assert.equal(forced.status, 202)
    })

    it('brings nothing where the operation fails', async () => {
      arm.cloud.arm.failing = { resource: /registries\/Contoso$/, error: { code: 'ImportFailed', message: 'Cut off.' } }
      const started = await arm.call('POST', `${root}/importImage`, { source, targetTags: ['edge/hub:stable'] })
      assert.equal(started.status, 202)
      await arm.call('GET', started.headers.location!)
      const failed = await arm.call('GET', started.headers.location!)
      assert.deepEqual([failed.status, failed.json.error.code], [400, 'ImportFailed'])
      arm.cloud.arm.failing = undefined
      assert.deepEqual(arm.cloud.registry('contoso').tags('edge/hub'), [])
      const again = await arm.call('POST', `${root}/importImage`, { source, targetTags: ['edge/hub:stable'] })
      assert.equal(again.status, 202, 'no tag is in its way')
    })

    it('takes it from another registry, by its id or with credentials, and by digest', async () => {
      const plain = arm.cloud.registry('plain')
      const pushed = await plain.pushImage('app', '1')
      const byId = { resourceId: root.replace('Contoso', 'plain'), sourceImage: `app@${pushed.digest}` }
      const started = await arm.call('POST', `${root}/importImage`, { source: byId, targetTags: ['one:a'] })
      assert.equal(started.status, 202)
      await arm.finish(started)
      assert.equal(arm.cloud.registry('contoso').digestOf('one', 'a'), pushed.digest)
      const user = plain.addToken('puller', ['repositories/app/content/read'])
      const byPassword = { registryUri: 'plain.azurecr.io', sourceImage: 'app:1', credentials: user }
      assert.equal(
        (await arm.call('POST', `${root}/importImage`, { source: byPassword, targetTags: ['two:a'] })).status,
        202
      )
      const wrong = { ...byPassword, credentials: { ...user, password: 'wrong' } }
      const refused = await arm.call('POST', `${root}/importImage`, { source: wrong, targetTags: ['three:a'] })
      assert.equal(refused.json.error.code, 'ImportSourceNotFound')
    })
  })
})
