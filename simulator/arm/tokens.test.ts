import assert from 'node:assert/strict'
import { keysOf, namesOf, testIdentity } from '../cloud-fixture.ts'
import { actions, ArmFixture, idOf, origin, root } from './arm-fixture.ts'

const { subscriptionId } = testIdentity

describe('scope maps and tokens of the pretend Resource Manager', () => {
  let arm: ArmFixture

  beforeEach(async () => {
    arm = await ArmFixture.start()
  })
  afterEach(() => arm.close())

  describe('a scope map', () => {
    it('is made at once, with 200 and the recorded shape', async () => {
      const put = await arm.putMap()
      assert.equal(put.status, 200)
      const body = put.json
      assert.deepEqual(keysOf(body), ['type', 'id', 'name', 'systemData', 'properties'])
      assert.deepEqual(keysOf(body.properties), ['type', 'creationDate', 'provisioningState', 'actions'])
      assert.equal(body.id, idOf('scopeMaps', 'root1'))
      assert.equal(body.properties.type, 'UserDefined')
      assert.equal(body.properties.provisioningState, 'Succeeded')
      assert.match(String(body.properties.creationDate), /^2026-11-21T18:48:02\.\d{0,6}[1-9]\+00:00$/)
      assert.notEqual(body.properties.creationDate, body.systemData.createdAt)
      assert.match(String(put.headers['api-supported-versions']), /2025-11-01/)
    })

    it('is absent with the recorded body, byte for byte', async () => {
      const { status, text, headers } = await arm.call('GET', idOf('scopeMaps', 'absent-1'))
      assert.equal(status, 404)
      assert.equal(
        text,
        '{"error":{"code":"ResourceNotFound","message":"The resource absent-1 could not be found."},"status":"Failed"}'
      )
      assert.equal(headers['api-supported-versions'], undefined)
    })

    it('is patched asynchronously: the whole list, in the order sent, and createdAt moves', async () => {
      const before = (await arm.putMap()).json
      arm.clock += 5000
      const list = [...actions].reverse()
      const patched = await arm.call('PATCH', idOf('scopeMaps', 'root1'), { properties: { actions: list } })
      assert.equal(patched.status, 201)
      assert.equal(patched.json.properties.provisioningState, 'Updating')
      assert.deepEqual(patched.json.properties.actions, list)
      const url = patched.headers['azure-asyncoperation'] as string
      assert.match(url, /\/scopeMaps\/root1\/operationStatuses\/token-/)
      assert.equal((await arm.call('GET', url)).text, '{"status":"Updating"}')
      assert.equal((await arm.call('GET', url)).text, '{"status":"Succeeded"}')
      const after = await arm.ok('GET', idOf('scopeMaps', 'root1'))
      assert.equal(after.properties.provisioningState, 'Succeeded')
      assert.equal(after.properties.creationDate, before.properties.creationDate)
      assert.notEqual(after.systemData.createdAt, before.systemData.createdAt)
    })

    it('is deleted with 202, the body null, and a Location under the subscription', async () => {
      await arm.putMap()
      const deleted = await arm.call('DELETE', idOf('scopeMaps', 'root1'))
      assert.equal(deleted.status, 202)
      assert.equal(deleted.text, 'null')
      assert.equal(deleted.headers['azure-asyncoperation'], undefined)
      const url = deleted.headers.location!
      assert.ok(
        url.startsWith(
          `${origin}/subscriptions/${subscriptionId}/providers/Microsoft.ContainerRegistry/locations/WESTEUROPE/operationResults/token-`
        )
      )
      const running = await arm.call('GET', url)
      assert.deepEqual([running.status, running.text], [202, ''])
      assert.equal(running.headers['api-supported-versions'], undefined)
      const done = await arm.call('GET', running.headers.location!)
      assert.deepEqual([done.status, done.text], [200, ''])
      assert.equal((await arm.call('GET', idOf('scopeMaps', 'root1'))).status, 404)
      assert.equal((await arm.call('DELETE', idOf('scopeMaps', 'root1'))).status, 204)
    })

    it('is written over whole, and keeps the day it was made', async () => {
      const before = (await arm.putMap()).json
      arm.clock += 5000
      const after = (await arm.putMap('root1', actions.slice(0, 1))).json
      assert.deepEqual(after.properties.actions, actions.slice(0, 1))
      assert.equal(after.properties.creationDate, before.properties.creationDate)
    })

    it('may be made asynchronously, where the specification is followed', async () => {
      arm.cloud.arm.specMode = true
      for (const state of ['Creating', 'Updating']) {
        const put = await arm.putMap()
        assert.deepEqual([put.status, put.json.properties.provisioningState], [201, state])
        await arm.finish(put)
      }
    })

    it('of the system exists and cannot be changed', async () => {
      const map = await arm.ok('GET', idOf('scopeMaps', '_repositories_pull'))
      assert.equal(map.properties.type, 'SystemDefined')
      assert.deepEqual(map.properties.actions, ['repositories/*/content/read'])
      assert.equal((await arm.call('DELETE', idOf('scopeMaps', '_repositories_pull'))).status, 400)
    })
  })

  describe('a token', () => {
    it('is made asynchronously, by operations that share an id', async () => {
      await arm.putMap()
      const patch = await arm.call('PATCH', idOf('scopeMaps', 'root1'), { properties: { actions } })
      const body = { properties: { scopeMapId: idOf('scopeMaps', 'root1'), status: 'enabled' } }
      const put = await arm.call('PUT', idOf('tokens', 'root1'), body)
      assert.equal(put.status, 201)
      const { creationDate, ...rest } = put.json.properties
      assert.match(String(creationDate), /\+00:00$/)
      // By another clock of the service (arm-wire §1).
      const later = Date.parse(creationDate as string) - Date.parse(put.json.systemData.createdAt as string)
      assert.ok(later >= 48 && later <= 287, String(later))
      assert.deepEqual(rest, {
        provisioningState: 'Creating',
        scopeMapId: idOf('scopeMaps', 'root1'),
        credentials: { passwords: [] },
        status: 'enabled'
      })
      const url = put.headers['azure-asyncoperation'] as string
      const operationOf = (address: unknown): string => /operationStatuses\/([^?]+)/.exec(String(address))![1]!
      assert.equal(operationOf(url), operationOf(patch.headers['azure-asyncoperation']))
      assert.equal((await arm.call('GET', url)).text, '{"status":"Creating"}')
      const last = await arm.call('GET', url)
      assert.equal(last.text, '{"status":"Succeeded"}')
      assert.equal((await arm.call('GET', url)).text, '{"status":"Succeeded"}')
      assert.notEqual(last.headers['azure-asyncoperation'], undefined)
      assert.match(String(last.headers['api-supported-versions']), /2025-11-01/)
      assert.equal((await arm.ok('GET', idOf('tokens', 'root1'))).properties.provisioningState, 'Succeeded')
    })

    it('gets passwords that are shown once, one or both, and listed without value', async () => {
      const tokenId = await arm.makeToken()
      const both = await arm.ok('POST', `${root}/generateCredentials`, { tokenId })
      assert.equal(both.username, 'root1')
      assert.deepEqual(namesOf(both.passwords), ['password1', 'password2'])
      assert.equal(both.passwords[0].creationTime, both.passwords[1].creationTime)
      assert.deepEqual(keysOf(both.passwords[0]), ['creationTime', 'name', 'value'])
      const expiry = '2100-12-31T12:59:59.000Z'
      const one = await arm.ok('POST', `${root}/generateCredentials`, { tokenId, name: 'password1', expiry })
      assert.deepEqual(keysOf(one.passwords[0]), ['creationTime', 'expiry', 'name', 'value'])
      assert.equal(one.passwords[0].expiry, '2100-12-31T12:59:59+00:00')
      const read = await arm.ok('GET', tokenId)
      assert.deepEqual(
        (read.properties.credentials.passwords as object[]).map((each) => [
          keysOf(each).includes('value'),
          namesOf([each])[0]
        ]),
        [
          [false, 'password2'],
          [false, 'password1']
        ]
      )
      assert.equal(await login(both.passwords[1].value), 200)
      assert.equal(await login(one.passwords[0].value), 200)
      assert.equal(await login(both.passwords[0].value), 401)
      arm.clock = Date.parse('2100-12-31T13:00:00Z')
      assert.equal(await login(one.passwords[0].value), 401)
      assert.equal(await login(both.passwords[1].value), 200)
    })

    it('has an expiry given back with its digits below a millisecond, and passwords that need escaping', async () => {
      const tokenId = await arm.makeToken()
      const expiry = '2100-12-31T12:59:59.1234560Z'
      const one = await arm.ok('POST', `${root}/generateCredentials`, { tokenId, name: 'password1', expiry })
      assert.equal(one.passwords[0].expiry, '2100-12-31T12:59:59.123456+00:00')
      const values = await Promise.all(
        Array.from({ length: 30 }, async () => {
          const { passwords } = await arm.ok('POST', `${root}/generateCredentials`, { tokenId })
          return `${passwords[0].value}${passwords[1].value}`
        })
      )
      // Of 1920 characters one in 65 is each of these: all three are among them but for once in 10^12.
      for (const character of '=+/') assert.ok(values.join('').includes(character), character)
    })

    it('is written over, and keeps its passwords', async () => {
      const tokenId = await arm.makeToken()
      const { passwords } = await arm.ok('POST', `${root}/generateCredentials`, { tokenId })
      await arm.makeToken()
      assert.equal(await login(passwords[0].value), 200)
    })

    it('keeps the password before until the new one has spread, where that is set', async () => {
      const tokenId = await arm.makeToken()
      const generate = async (): Promise<unknown> =>
        (await arm.ok('POST', `${root}/generateCredentials`, { tokenId, name: 'password1' })).passwords[0].value
      const first = await generate()
      arm.cloud.arm.passwordReplication = 60
      const second = await generate()
      assert.deepEqual([await login(first), await login(second)], [200, 401])
      arm.clock += 60_000
      assert.deepEqual([await login(first), await login(second)], [401, 200])
    })

    it('is patched: disabled, and its passwords taken away by listing those that stay', async () => {
      const tokenId = await arm.makeToken()
      const { passwords } = await arm.ok('POST', `${root}/generateCredentials`, { tokenId })
      const dropped = await arm.call('PATCH', tokenId, {
        properties: { credentials: { passwords: [{ name: 'password2' }] } }
      })
      assert.equal(dropped.status, 201)
      await arm.finish(dropped)
      assert.deepEqual([await login(passwords[0].value), await login(passwords[1].value)], [401, 200])
      await arm.ok('PATCH', tokenId, { properties: { status: 'disabled' } })
      assert.equal(await login(passwords[1].value), 401)
    })

    async function login(password: unknown): Promise<number> {
      const header = `Basic ${Buffer.from(`root1:${String(password)}`).toString('base64')}`
      const url = 'https://contoso.azurecr.io/oauth2/token?service=contoso.azurecr.io&scope=repository:app:pull'
      return (await arm.base.send('GET', url, { headers: { authorization: header } })).status
    }
  })
})
