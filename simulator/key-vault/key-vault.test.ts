import assert from 'node:assert/strict'
import { CloudFixture, type Answer } from '../cloud-fixture.ts'

const vault = 'https://plant-secrets.vault.azure.net'

describe('the pretend key vault', () => {
  let fixture: CloudFixture
  let authorization: string
  before(async () => {
    fixture = await CloudFixture.start({ keyVaults: ['plant-secrets'] })
    authorization = `Bearer ${await fixture.entraToken('https://vault.azure.net/.default')}`
  })
  after(() => fixture.close())

  const call = (method: string, path: string, body?: unknown, version = '7.4'): Promise<Answer> =>
    fixture.send(method, `${vault}${path}?api-version=${version}`, {
      headers: { authorization },
      ...(body === undefined ? {} : { body })
    })
  const codeOf = ({ status, json }: Answer): unknown => [status, json.error.innererror?.code ?? json.error.code]

  it('challenges with the tenant and the resource', async () => {
    const { status, headers, json } = await fixture.send('GET', `${vault}/secrets?api-version=7.4`)
    assert.equal(status, 401)
    assert.match(
      String(headers['www-authenticate']),
      /^Bearer authorization="https:\/\/login\.microsoftonline\.com\/[0-9a-f-]{36}", resource="https:\/\/vault\.azure\.net"$/
    )
    assert.match(String(json.error.message), /^AKV10000/)
    const wrong = `Bearer ${await fixture.entraToken()}`
    const refused = await fixture.send('GET', `${vault}/secrets?api-version=7.4`, { headers: { authorization: wrong } })
    assert.equal(refused.status, 401)
  })

  it('keeps versions, and shows values one at a time only', async () => {
    const first = (await call('PUT', '/secrets/Token-1', { value: 'one' })).json
    const second = (await call('PUT', '/secrets/token-1', { value: 'two' })).json
    assert.notEqual(first.id, second.id)
    assert.equal((await call('GET', '/secrets/TOKEN-1/')).json.value, 'two')
    assert.equal((await call('GET', new URL(String(first.id)).pathname)).json.value, 'one')
    const listed = (await call('GET', '/secrets')).json.value
    assert.equal(listed.length, 1)
    assert.ok(!('value' in listed[0]))
    assert.equal((await call('GET', '/secrets/token-1/versions')).json.value.length, 2)
  })

  it('pages by twenty-five', async () => {
    for (let index = 0; index < 26; index++) await call('PUT', `/secrets/page-${index}`, { value: 'x' })
    const first = (await call('GET', '/secrets')).json
    assert.equal(first.value.length, 25)
    const second = (await fixture.send('GET', String(first.nextLink), { headers: { authorization } })).json
    assert.equal(second.nextLink, null)
    assert.ok(second.value.length >= 1)
  })

  it('refuses names and values that the real one does', async () => {
    assert.deepEqual(codeOf(await call('PUT', '/secrets/plant_client', { value: 'x' })), [400, 'BadParameter'])
    assert.deepEqual(codeOf(await call('PUT', '/secrets/large', { value: 'x'.repeat(25 * 1024 + 1) })), [
      400,
      'BadParameter'
    ])
    assert.equal((await call('PUT', '/secrets/large', { value: 'x'.repeat(25 * 1024) })).status, 200)
    assert.deepEqual(codeOf(await call('GET', '/secrets/absent')), [404, 'SecretNotFound'])
    assert.deepEqual(codeOf(await call('GET', '/secrets', undefined, '1.0')), [400, 'BadParameter'])
  })

  it('keeps the name of a deleted secret until it is recovered or purged', async () => {
    await call('PUT', '/secrets/gone', { value: 'kept' })
    const deleted = (await call('DELETE', '/secrets/gone')).json
    assert.equal(deleted.recoveryId, `${vault}/deletedsecrets/gone`)
    assert.deepEqual(codeOf(await call('GET', '/secrets/gone')), [404, 'SecretNotFound'])
    assert.deepEqual(codeOf(await call('PUT', '/secrets/gone', { value: 'new' })), [
      409,
      'ObjectIsDeletedButRecoverable'
    ])
    await call('POST', '/deletedsecrets/gone/recover')
    assert.equal((await call('GET', '/secrets/gone')).json.value, 'kept')
    await call('DELETE', '/secrets/gone')
    assert.equal((await call('DELETE', '/deletedsecrets/gone')).status, 204)
    assert.equal((await call('PUT', '/secrets/gone', { value: 'new' })).status, 200)
  })

  it('has roles', async () => {
    fixture.cloud.keyVault('plant-secrets').permissions.delete('list')
    assert.deepEqual(codeOf(await call('GET', '/secrets')), [403, 'ForbiddenByRbac'])
  })
})
