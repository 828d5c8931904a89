import assert from 'node:assert/strict'
import type { GeneratorError } from '../errors.ts'
import { FakeHub } from '../testing.ts'
import type { MethodOutcome } from './hub.ts'
import { proxyOf, restartProxy } from './restart-proxy.ts'

const patience = { signal: new AbortController().signal, interval: 1, timeout: 20_000 }
const url = 'https://Proxy:443/v2/'

describe('restarting the API proxy', () => {
  let hub: FakeHub
  /** What the module answers when it is asked to look, in turn; the last goes on. */
  let looks: (Readonly<Record<string, unknown>> | MethodOutcome)[]
  let calls: string[]
  beforeEach(() => {
    hub = new FakeHub()
    calls = []
    looks = []
    const report = (at: string): void => {
      hub.put('gateway', '$edgeAgent', {
        reported: { modules: { Proxy: { runtimeStatus: 'running', lastStartTimeUtc: at } } }
      })
    }
    report('before')
    hub.onInvoke = (_device, _module, method, payload) => {
      calls.push(`${method} ${JSON.stringify(payload)}`)
      if (method === 'RestartModule') report(`after ${calls.length}`)
      if (method !== 'probeProxy') return { kind: 'answered', status: 200, payload: {} }
      const look = (looks.length > 1 ? looks.shift() : looks[0]) ?? {}
      return 'kind' in look ? (look as MethodOutcome) : { kind: 'answered', status: 200, payload: look }
    }
  })
  const restart = (timeout = patience.timeout): Promise<string | undefined> =>
    restartProxy(hub, 'gateway', 'connected-registry', { name: 'Proxy', port: 443 }, { ...patience, timeout })

  it('waits until the registry answers through it, past what nginx says before', async () => {
    looks = [
      { url, registry: false, error: 'ECONNREFUSED' },
      { url, registry: false, status: 502 },
      { kind: 'silent' },
      { url, registry: true, status: 401 }
    ]
    assert.equal(await restart(), undefined)
    assert.deepEqual(calls.slice(1), [
      'RestartModule {"schemaVersion":"1.0","id":"Proxy"}',
      ...Array.from({ length: 4 }, () => 'probeProxy {"proxy":"Proxy","port":443}')
    ])
  })

  it('says what it saw where the registry never answers', async () => {
    looks = [{ url, registry: false, status: 502 }]
    await assert.rejects(restart(50), (error: GeneratorError) => {
      assert.equal(error.code, 'TIMED_OUT')
      return /Proxy on gateway was restarted, and the registry does not answer through it: .* answers 502$/.test(
        error.message
      )
    })
  })

  it('leaves it at the restart where nobody can look, and says so', async () => {
    looks = [{ url, registry: false, error: 'ENOTFOUND' }]
    assert.match((await restart()) ?? '', /\/v2\/ does not answer \(ENOTFOUND\); set CAUSEWAY_API_PROXY/)
    looks = [{ kind: 'answered', status: 404, payload: { code: 'METHOD_UNKNOWN' } }]
    assert.equal(await restart(), 'connected-registry has no method probeProxy')
  })

  it('finds the proxy that leads to the registry, and where it listens', () => {
    const proxy = (env: object): object => ({
      modulesContent: { $edgeAgent: { 'properties.desired': { modules: { camera: {}, Proxy: { env } } } } }
    })
    const route = { CONNECTED_ACR_ROUTE_ADDRESS: { value: 'connected-registry:8080' } }
    const found = (env: object): unknown => proxyOf(proxy(env) as Parameters<typeof proxyOf>[0], 'connected-registry')
    assert.deepEqual(found(route), { name: 'Proxy', port: 8000 })
    assert.deepEqual(found({ ...route, NGINX_DEFAULT_PORT: { value: '443' } }), { name: 'Proxy', port: 443 })
    assert.equal(found({ CONNECTED_ACR_ROUTE_ADDRESS: { value: 'other:8080' } }), undefined)
  })
})
