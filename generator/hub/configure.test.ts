import assert from 'node:assert/strict'
import type { GeneratorError } from '../errors.ts'
import { FakeHub } from '../testing.ts'
import { configure, waitForSettings } from './configure.ts'

const wanted = { schemaVersion: '1.0', tokens: { a: { scopeMap: 'x' } }, sync: { intervalMinutes: 5 } }
const patience = { signal: new AbortController().signal, interval: 1, timeout: 50 }

function reported(version: number, code = 200, errors: readonly object[] = []): Record<string, unknown> {
  return {
    schemaVersion: '1.0',
    runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' },
    connectionState: 'Online',
    lastDesiredVersion: version,
    lastDesiredStatus: { code, description: 'so it is', errors }
  }
}

describe('configuring through the twin', () => {
  let hub: FakeHub
  beforeEach(() => {
    hub = new FakeHub()
  })

  it('sends what differs, with nulls for what goes, and leaves others’ keys alone', async () => {
    hub.put('gateway', 'connected-registry', {
      desired: {
        schemaVersion: '1.0',
        tokens: { a: { scopeMap: 'x' }, gone: { scopeMap: 'x' } },
        logLevel: 'Debug',
        somebodyElses: { key: 1 }
      }
    })
    let sent: unknown
    hub.onPatch = (_twin, patch) => {
      sent = patch
      return 7
    }
    assert.deepEqual(await configure(hub, 'gateway', 'connected-registry', wanted), {
      outcome: 'updated',
      version: 7,
      changed: ['logLevel', 'sync', 'tokens']
    })
    assert.deepEqual(sent, { logLevel: null, sync: { intervalMinutes: 5 }, tokens: { gone: null } })
  })

  it('does nothing where nothing differs', async () => {
    hub.put('gateway', 'connected-registry', { desired: structuredClone(wanted), desiredVersion: 4 })
    hub.onPatch = () => assert.fail('it was changed')
    assert.deepEqual(await configure(hub, 'gateway', 'connected-registry', wanted), {
      outcome: 'unchanged',
      version: 4,
      changed: []
    })
  })

  it('looks again where somebody came in between, and gives up where they keep doing it', async () => {
    hub.put('gateway', 'connected-registry')
    let tries = 0
    hub.onPatch = () => (++tries === 1 ? 'changed' : 9)
    assert.equal((await configure(hub, 'gateway', 'connected-registry', wanted)).version, 9)
    hub.onPatch = () => 'changed'
    await assert.rejects(configure(hub, 'gateway', 'connected-registry', wanted), { code: 'AZURE_CONFLICT' })
  })

  it('says to deploy first where there is no such module', async () => {
    await assert.rejects(configure(hub, 'gateway', 'connected-registry', wanted), (error: GeneratorError) => {
      return error.code === 'MODULE_UNKNOWN' && error.message.includes('causeway deploy --device gateway')
    })
  })

  it('waits for the version that it set, whatever is said of those before', async () => {
    const answers = [{}, reported(4, 400), reported(5)]
    hub.onRead = () => {
      hub.put('gateway', 'connected-registry', { reported: answers.shift() ?? {} })
    }
    const result = await waitForSettings(hub, 'gateway', 'connected-registry', 5, { ...patience, timeout: 5000 })
    assert.equal(result.lastDesiredVersion, 5)
    assert.equal(answers.length, 0)
  })

  it('tells each finding of a module that refuses', async () => {
    hub.put('gateway', 'connected-registry', {
      reported: reported(5, 400, [{ path: 'tokens.a.scopeMap', reason: 'there is no scope map x' }])
    })
    await assert.rejects(
      waitForSettings(hub, 'gateway', 'connected-registry', 5, patience),
      (error: GeneratorError) => {
        assert.equal(error.code, 'SETTINGS_REFUSED')
        assert.deepEqual(error.details, ['SETTINGS_REFUSED gateway tokens.a.scopeMap: there is no scope map x'])
        return error.message === 'gateway refuses its settings (400): so it is'
      }
    )
  })

  it('gives up on a device that does not answer, and says what it last saw', async () => {
    hub.put('gateway', 'connected-registry', { reported: reported(4) })
    await assert.rejects(
      waitForSettings(hub, 'gateway', 'connected-registry', 5, patience),
      (error: GeneratorError) => error.code === 'TIMED_OUT' && error.message.includes('it last looked at version 4')
    )
  })

  it('stops at Ctrl-C', async () => {
    hub.put('gateway', 'connected-registry')
    const stopping = new AbortController()
    hub.onRead = () => {
      stopping.abort()
    }
    await assert.rejects(
      waitForSettings(hub, 'gateway', 'connected-registry', 5, {
        signal: stopping.signal,
        interval: 60_000,
        timeout: 600_000
      }),
      (error: GeneratorError) => error.code === 'CANCELLED' && error.exitCode === 130
    )
  })
})
