import assert from 'node:assert/strict'
import { Pace } from './pace.ts'

const second = 1000

describe('Pace', () => {
  it('knows nothing before it has seen some seconds', () => {
    const pace = new Pace()
    assert.equal(pace.estimate(0, 0, 100)?.secondsLeft, undefined)
    pace.note(0, 0)
    pace.note(second, 50)
    assert.equal(pace.estimate(second, 50, 100)?.secondsLeft, undefined)
  })

  it('says nothing where nothing comes, rather than for ever', () => {
    const pace = new Pace()
    pace.note(0, 50)
    pace.note(60 * second, 50)
    assert.equal(pace.estimate(60 * second, 50, 100)?.secondsLeft, undefined)
  })

  it('forgets what was more than five minutes ago', () => {
    const pace = new Pace()
    for (let at = 0; at <= 600; at += 10) pace.note(at * second, at * 1000)
    for (let at = 610; at <= 1000; at += 10) pace.note(at * second, 600_000 + (at - 600) * 10)
    assert.deepEqual(pace.estimate(1000 * second, 604_000, 604_100), { bytesPerSecond: 10, secondsLeft: 10 })
  })

  it('begins anew when fewer bytes are here than before', () => {
    const pace = new Pace()
    pace.note(0, 1000)
    pace.note(60 * second, 2000)
    pace.note(70 * second, 0)
    assert.equal(pace.estimate(71 * second, 0, 100)?.secondsLeft, undefined)
  })
})
