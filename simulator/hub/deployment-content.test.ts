import assert from 'node:assert/strict'
import { deployment, named, startTestHub, type TestHub } from './testing.ts'

describe('the hub: deployments to one device', () => {
  let test: TestHub

  beforeEach(async () => {
    test = await startTestHub()
  })

  afterEach(() => test.close())

  it('replaces the desired properties of each module and makes identities', async () => {
    const registry = test.registry()
    await registry.applyConfigurationContentOnDevice('gateway', deployment({ registry: { mode: 'ReadOnly', a: 1 } }))
    await registry.applyConfigurationContentOnDevice('gateway', deployment({ registry: { mode: 'ReadWrite' } }))
    const twin = test.twins.get('gateway/registry')
    assert.deepEqual(twin?.desired.properties, { mode: 'ReadWrite' })
    assert.equal(twin.desired.version, 3)
    const modules = (await registry.getModulesOnDevice('gateway')).responseBody as { moduleId: string }[]
    assert.deepEqual(modules.map(({ moduleId }) => moduleId).sort(), ['$edgeAgent', '$edgeHub', 'registry'])
  })

  it('leaves out what is null, modules too', async () => {
    const content = deployment({ registry: { kept: 1, gone: null, inner: { gone: null } } })
    const edgeAgent = content.modulesContent['$edgeAgent']!['properties.desired'] as { modules: object }
    Object.assign(edgeAgent.modules, { none: null })
    await test.registry().applyConfigurationContentOnDevice('gateway', content)
    assert.deepEqual(test.twins.get('gateway/registry')?.desired.properties, { kept: 1, inner: {} })
    const { modules } = test.twins.get('gateway/$edgeAgent')!.desired.properties
    assert.deepEqual(Object.keys(modules as object), ['registry'])
    assert.equal(test.twins.get('gateway/none'), undefined)
  })

  it('tells edgeAgent last, when the modules it will start have their twins', async () => {
    const told: string[] = []
    test.twins.on('desired', ({ key }) => told.push(key))
    await test.registry().applyConfigurationContentOnDevice('gateway', deployment({ registry: {} }))
    assert.deepEqual(told, ['gateway/registry', 'gateway/$edgeHub', 'gateway/$edgeAgent'])
  })

  it('leaves the twin of a module without a section alone and deletes modules that vanished', async () => {
    const registry = test.registry()
    await registry.applyConfigurationContentOnDevice('gateway', deployment({ registry: { keep: true }, old: {} }))
    await registry.addModule({ deviceId: 'gateway', moduleId: 'by-hand' })
    await registry.applyConfigurationContentOnDevice('gateway', deployment({}, ['registry']))
    assert.deepEqual(test.twins.get('gateway/registry')?.desired.properties, { keep: true })
    assert.equal(test.twins.get('gateway/old'), undefined)
    assert.equal((await registry.getModule('gateway', 'by-hand')).responseBody.moduleId, 'by-hand')
    await assert.rejects(registry.getModule('gateway', 'old'), /Not found/)
  })

  it('makes the modules that only edgeAgent names', async () => {
    await test.registry().applyConfigurationContentOnDevice('gateway', deployment({}, ['proxy']))
    assert.equal((await test.registry().getModule('gateway', 'proxy')).responseBody.managedBy, 'IotEdge')
  })

  const modules = Object.fromEntries(Array.from({ length: 51 }, (_value, index) => [`m${index}`, {}]))
  const refused: readonly (readonly [string, unknown, string, RegExp])[] = [
    ['no modulesContent', { content: {} }, 'ArgumentError', /content provided for configuration is invalid/],
    ['device content', { deviceContent: { 'properties.desired.a': 1 } }, 'ArgumentError', /is invalid/],
    ['a layer', { modulesContent: { $edgeAgent: { 'properties.desired.modules.m': {} } } }, 'ArgumentError', /invalid/],
    [
      'no $edgeAgent',
      { modulesContent: { m: { 'properties.desired': {} } } },
      'ArgumentError',
      /\$edgeAgent is missing/
    ],
    ['51 modules', deployment(modules), 'ArgumentError', /can have 50 modules/],
    [
      'a string of 4097 bytes',
      deployment({ m: { s: 'é'.repeat(2049) } }),
      'ArgumentError',
      /maximum 4096 bytes. Error/
    ],
    ['a key with a dot', deployment({ m: { 'a.b': 1 } }), 'ArgumentError', /'a.b'/],
    ['a key with a dollar', deployment({ m: { $version: 1 } }), 'ArgumentError', /'\$version'/],
    ['a key with a space', deployment({ m: { inner: [{ 'a b': 1 }] } }), 'ArgumentError', /'a b'/],
    [
      'more than 32 KB for a module',
      deployment({ m: Object.fromEntries(Array.from({ length: 9 }, (_v, i) => [`k${i}`, 'x'.repeat(4000)])) }),
      'TooManyDevicesError',
      /'Properties.Desired' size should be less than 32768 bytes/
    ]
  ]
  for (const [what, content, name, message] of refused)
    it(`refuses ${what} and changes nothing`, async () => {
      const before = test.twins.keys().map((key) => test.twins.get(key))
      await assert.rejects(
        test.registry().applyConfigurationContentOnDevice('gateway', content as object),
        (error: Error) => {
          assert.match(error.message, message)
          return named(name)(error)
        }
      )
      assert.deepEqual(
        test.twins.keys().map((key) => test.twins.get(key)),
        before
      )
    })

  it('counts the modules that stay on the device', async () => {
    const registry = test.registry()
    await registry.addModule({ deviceId: 'gateway', moduleId: 'by-hand' })
    const fifty = Object.fromEntries(Object.entries(modules).slice(0, 50))
    await assert.rejects(
      registry.applyConfigurationContentOnDevice('gateway', deployment(fifty)),
      named('TooManyDevicesError')
    )
    await registry.removeModule('gateway', 'by-hand')
    await registry.applyConfigurationContentOnDevice('gateway', deployment(fifty))
  })

  it('has no device to deploy to', async () => {
    await assert.rejects(
      test.registry().applyConfigurationContentOnDevice('nobody', deployment()),
      named('DeviceNotFoundError')
    )
  })
})
