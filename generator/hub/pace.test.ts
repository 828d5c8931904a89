import assert from 'node:assert/strict'
import { Pace } from './pace.ts'

describe('the pace of calls to a hub', () => {
  const { signal } = new AbortController()

  it('lets a minute’s worth go at once, and then one at a time', async () => {
    let now = 0
    const waits: number[] = []
    const pace = new Pace({
      now: () => now,
      pause: (milliseconds) => {
        waits.push(Math.round(milliseconds))
        return Promise.resolve()
      }
    })
    for (let call = 0; call < 20; call++) await pace.take('query', signal)
    assert.deepEqual(waits, [])
    await pace.take('query', signal)
    await pace.take('query', signal)
    assert.deepEqual(waits, [3000, 6000])
    // Other kinds of calls have throttles of their own.
    await pace.take('configuration', signal)
    now += 60_000
    await pace.take('query', signal)
    assert.equal(waits.length, 2)
  })

  it('stops waiting at Ctrl-C', async () => {
    const stopping = new AbortController()
    const pace = new Pace()
    for (let call = 0; call < 20; call++) await pace.take('query', stopping.signal)
    stopping.abort()
    await assert.rejects(pace.take('query', stopping.signal), { code: 'CANCELLED' })
  })
})
