import assert from 'node:assert/strict'
import { keysOf, namesOf, testIdentity } from '../cloud-fixture.ts'
import { actions, ArmFixture, connected, idOf, origin, root } from './arm-fixture.ts'

const { subscriptionId, resourceGroup } = testIdentity

describe('the pretend Resource Manager', () => {
  let arm: ArmFixture

  beforeEach(async () => {
    arm = await ArmFixture.start()
  })
  afterEach(() => arm.close())

  describe('its front door', () => {
    it('wants a bearer token of the pretend login', async () => {
      const none = await arm.base.send('GET', `${origin}${root}?api-version=2025-11-01`)
      assert.equal(none.status, 401)
      assert.match(
        none.headers['www-authenticate'] ?? '',
        new RegExp(`^Bearer authorization_uri="https://login.microsoftonline.com/${testIdentity.tenantId}"`)
      )
      assert.equal(none.json.error.code, 'AuthenticationFailed')
      const rows = [
        [
          `Bearer ${await arm.base.entraToken('https://iothubs.azure.net/.default')}`,
          'InvalidAuthenticationTokenAudience'
        ],
        ['Bearer a.b.c', 'InvalidAuthenticationToken'],
        ['Basic eDp5', 'InvalidAuthenticationToken']
      ] as const
      for (const [header, code] of rows) {
        const answer = await arm.base.send('GET', `${origin}${root}?api-version=2025-11-01`, {
          headers: { authorization: header }
        })
        assert.equal(answer.status, 401)
        assert.equal(answer.json.error.code, code)
      }
      arm.clock += 3_600_000
      assert.equal((await arm.call('GET', root)).json.error.code, 'ExpiredAuthenticationToken')
    })

    const rows = [
      [root.replace(subscriptionId, 'other'), '2025-11-01', 404, 'SubscriptionNotFound'],
      [root.replace(resourceGroup, 'other'), '2025-11-01', 404, 'ResourceGroupNotFound'],
      [root.replace('Contoso', 'nobody'), '2025-11-01', 404, 'ResourceNotFound'],
      [root, '2000-01-01', 400, 'NoRegisteredProviderFound'],
      [`${root}/webhooks`, '2025-11-01', 404, 'InvalidResourceType']
    ] as const
    for (const [path, version, status, code] of rows)
      it(`answers ${code}, without the provider's status`, async () => {
        const answer = await arm.call('GET', path, undefined, version)
        assert.equal(answer.status, status)
        assert.equal(answer.json.error.code, code)
        assert.deepEqual(keysOf(answer.json), ['error'])
      })

    it('does not care for the case of a path', async () => {
      assert.equal((await arm.call('GET', root.toUpperCase().replace('/SUBSCRIPTIONS', '/Subscriptions'))).status, 200)
    })

    it('refuses a path that is not encoded, and a skip token that it never gave', async () => {
      const skipped = `${origin}${root}/scopeMaps?api-version=2025-11-01&$skiptoken=abc`
      for (const path of [`${root}/%zz`, skipped]) {
        const answer = await arm.call('GET', path)
        assert.deepEqual([answer.status, answer.json.error.code], [400, 'InvalidRequestContent'])
      }
    })

    it('sends the recorded headers on every answer', async () => {
      const recorded = {
        'cache-control': 'no-cache',
        pragma: 'no-cache',
        expires: '-1',
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'x-content-type-options': 'nosniff'
      }
      for (const [method, path, quota] of [
        ['GET', root, 'reads'],
        ['GET', idOf('scopeMaps', 'absent-1'), 'reads'],
        ['PUT', idOf('scopeMaps', 'root1'), 'writes'],
        ['DELETE', idOf('scopeMaps', 'absent-1'), 'deletes']
      ] as const) {
        const body = method === 'PUT' ? { properties: { actions } } : undefined
        const { headers } = await arm.call(method, path, body)
        const sent = Object.fromEntries(Object.keys(recorded).map((name) => [name, headers[name]]))
        assert.deepEqual(sent, recorded)
        assert.match(String(headers[`x-ms-ratelimit-remaining-subscription-${quota}`]), /^\d+$/)
      }
    })

    it('lists registries as resources', async () => {
      const filter = encodeURIComponent("resourceType eq 'Microsoft.ContainerRegistry/registries'")
      const { value } = (
        await arm.call(
          'GET',
          `${origin}/subscriptions/${subscriptionId}/resources?$filter=${filter}&api-version=2024-11-01`
        )
      ).json
      assert.deepEqual(namesOf(value), ['Contoso', 'plain'])
      assert.equal(value[0].id, root)
      assert.match(String(value[0].systemData.createdAt), /Z$/)
    })
  })

  describe('its switches', () => {
    it('spec mode: long-running operations where the specification allows them', async () => {
      const tokenId = await arm.makeToken()
      arm.cloud.arm.specMode = true
      const path = idOf('connectedRegistries', 'root1')
      const put = await arm.call('PUT', path, connected(tokenId))
      assert.equal(put.status, 201)
      assert.match(
        String(put.headers['azure-asyncoperation']),
        /connectedRegistries\/root1\/operationStatuses\/connectedregistries-/
      )
      await arm.finish(put)
      const generated = await arm.call('POST', `${root}/generateCredentials`, { tokenId, name: 'password2' })
      assert.deepEqual([generated.status, generated.text], [202, ''])
      assert.match(generated.headers.location!, /\/operationStatuses\/registries-/)
      assert.equal((await arm.call('GET', generated.headers.location!)).status, 202)
      const done = await arm.call('GET', generated.headers.location!)
      assert.equal(done.json.passwords[0].name, 'password2')
      // Shown once, here as well.
      assert.equal((await arm.call('GET', generated.headers.location!)).text, '')
      const deactivated = await arm.call('POST', `${path}/deactivate`)
      assert.equal(deactivated.status, 202)
      await arm.finish(deactivated)
      const deleted = await arm.call('DELETE', path)
      assert.equal(deleted.status, 202)
      await arm.finish(deleted)
      assert.equal((await arm.call('GET', path)).status, 404)
    })

    it('long poll URLs: four kilobytes, signed afresh by every answer, good only unaltered', async () => {
      arm.cloud.arm.longPollUrls = true
      await arm.putMap()
      const patched = await arm.call('PATCH', idOf('scopeMaps', 'root1'), { properties: { actions } })
      const url = patched.headers['azure-asyncoperation'] as string
      assert.ok(url.length > 3500, String(url.length))
      const first = await arm.call('GET', url)
      assert.equal(first.status, 200)
      assert.notEqual(first.headers['azure-asyncoperation'], url)
      assert.equal((await arm.call('GET', url)).text, '{"status":"Succeeded"}')
      const altered = url.replace(/&s=(.)/, (_, first: string) => `&s=${first === 'A' ? 'B' : 'A'}`)
      assert.equal((await arm.call('GET', altered)).status, 400)
      assert.equal((await arm.call('GET', url.slice(0, url.indexOf('&t=')))).status, 400)
    })

    for (const retryAfter of [undefined, 0, 1, 10])
      it(`Retry-After ${retryAfter ?? 'none'}`, async () => {
        arm.cloud.arm.retryAfter = retryAfter
        await arm.putMap()
        const deleted = await arm.call('DELETE', idOf('scopeMaps', 'root1'))
        assert.equal(deleted.headers['retry-after'], retryAfter === undefined ? undefined : String(retryAfter))
        const poll = await arm.call('GET', deleted.headers.location!)
        assert.equal(poll.headers['retry-after'], deleted.headers['retry-after'])
      })

    it('operations that fail, and calls that are answered with a fault', async () => {
      arm.cloud.arm.failing = { resource: /scopeMaps\/root1$/, error: { code: 'Broken', message: 'It broke.' } }
      await arm.putMap()
      const patched = await arm.call('PATCH', idOf('scopeMaps', 'root1'), { properties: { actions } })
      const url = patched.headers['azure-asyncoperation'] as string
      await arm.call('GET', url)
      assert.deepEqual((await arm.call('GET', url)).json, {
        status: 'Failed',
        error: { code: 'Broken', message: 'It broke.' }
      })
      assert.equal((await arm.ok('GET', idOf('scopeMaps', 'root1'))).properties.provisioningState, 'Failed')
      arm.cloud.arm.failing = { resource: /scopeMaps\/root1$/, status: 'Canceled' }
      const canceled = await arm.call('PATCH', idOf('scopeMaps', 'root1'), { properties: { actions } })
      await arm.call('GET', canceled.headers['azure-asyncoperation'] as string)
      assert.equal(
        (await arm.call('GET', canceled.headers['azure-asyncoperation'] as string)).text,
        '{"status":"Canceled"}'
      )
      assert.equal((await arm.ok('GET', idOf('scopeMaps', 'root1'))).properties.provisioningState, 'Canceled')
      arm.cloud.arm.faults.push({
        method: 'GET',
        path: /scopeMaps/,
        status: 429,
        code: 'TooManyRequests',
        message: 'Slow down.',
        headers: { 'retry-after': '3' },
        times: 1
      })
      const refused = await arm.call('GET', idOf('scopeMaps', 'root1'))
      assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '3'])
      assert.equal((await arm.call('GET', idOf('scopeMaps', 'root1'))).status, 200)
    })
  })
})
