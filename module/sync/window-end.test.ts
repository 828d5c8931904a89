import assert from 'node:assert/strict'
import { FakeClock } from './testing/fake-clock.ts'
import { closeWithWindow } from './window-guard.ts'
import { SyncWindows } from './window.ts'

const minute = 60_000

describe("sync: a window's end", () => {
  const noon = new SyncWindows('0 12 * * *', 'PT4H')

  it('is noticed within a minute by a clock that was set meanwhile', async () => {
    const clock = new FakeClock('2026-11-21T12:30:00Z')
    const closing = new AbortController()
    const done = new AbortController()
    const closed = closeWithWindow(noon, clock, closing, done.signal, () => false)
    try {
      await clock.advance(minute)
      clock.jump('2026-11-21T17:00:00Z')
      assert.equal(closing.signal.aborted, false)
      await clock.advance(minute)
      assert.equal(closing.signal.aborted, true)
    } finally {
      done.abort()
      await closed
    }
  })
})
