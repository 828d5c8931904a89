import assert from 'node:assert/strict'
import { keysOf, namesOf, type ParsedJson } from '../cloud-fixture.ts'
import { ArmFixture, connected, idOf, root } from './arm-fixture.ts'

describe('connected registries of the pretend Resource Manager', () => {
  let arm: ArmFixture

  beforeEach(async () => {
    arm = await ArmFixture.start()
  })
  afterEach(() => arm.close())

  describe('a connected registry', () => {
    it('is made at once, with the recorded shape', async () => {
      const tokenId = await arm.makeToken()
      const client = await arm.makeToken('client-1')
      const more = {
        clientTokenIds: [client],
        notificationsList: ['hello-world:tag:push'],
        logging: { logLevel: 'Warning', auditLogStatus: 'Disabled' },
        garbageCollection: { enabled: 'true', schedule: '0 0 * * *' }
      }
      const put = await arm.call(
        'PUT',
        idOf('connectedRegistries', 'root1'),
        connected(tokenId, more, { syncWindow: 'PT4H' })
      )
      assert.equal(put.status, 200, put.text)
      const versions = String(put.headers['api-supported-versions']).split(', ')
      assert.ok(versions.includes('2025-11-01') && !versions.includes('2019-05-01-preview'), 'only its own')
      const { properties, ...resource } = put.json
      assert.deepEqual(keysOf(resource), ['type', 'id', 'name', 'systemData'])
      assert.deepEqual(properties, {
        provisioningState: 'Succeeded',
        mode: 'ReadWrite',
        connectionState: 'Offline',
        activation: { status: 'Inactive' },
        parent: {
          syncProperties: {
            tokenId,
            schedule: '0 12 * * *',
            syncWindow: 'PT4H',
            messageTtl: 'P2D',
            gatewayEndpoint: 'contoso.westeurope.data.azurecr.io'
          }
        },
        clientTokenIds: [client],
        loginServer: { tls: { certificate: {} } },
        logging: { logLevel: 'Warning', auditLogStatus: 'Disabled' },
        notificationsList: ['hello-world:tag:push'],
        garbageCollection: { enabled: true, schedule: '0 0 * * *' }
      })
    })

    it('without the optional members has no key for them, nor a gateway when it is a child', async () => {
      const parent = idOf('connectedRegistries', 'root1')
      await arm.ok('PUT', parent, connected(await arm.makeToken()))
      const body = connected(await arm.makeToken('child'), {}, {})
      body.properties.parent.id = parent
      body.properties.mode = 'ReadOnly'
      const { properties } = await arm.ok('PUT', idOf('connectedRegistries', 'child'), body)
      assert.equal('clientTokenIds' in properties || 'notificationsList' in properties, false)
      assert.equal('gatewayEndpoint' in properties.parent.syncProperties, false)
      const old = await arm.call('GET', idOf('connectedRegistries', 'child'), undefined, '2021-08-01-preview')
      assert.equal('garbageCollection' in old.json.properties, false)
      await arm.ok('PATCH', parent, { properties: { logging: { logLevel: 'Debug' } } })
      const list = await arm.ok('GET', `${root}/connectedRegistries`)
      assert.deepEqual(keysOf(list), ['value'])
      assert.deepEqual(namesOf(list.value), ['root1', 'child'])
    })

    it('is patched by merging, in another shape', async () => {
      const path = idOf('connectedRegistries', 'root1')
      await arm.ok(
        'PUT',
        path,
        connected(await arm.makeToken(), { notificationsList: ['*:*'] }, { syncWindow: 'PT4H' })
      )
      const patch = async (properties: object): Promise<ParsedJson> =>
        (await arm.ok('PATCH', path, { properties })).properties
      const untouched = await patch({ logging: {}, garbageCollection: {} })
      assert.equal(untouched.logging.logLevel, 'Information')
      assert.deepEqual(untouched.notificationsList, ['*:*'])
      const level = await patch({ logging: { logLevel: 'debug' }, syncProperties: { messageTtl: 'P3D' } })
      assert.deepEqual(level.logging, { logLevel: 'Debug', auditLogStatus: 'Disabled' })
      assert.equal(level.parent.syncProperties.syncWindow, 'PT4H')
      assert.equal(level.parent.syncProperties.messageTtl, 'P3D')
      const before = await arm.ok('GET', path)
      arm.clock += 5000
      const always = await patch({ syncProperties: { schedule: '* * * * *' } })
      assert.notEqual((await arm.ok('GET', path)).systemData.createdAt, before.systemData.createdAt)
      assert.equal('syncWindow' in always.parent.syncProperties, false)
      assert.deepEqual((await patch({ notificationsList: [] })).notificationsList, [])
    })

    it('is deleted with 200 and nothing else; its token and scope map stay', async () => {
      const tokenId = await arm.makeToken()
      await arm.ok('PUT', idOf('connectedRegistries', 'root1'), connected(tokenId))
      assert.equal((await arm.call('DELETE', tokenId)).status, 409)
      const deleted = await arm.call('DELETE', idOf('connectedRegistries', 'root1'))
      assert.deepEqual([deleted.status, deleted.text, deleted.headers.location], [200, '', undefined])
      assert.equal((await arm.call('GET', tokenId)).status, 200)
      assert.equal((await arm.call('DELETE', tokenId)).status, 202)
      // Accepted while the deletion of the token that used it still runs.
      assert.equal((await arm.call('DELETE', idOf('scopeMaps', 'root1'))).status, 202)
    })

    it('is deactivated', async () => {
      const path = idOf('connectedRegistries', 'root1')
      await arm.ok('PUT', path, connected(await arm.makeToken()))
      arm.cloud
        .registry('contoso')
        .reportConnectedRegistry('root1', { activation: 'Active', connectionState: 'Online' })
      assert.equal((await arm.ok('GET', path)).properties.activation.status, 'Active')
      assert.equal((await arm.call('POST', `${path}/deactivate`)).status, 200)
      assert.equal((await arm.ok('GET', path)).properties.activation.status, 'Inactive')
    })

    it('has 49 others beside it at the most, and 50 client tokens', async () => {
      const tokens = await Promise.all(Array.from({ length: 51 }, (_, index) => arm.makeToken(`token${index}`)))
      const [last = '', ...others] = tokens
      for (const [index, token] of others.entries())
        await arm.ok('PUT', idOf('connectedRegistries', `registry${index}`), connected(token))
      const refused = await arm.call('PUT', idOf('connectedRegistries', 'onemore'), connected(last))
      assert.deepEqual([refused.status, refused.json.error.code], [403, 'QuotaExceeded'])
      await arm.ok('PUT', idOf('connectedRegistries', 'registry0'), connected(others[0] ?? ''))
      const crowded = { properties: { clientTokenIds: tokens } }
      assert.equal((await arm.call('PATCH', idOf('connectedRegistries', 'registry0'), crowded)).status, 403)
    })
  })
})
