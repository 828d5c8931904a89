import assert from 'node:assert/strict'
import { named, startTestHub, type TestHub } from './testing.ts'

/** What the hub gives and the SDK's types do not know. */
interface EdgeIdentity {
  readonly deviceScope: string
  readonly parentScopes: readonly string[]
}

describe('the hub: identities', () => {
  let test: TestHub

  beforeEach(async () => {
    test = await startTestHub()
  })

  afterEach(() => test.close())

  it('registers, reads, changes and deletes devices', async () => {
    const registry = test.registry()
    const { responseBody: device } = await registry.create({ deviceId: 'second', capabilities: { iotEdge: true } })
    assert.match((device as unknown as EdgeIdentity).deviceScope, /^ms-azure-iot-edge:\/\/second-\d+$/)
    assert.equal(Buffer.from(device.authentication?.symmetricKey?.primaryKey ?? '', 'base64').length, 32)
    await assert.rejects(registry.create({ deviceId: 'second' }), named('DeviceAlreadyExistsError'))
    await registry.update({ deviceId: 'second', status: 'disabled' })
    const { responseBody: after } = await registry.get('second')
    assert.equal(after.status, 'disabled')
    assert.deepEqual(after.authentication, device.authentication)
    const { responseBody: all } = await registry.list()
    assert.deepEqual(
      all.map(({ deviceId }) => deviceId),
      ['gateway', 'second']
    )
    await registry.delete('second')
    await assert.rejects(registry.get('second'), named('DeviceNotFoundError'))
    assert.ok(!test.twins.keys().some((key) => key.startsWith('second')))
  })

  it('registers, changes and deletes modules, but no system module', async () => {
    const registry = test.registry()
    await registry.addModule({ deviceId: 'gateway', moduleId: 'm' })
    await assert.rejects(registry.addModule({ deviceId: 'gateway', moduleId: 'm' }), named('DeviceAlreadyExistsError'))
    const { responseBody: module } = await registry.getModule('gateway', 'm')
    await registry.updateModule({ ...module, managedBy: 'me' })
    assert.equal((await registry.getModule('gateway', 'm')).responseBody.managedBy, 'me')
    await assert.rejects(registry.updateModule(module), named('InvalidEtagError'))
    await registry.removeModule('gateway', 'm')
    await assert.rejects(registry.getModule('gateway', 'm'), /Not found/)
    await assert.rejects(registry.removeModule('gateway', '$edgeAgent'), named('UnauthorizedError'))
  })

  it('gives nested devices their parent scope', async () => {
    const nested = await startTestHub({ devices: [{ id: 'lower', parentId: 'upper' }, 'upper'] })
    try {
      const { responseBody: upper } = await nested.registry().get('upper')
      const { responseBody: lower } = await nested.registry().getTwin('lower')
      assert.deepEqual((lower as unknown as EdgeIdentity).parentScopes, [
        (upper as unknown as EdgeIdentity).deviceScope
      ])
    } finally {
      await nested.close()
    }
  })
})
