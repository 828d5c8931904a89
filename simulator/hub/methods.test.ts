import assert from 'node:assert/strict'
import { named, startTestHub, type TestHub } from './testing.ts'

describe('the hub: direct methods', () => {
  let test: TestHub

  beforeEach(async () => {
    test = await startTestHub()
  })

  afterEach(() => test.close())

  it('carries a call to a module and its answer back', async () => {
    const calls: unknown[] = []
    const hub = await startTestHub({
      invokeMethod: (call) => {
        calls.push(call)
        return Promise.resolve({ status: 207, payload: { done: true } })
      }
    })
    try {
      hub.connected.add('gateway/$edgeAgent')
      const params = { methodName: 'RestartModule', payload: { id: 'm' }, responseTimeoutInSeconds: 7 }
      const answer: unknown = (await hub.client().invokeDeviceMethod('gateway', '$edgeAgent', params)).result
      assert.deepEqual(answer, { status: 207, payload: { done: true } })
      assert.deepEqual(calls, [
        {
          deviceId: 'gateway',
          moduleId: '$edgeAgent',
          name: 'RestartModule',
          payload: { id: 'm' },
          responseTimeoutSeconds: 7,
          connectTimeoutSeconds: 0
        }
      ])
    } finally {
      await hub.close()
    }
  })

  it('answers 404 where the module is not connected, 404 where it is not there', async () => {
    const offline = test.client().invokeDeviceMethod('gateway', '$edgeHub', { methodName: 'ping' })
    await assert.rejects(offline, (error: Error & { responseBody?: string }) => {
      assert.equal(error.message, 'Not found')
      assert.match(error.responseBody ?? '', /404103/)
      return true
    })
    await assert.rejects(
      test.client().invokeDeviceMethod('nobody', { methodName: 'ping' }),
      named('DeviceNotFoundError')
    )
  })

  it('answers 504 where no answer came, and 404 where the module left meanwhile', async () => {
    const errors = [
      Object.assign(new Error('late'), { status: 504 }),
      Object.assign(new Error('gone'), { status: 404 })
    ]
    const hub = await startTestHub({ invokeMethod: () => Promise.reject(errors.shift()!) })
    try {
      hub.connected.add('gateway/$edgeHub')
      const call = (): Promise<unknown> =>
        hub.client().invokeDeviceMethod('gateway', '$edgeHub', { methodName: 'ping' })
      await assert.rejects(call(), named('GatewayTimeoutError'))
      await assert.rejects(call(), /Not found/)
    } finally {
      await hub.close()
    }
  })

  it('refuses payloads over 128 KB, on the way there and back', async () => {
    // With the quotes around it, the most that goes.
    const most = 'x'.repeat(128 * 1024 - 2)
    const answers = [most, `${most}x`, null]
    const hub = await startTestHub({
      invokeMethod: () => Promise.resolve({ status: 200, payload: answers.shift() })
    })
    try {
      hub.connected.add('gateway/$edgeHub')
      const call = async (payload: unknown): Promise<unknown> =>
        (await hub.client().invokeDeviceMethod('gateway', '$edgeHub', { methodName: 'ping', payload })).result
      assert.deepEqual(await call(most), { status: 200, payload: most })
      await assert.rejects(call(null), /answer to a direct method can be 131072 bytes/)
      await assert.rejects(call(`${most}x`), /payload can be 131072 bytes/)
      assert.deepEqual(answers, [null])
    } finally {
      await hub.close()
    }
  })

  it('refuses times out of bounds', async () => {
    await assert.rejects(
      test.client().invokeDeviceMethod('gateway', '$edgeHub', { methodName: 'ping', responseTimeoutInSeconds: 4 }),
      named('ArgumentError')
    )
  })

  it('closes while a call waits', async () => {
    const started = Promise.withResolvers<undefined>()
    const hub = await startTestHub({
      invokeMethod: () => {
        started.resolve(undefined)
        return Promise.withResolvers<never>().promise
      }
    })
    hub.connected.add('gateway/$edgeHub')
    const call = hub.client().invokeDeviceMethod('gateway', '$edgeHub', { methodName: 'ping' })
    const refused = assert.rejects(call)
    await started.promise
    await hub.close()
    await refused
  })
})
