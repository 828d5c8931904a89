import assert from 'node:assert/strict'
import { parseRepository } from '../oci/name.ts'
import { EarlyPass } from './early-pass.ts'
import { FakeClock } from './testing/fake-clock.ts'

describe('sync: a pass before its time', () => {
  const app = parseRepository('plant/app')
  let clock: FakeClock
  let early: EarlyPass
  const after = (minutes: number): Promise<void> => clock.advance(minutes * 60_000)

  beforeEach(() => {
    clock = new FakeClock('2026-11-21T00:00:00Z')
    early = new EarlyPass(clock)
    early.configure({ all: { repositories: ['plant/app:1.*', 'tools:2'], priority: 100 } }, 15)
  })

  it('begins for what the image sets want, and for nothing else', () => {
    for (const [repository, reference] of [
      [parseRepository('other'), '1.0'],
      [app, '2.0'],
      [app, `sha256:${'a'.repeat(64)}`]
    ] as const)
      assert.equal(early.isWorth({ repository, reference }), false, reference)
    assert.equal(early.isWorth({ repository: app, reference: '1.0' }), true)
  })

  it('begins once for each within an interval, however often an engine asks, and a minute apart', async () => {
    assert.equal(early.isWorth({ repository: app, reference: '1.0' }), true)
    assert.equal(early.isWorth({ repository: app, reference: '1.1' }), false)
    let passes = 0
    for (let minute = 0; minute < 60; minute += 1) {
      await after(1)
      if (early.isWorth({ repository: app, reference: '1.0' })) passes += 1
    }
    assert.equal(passes, 4)
    await after(1)
    assert.equal(early.isWorth({ repository: app, reference: '1.1' }), true)
  })

  it('begins also where the clock was set back since the last one, and no sooner where it was set forward', async () => {
    assert.equal(early.isWorth({ repository: app, reference: '1.0' }), true)
    clock.jump('2026-11-22T00:00:00Z')
    assert.equal(early.isWorth({ repository: app, reference: '1.1' }), false)
    clock.jump('2025-11-21T00:00:00Z')
    await after(15)
    assert.equal(early.isWorth({ repository: app, reference: '1.0' }), true)
  })
})
