import assert from 'node:assert/strict'
import { startTestHub, type TestHub, type SendOptions } from './testing.ts'

const version = 'api-version=2021-04-12'

describe('the hub on the wire', () => {
  let test: TestHub

  beforeEach(async () => {
    test = await startTestHub()
  })

  afterEach(() => test.close())

  const refused: readonly (readonly [string, string, string, SendOptions, number, string])[] = [
    ['no api-version', 'GET', '/twins/gateway', {}, 400, 'InvalidProtocolVersion'],
    ['an api-version that is none', 'GET', '/twins/gateway?api-version=1', {}, 400, 'InvalidProtocolVersion'],
    ['an unknown path', 'GET', `/things?${version}`, {}, 404, 'GenericNotFound'],
    ['a longer path', 'GET', `/twins/gateway/modules/a/b?${version}`, {}, 404, 'GenericNotFound'],
    ['another method', 'POST', `/twins/gateway?${version}`, { body: {} }, 405, 'GenericMethodNotAllowed'],
    ['a path that is not encoded well', 'GET', `/twins/%zz?${version}`, {}, 400, 'ArgumentInvalid'],
    ['no body', 'PATCH', `/twins/gateway?${version}`, {}, 400, 'ArgumentNull'],
    ['a body that is not JSON', 'PATCH', `/twins/gateway?${version}`, { body: '{' }, 400, 'IotHubFormatError'],
    ['a body that is no object', 'PATCH', `/twins/gateway?${version}`, { body: [] }, 400, 'IotHubFormatError'],
    ['a huge body', 'PATCH', `/twins/gateway?${version}`, { body: { a: 'x'.repeat(2 ** 20) } }, 413, 'MessageTooLarge'],
    ['tags that are no object', 'PATCH', `/twins/gateway?${version}`, { body: { tags: 1 } }, 400, 'ArgumentInvalid'],
    ['an id that does not fit', 'PUT', `/devices/a%20b?${version}`, { body: {} }, 400, 'ArgumentInvalid'],
    ['an id beside the path', 'PUT', `/devices/a?${version}`, { body: { deviceId: 'b' } }, 400, 'ArgumentInvalid'],
    ['a system module of no device', 'PUT', `/devices/x/modules/m?${version}`, { body: {} }, 404, 'DeviceNotFound'],
    [
      'a page size of 0',
      'POST',
      `/devices/query?${version}`,
      { body: { query: 'SELECT * FROM devices' }, headers: { 'x-ms-max-item-count': '0' } },
      400,
      'ArgumentInvalid'
    ]
  ]
  for (const [what, method, path, options, status, code] of refused)
    it(`refuses ${what} with ${code}`, async () => {
      const reply = await test.send(method, path, options)
      assert.equal(reply.status, status)
      assert.equal(reply.headers['iothub-errorcode'], code)
      assert.match((reply.body as { Message: string }).Message, new RegExp(`^ErrorCode:${code};.`))
    })

  it('replaces a twin with PUT', async () => {
    test.twins.patchTags('gateway', { old: 1 })
    test.twins.patchDesired('gateway', { old: { a: 1 } })
    const etag = test.twins.get('gateway')?.etag ?? ''
    const body = { tags: { new: 1, no: null }, properties: { desired: { new: 2 } } }
    const reply = await test.send('PUT', `/twins/gateway?${version}`, { body, headers: { 'if-match': `W/"${etag}"` } })
    assert.equal(reply.status, 200)
    const twin = test.twins.get('gateway')
    assert.deepEqual(twin?.tags, { new: 1 })
    assert.deepEqual(twin.desired.properties, { new: 2 })
    assert.equal(reply.headers['etag'], `"${twin.etag}"`)
    const stale = await test.send('PUT', `/twins/gateway?${version}`, { body, headers: { 'if-match': `"${etag}"` } })
    assert.equal(stale.status, 412)
    assert.match((stale.body as { Message: string }).Message, /^ErrorCode:PreconditionFailed;/)
  })

  it('answers a deployment with 204 and nothing', async () => {
    const section = { 'properties.desired': {} }
    const body = { modulesContent: { $edgeAgent: section, $edgeHub: section } }
    const reply = await test.send('POST', `/devices/gateway/applyConfigurationContent?${version}`, { body })
    assert.equal(reply.status, 204)
    assert.equal(reply.body, undefined)
  })

  it('tells a new configuration from a changed one, and the kind of what a query gives', async () => {
    const section = { 'properties.desired': {} }
    const body = { targetCondition: '*', priority: 0, content: { modulesContent: { m: section } } }
    const put = (headers: Record<string, string>): ReturnType<TestHub['send']> =>
      test.send('PUT', `/configurations/one?${version}`, { body, headers })
    assert.equal((await put({})).status, 201)
    assert.equal((await put({ 'if-match': '*' })).status, 200)
    assert.equal((await put({})).status, 409)
    const query = (text: string): ReturnType<TestHub['send']> =>
      test.send('POST', `/devices/query?${version}`, { body: { query: text } })
    assert.equal((await query('SELECT * FROM devices')).headers['x-ms-item-type'], 'twin')
    assert.equal((await query('SELECT deviceId FROM devices')).headers['x-ms-item-type'], 'raw')
  })

  it('keeps neither credentials nor bodies in its log', async () => {
    await test.send('PATCH', `/twins/gateway?${version}`, { body: { tags: { password: 'hidden-value' } } })
    const log = JSON.stringify(test.hub.requests)
    assert.ok(!log.includes('hidden-value') && !log.includes('sig='))
  })

  it('takes its name off the network when it closes, and closes once', async () => {
    await test.hub.close()
    await test.hub.close()
    // The proxy's own answer: nobody is behind the name.
    assert.equal((await test.send('GET', `/twins/gateway?${version}`)).status, 502)
  })
})
