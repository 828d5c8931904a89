import assert from 'node:assert/strict'
import { deployment, named, startTestHub, type TestHub } from './testing.ts'

describe('the hub: twins', () => {
  let test: TestHub

  beforeEach(async () => {
    test = await startTestHub()
  })

  afterEach(() => test.close())

  it('reads a module twin with metadata, versions and connection state', async () => {
    const registry = test.registry()
    await registry.applyConfigurationContentOnDevice('gateway', deployment({ registry: { a: { b: 1 }, list: [1] } }))
    test.twins.patchReported('gateway/registry', { ready: true })
    test.connected.add('gateway/registry')
    const { responseBody: twin } = await registry.getModuleTwin('gateway', 'registry')
    assert.equal(twin.deviceId, 'gateway')
    assert.equal(twin.moduleId, 'registry')
    const { connectionState, version, lastActivityTime } = twin as unknown as Record<string, unknown>
    assert.equal(connectionState, 'Connected')
    assert.equal(version, 4)
    const stored = test.twins.get('gateway/registry')!
    assert.equal(lastActivityTime, stored.reported.lastUpdated)
    const $lastUpdated = stored.desired.lastUpdated
    const leaf = { $lastUpdated, $lastUpdatedVersion: 2 }
    assert.deepEqual(twin.properties.desired, {
      a: { b: 1 },
      list: [1],
      $metadata: { ...leaf, a: { ...leaf, b: leaf }, list: leaf },
      $version: 2
    })
    assert.deepEqual(twin.properties.reported, {
      ready: true,
      $metadata: { $lastUpdated: stored.reported.lastUpdated, ready: { $lastUpdated: stored.reported.lastUpdated } },
      $version: 2
    })
  })

  it('merges a patch, guards it by etag and leaves the etag alone when a device reports', async () => {
    const registry = test.registry()
    const { responseBody: twin } = await registry.getModuleTwin('gateway', '$edgeHub')
    assert.equal(twin.etag, 'AAAAAAAAAAE=')
    test.twins.patchReported('gateway/$edgeHub', { busy: true })
    const patch = { tags: { plant: 'one' }, properties: { desired: { a: 1, gone: null } } }
    const { responseBody: changed } = await registry.updateModuleTwin('gateway', '$edgeHub', patch, twin.etag)
    assert.notEqual(changed.etag, twin.etag)
    assert.deepEqual(changed.tags, { plant: 'one' })
    assert.equal(changed.properties.desired.a, 1)
    assert.equal(changed.properties.desired.$version, 2)
    await assert.rejects(registry.updateModuleTwin('gateway', '$edgeHub', patch, twin.etag), named('InvalidEtagError'))
    await registry.updateModuleTwin('gateway', '$edgeHub', { properties: { desired: { a: null } } }, '*')
    assert.deepEqual(test.twins.get('gateway/$edgeHub')?.desired.properties, {})
  })

  it('stamps each property with the version that wrote it', async () => {
    const registry = test.registry()
    await registry.updateTwin('gateway', { properties: { desired: { one: 1, two: 2 } } }, '*')
    const { responseBody } = await registry.updateTwin('gateway', { properties: { desired: { two: 3 } } }, '*')
    const { $metadata } = responseBody.properties.desired
    assert.equal($metadata.$lastUpdatedVersion, 3)
    assert.equal($metadata.one.$lastUpdatedVersion, 2)
    assert.equal($metadata.two.$lastUpdatedVersion, 3)
  })

  it('knows nothing of an earlier module by the same name', async () => {
    const registry = test.registry()
    await registry.applyConfigurationContentOnDevice('gateway', deployment({ m: { a: 1 } }))
    await registry.removeModule('gateway', 'm')
    await registry.addModule({ deviceId: 'gateway', moduleId: 'm' })
    const { responseBody: twin } = await registry.getModuleTwin('gateway', 'm')
    const $lastUpdated = test.twins.get('gateway/m')?.desired.lastUpdated
    assert.deepEqual(twin.properties.desired, { $metadata: { $lastUpdated }, $version: 1 })
  })

  it('takes a twin back as it gave it', async () => {
    const registry = test.registry()
    await registry.updateTwin('gateway', { properties: { desired: { one: 1 } } }, '*')
    const { responseBody: twin } = await registry.getTwin('gateway')
    const { responseBody: after } = await registry.updateTwin('gateway', twin.toJSON(), twin.etag)
    assert.equal(after.properties.desired.one, 1)
  })

  it('tells a module what a deployment took away, at every depth', async () => {
    const registry = test.registry()
    await registry.applyConfigurationContentOnDevice('gateway', deployment({ m: { tokens: { a: 1, b: 2 }, x: 1 } }))
    const patches: unknown[] = []
    test.twins.on('desired', ({ key, patch }) => {
      if (key === 'gateway/m') patches.push(patch)
    })
    await registry.applyConfigurationContentOnDevice('gateway', deployment({ m: { tokens: { b: 2 } } }))
    assert.deepEqual(patches, [{ x: null, tokens: { a: null, b: 2 } }])
  })

  it('knows no twin of a module or device that is not there', async () => {
    await assert.rejects(test.registry().getTwin('nobody'), named('DeviceNotFoundError'))
    await assert.rejects(test.registry().getModuleTwin('gateway', 'nobody'), /Not found/)
  })

  it('refuses a patch that would make the twin too large, and a bad value', async () => {
    const registry = test.registry()
    const half = Object.fromEntries(Array.from({ length: 5 }, (_value, index) => [`k${index}`, 'x'.repeat(4000)]))
    await registry.updateTwin('gateway', { properties: { desired: { one: half } } }, '*')
    await assert.rejects(
      registry.updateTwin('gateway', { properties: { desired: { two: half } } }, '*'),
      named('TooManyDevicesError')
    )
    await assert.rejects(registry.updateTwin('gateway', { tags: { n: 2 ** 52 } }, '*'), named('ArgumentError'))
  })
})
