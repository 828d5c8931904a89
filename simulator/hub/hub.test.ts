import assert from 'node:assert/strict'
import { named, startTestHub, type TestHub } from './testing.ts'

describe('the hub: when it is asked to misbehave', () => {
  let test: TestHub

  beforeEach(async () => {
    test = await startTestHub()
  })

  afterEach(() => test.close())

  it('throttles the next requests only', async () => {
    const registry = test.registry()
    test.hub.throttle(2)
    await assert.rejects(registry.getTwin('gateway'), named('ThrottlingError'))
    await assert.rejects(registry.getTwin('gateway'), named('ThrottlingError'))
    await registry.getTwin('gateway')
    assert.deepEqual(
      test.hub.requests.map(({ method, path, status, caller }) => [method, path, status, caller]),
      [
        ['GET', '/twins/gateway', 429, undefined],
        ['GET', '/twins/gateway', 429, undefined],
        ['GET', '/twins/gateway', 200, 'iothubowner']
      ]
    )
  })

  it('fails and breaks connections', async () => {
    const registry = test.registry()
    test.hub.fail(1)
    test.hub.fail(1, 'ServiceUnavailable')
    test.hub.fail(1, 'disconnect')
    await assert.rejects(registry.getTwin('gateway'), named('InternalServerError'))
    await assert.rejects(registry.getTwin('gateway'), named('ServiceUnavailableError'))
    await assert.rejects(registry.getTwin('gateway'), { code: 'ECONNRESET' })
    await registry.getTwin('gateway')
  })
})
