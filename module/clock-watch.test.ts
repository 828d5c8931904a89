import assert from 'node:assert/strict'
import { ClockWatch } from './clock-watch.ts'
import type { FaultCode } from './status/faults.ts'

describe('clock watch', () => {
  let faults: string[]
  const status = {
    setFault: (code: FaultCode, description: string) => faults.push(`${code}: ${description}`),
    clearFault: (code: FaultCode) => faults.push(`no ${code}`)
  }
  let now: number
  const watch = (lastSync?: string): ClockWatch => new ClockWatch(status, lastSync, () => now)

  beforeEach(() => {
    faults = []
    now = Date.parse('2026-11-21T12:00:00Z')
  })

  it('tells of two minutes and more, in seconds and with what to do, and forgets below one', () => {
    const clock = watch()
    assert.equal(clock.skewSeconds, undefined)
    clock.measured(119)
    assert.equal(faults.length, 0)
    clock.measured(120)
    assert.match(faults.at(-1) ?? '', /^ClockSkew: this device's clock is 120 seconds behind the parent's: .*NTP/)
    clock.measured(60)
    assert.equal(faults.length, 1, 'between the two it stays as it is')
    clock.measured(59)
    assert.equal(faults.at(-1), 'no ClockSkew')
    clock.measured(-86_400)
    assert.match(faults.at(-1) ?? '', /86400 seconds ahead of the parent's/)
    assert.equal(clock.skewSeconds, 86_400)
  })

  it('tells again only what has changed noticeably: each telling is an update of the twin', () => {
    const clock = watch()
    for (const seconds of [3600, 3590, 3700, 3200, 3210]) clock.measured(seconds)
    assert.deepEqual(
      faults.map((fault) => /\d+/.exec(fault)?.[0]),
      ['3600', '3200']
    )
  })

  it('knows by its last sync that it was set back, where a certificate is not valid yet', () => {
    const clock = watch('2026-11-20T12:00:00Z')
    clock.certificateTime()
    assert.equal(faults.length, 0, 'the certificate is to blame')
    now = Date.parse('2026-11-20T11:00:00Z')
    clock.certificateTime()
    assert.match(faults.at(-1) ?? '', /3600 seconds behind what it was when this device last synced, at the least/)
    watch().certificateTime()
    assert.equal(faults.length, 1, 'without a sync so far nothing is known')
  })
})
