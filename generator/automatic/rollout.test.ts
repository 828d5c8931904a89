import assert from 'node:assert/strict'
import type { GeneratorError } from '../errors.ts'
import { FakeHub } from '../testing.ts'
import type { AutomaticContent } from './content.ts'
import { rollOut, type RolledOut } from './rollout.ts'

const deployment = { name: 'plants', targetCondition: "tags.plant='one'", priority: 2, devices: ['a', 'b'] }
const contentOf = (base: string, settings: string): AutomaticContent => ({
  base: { id: `plants-${base}`, content: { modulesContent: { $edgeAgent: {}, $edgeHub: {} } } },
  settings: { id: `plants-settings-${settings}`, content: { modulesContent: { m: {} } } }
})
const all = { targetedCount: 2, appliedCount: 2, reportedSuccessfulCount: 2 }

describe('rolling out an automatic deployment', () => {
  let hub: FakeHub
  beforeEach(() => {
    hub = new FakeHub()
    hub.automaticMetrics = all
  })
  const out = (content: AutomaticContent, mayFail = 0, change: Partial<typeof deployment> = {}): Promise<RolledOut> =>
    rollOut(
      hub,
      { ...deployment, ...change },
      content,
      mayFail,
      { signal: new AbortController().signal, timeout: 30, soonest: 1, slowest: 5 },
      () => undefined
    )

  it('makes the layer, then the base, at the bottom of their band', async () => {
    assert.equal((await out(contentOf('1', '1'))).outcome, 'created')
    assert.deepEqual(hub.writes, ['create plants-settings-1 at 21', 'create plants-1 at 20'])
  })

  it('makes the new above the old, waits, retires the old, and settles', async () => {
    await out(contentOf('1', '1'))
    hub.writes.length = 0
    assert.equal((await out(contentOf('2', '2'))).outcome, 'replaced')
    assert.deepEqual(hub.writes, [
      'create plants-settings-2 at 26',
      'create plants-2 at 25',
      'remove plants-1',
      'remove plants-settings-1',
      'update plants-2 to 20',
      'update plants-settings-2 to 21'
    ])
  })

  it('lifts the layer that stays above the new base, and never has it below', async () => {
    await out(contentOf('1', '1'))
    hub.writes.length = 0
    await out(contentOf('2', '1'))
    assert.deepEqual(hub.writes, [
      'update plants-settings-1 to 26',
      'create plants-2 at 25',
      'remove plants-1',
      'update plants-2 to 20',
      'update plants-settings-1 to 21'
    ])
  })

  it('writes nothing where all is there, and changes condition and priority in place', async () => {
    await out(contentOf('1', '1'))
    hub.writes.length = 0
    assert.equal((await out(contentOf('1', '1'))).outcome, 'unchanged')
    assert.deepEqual(hub.writes, [])
    await out(contentOf('1', '1'), 0, { priority: 3, targetCondition: '*' })
    assert.deepEqual(hub.writes, ['update plants-settings-1 to 31', 'update plants-1 to 30'])
    assert.equal(hub.automatic.get('plants-1')?.targetCondition, '*')
  })

  function refusing(device: string, id: string, code = 400): void {
    hub.put(device, '$edgeAgent', {
      desiredVersion: 5,
      configurations: { [id]: { status: 'Applied' } },
      reported: { lastDesiredVersion: 5, lastDesiredStatus: { code, description: 'no such thing' } }
    })
  }

  it('rolls back where a device refuses the new one, and says which', async () => {
    await out(contentOf('1', '1'))
    hub.writes.length = 0
    hub.automaticMetrics = { ...all, reportedSuccessfulCount: 1 }
    refusing('b', 'plants-2')
    await assert.rejects(out(contentOf('2', '1')), (error: GeneratorError) => {
      assert.equal(error.code, 'DEPLOYMENT_FAILED')
      assert.match(error.message, /^1 of 2 devices refuse plants-2\. It was rolled back/)
      assert.deepEqual(error.details, ['DEPLOYMENT_FAILED b: (400): no such thing'])
      return true
    })
    assert.deepEqual([...hub.automatic.values()].map(({ id, priority }) => [id, priority]).sort(), [
      ['plants-1', 20],
      ['plants-settings-1', 21]
    ])
  })

  it('leaves what devices refuse where there is nothing to go back to', async () => {
    hub.automaticMetrics = { ...all, reportedSuccessfulCount: 0 }
    refusing('a', 'plants-1')
    await assert.rejects(out(contentOf('1', '1')), { code: 'DEPLOYMENT_FAILED' })
    assert.equal(hub.automatic.size, 2)
  })

  it('bears as many refusals as are allowed, and what edgeAgent tries again', async () => {
    await out(contentOf('1', '1'))
    hub.automaticMetrics = { ...all, reportedSuccessfulCount: 1 }
    refusing('b', 'plants-2')
    assert.equal((await out(contentOf('2', '1'), 1)).outcome, 'replaced')
    refusing('b', 'plants-3', 500)
    await assert.rejects(out(contentOf('3', '1')), { code: 'TIMED_OUT' })
  })

  it('counts every refusal of a large fleet, behind however many that edgeAgent tries again', async () => {
    await out(contentOf('1', '1'))
    hub.automaticMetrics = { targetedCount: 400, appliedCount: 400, reportedSuccessfulCount: 180 }
    for (let index = 0; index < 120; index++) refusing(`waiting-${index}`, 'plants-2', 500)
    for (let index = 0; index < 100; index++) refusing(`refusing-${index}`, 'plants-2')
    await assert.rejects(out(contentOf('2', '1'), 100), { code: 'TIMED_OUT' })
    refusing('refusing-100', 'plants-2')
    await assert.rejects(out(contentOf('2', '1'), 100), (error: GeneratorError) => {
      assert.match(error.message, /^at least 101 of 400 devices refuse plants-2, and 100 may\. It was rolled back/)
      assert.equal(error.details.length, 101)
      return true
    })
  })

  it('keeps both where devices are away, and goes on when it is run again', async () => {
    await out(contentOf('1', '1'))
    hub.automaticMetrics = { ...all, reportedSuccessfulCount: 1 }
    await assert.rejects(out(contentOf('2', '2')), (error: GeneratorError) => {
      return error.code === 'TIMED_OUT' && error.message.includes('1 of 2 devices run plants-2')
    })
    assert.equal(hub.automatic.size, 4)
    hub.automaticMetrics = all
    hub.writes.length = 0
    assert.equal((await out(contentOf('2', '2'))).outcome, 'replaced')
    assert.equal(hub.writes.filter((write) => write.startsWith('create')).length, 0)
    assert.deepEqual([...hub.automatic.values()].map(({ id, priority }) => [id, priority]).sort(), [
      ['plants-2', 20],
      ['plants-settings-2', 21]
    ])
  })

  it('says so where the condition holds nowhere', async () => {
    hub.automaticMetrics = {}
    await assert.rejects(out(contentOf('1', '1')), /the target condition of plants-1 holds on no device/)
  })

  /** Of the base that devices have: a layer that is not above it is dropped. */
  function settingsAreAbove(): void {
    const priorities = (part: string): number[] =>
      [...hub.automatic.values()]
        .filter(({ labels }) => labels['causeway-part'] === part)
        .map(({ priority }) => priority)
    assert.ok(Math.max(...priorities('settings')) > Math.max(...priorities('base')))
  }

  it('comes to the same end, wherever it is cut', async () => {
    for (let cut = 1; cut <= 6; cut++) {
      hub.automatic.clear()
      await out(contentOf('1', '1'))
      let calls = 0
      const hubNow = new Proxy(hub, {
        get: (target, key: keyof FakeHub) => {
          const method: unknown = Reflect.get(target, key)
          if (!/^(create|update|remove)Configuration$/.test(key)) {
            return typeof method === 'function' ? (method as () => unknown).bind(target) : method
          }
          return (...given: never[]) => {
            // Done, and its answer lost.
            const done = (method as (...all: never[]) => Promise<unknown>).apply(target, given)
            settingsAreAbove()
            return ++calls === cut ? done.then(() => Promise.reject(new Error('the cable'))) : done
          }
        }
      })
      const patience = { signal: new AbortController().signal, timeout: 30, soonest: 1 }
      await assert.rejects(
        rollOut(hubNow, deployment, contentOf('2', '2'), 0, patience, () => undefined),
        /the cable/
      )
      const change = hub.updateConfiguration.bind(hub)
      hub.updateConfiguration = async (...given) => {
        const changed = await change(...given)
        settingsAreAbove()
        return changed
      }
      await out(contentOf('2', '2'))
      hub.updateConfiguration = change
      assert.deepEqual(
        [...hub.automatic.values()].map(({ id, priority }) => [id, priority]).sort(),
        [
          ['plants-2', 20],
          ['plants-settings-2', 21]
        ],
        `cut after ${cut}`
      )
    }
  })

  it('refuses a full hub, and a stranger in its band, before it makes anything', async () => {
    const stranger = { labels: {}, targetCondition: '*', content: { modulesContent: {} } }
    for (let index = 0; index < 99; index++)
      await hub.createConfiguration({ ...stranger, id: `other-${index}`, priority: 1000 })
    hub.writes.length = 0
    await assert.rejects(out(contentOf('1', '1')), (error: GeneratorError) => {
      return error.code === 'HUB_FULL' && error.message.includes('99 of 100')
    })
    hub.automatic.clear()
    await hub.createConfiguration({ ...stranger, id: 'other', priority: 25 })
    hub.writes.length = 0
    await assert.rejects(out(contentOf('1', '1')), { code: 'DEPLOYMENT_MIXED' })
    assert.deepEqual(hub.writes, [])
  })
})
