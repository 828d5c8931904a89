import assert from 'node:assert/strict'
import { Pacing } from './pacing.ts'
import { FakeClock } from './testing/fake-clock.ts'

const never = new AbortController().signal

describe('sync: pacing', () => {
  let clock: FakeClock
  let pacing: Pacing
  let fetched: number

  beforeEach(() => {
    clock = new FakeClock('2026-11-21T05:58:00Z')
    pacing = new Pacing(clock)
    fetched = 0
  })

  /** Takes pieces as fast as it may, for ever. */
  function fetchAll(piece: number): void {
    void (async () => {
      for (;;) {
        fetched += piece
        await pacing.after(piece, never)
      }
    })()
  }

  /** Bytes that come in so many milliseconds. */
  async function during(milliseconds: number): Promise<number> {
    const before = fetched
    await clock.advance(milliseconds)
    return fetched - before
  }

  function near(bytes: number, wanted: number): void {
    assert.ok(Math.abs(bytes / wanted - 1) <= 0.05, `${bytes} bytes where ${wanted} were to come`)
  }

  it('keeps three connections together within 5 % of the ceiling over a minute', async () => {
    pacing.configure({ bytesPerSecond: 100_000 })
    for (let connections = 0; connections < 3; connections += 1) fetchAll(16_384)
    near(await during(60_000), 6_000_000)
    near(await during(60_000), 6_000_000)
  })

  it('does not make up for time in which nothing came', async () => {
    pacing.configure({ bytesPerSecond: 100_000 })
    await clock.advance(3_600_000)
    fetchAll(8192)
    near(await during(60_000), 6_000_000)
  })

  it('changes its ceiling with the time of day, over midnight too', async () => {
    pacing.configure({
      bytesPerSecond: 50_000,
      hours: [
        { from: '06:00', to: '18:00', bytesPerSecond: 10_000 },
        { from: '22:00', to: '02:00', bytesPerSecond: 200_000 }
      ]
    })
    fetchAll(4096)
    near(await during(120_000), 6_000_000)
    near(await during(60_000), 600_000)
    const at = (time: string): number | undefined => pacing.ceilingAt(Date.parse(`2026-11-21T${time}Z`))
    assert.deepEqual(
      ['05:59:59', '06:00', '17:59:59', '18:00', '21:59', '22:00', '23:59', '00:00', '01:59', '02:00'].map(at),
      [50_000, 10_000, 10_000, 50_000, 50_000, 200_000, 200_000, 200_000, 200_000, 50_000]
    )
  })

  it('has no ceiling where none is set, nor at hours that have none', async () => {
    await pacing.after(1_000_000_000, never)
    assert.equal(pacing.isPaced, false)
    pacing.configure({ hours: [{ from: '06:00', to: '18:00', bytesPerSecond: 10_000 }] })
    await pacing.after(1_000_000_000, never)
    assert.equal(pacing.isPaced, true)
    assert.equal(clock.time, '2026-11-21T05:58:00.000Z')
  })

  it('lets go at once of who is given up, and is not led astray by a clock that is set back', async () => {
    pacing.configure({ bytesPerSecond: 1000 })
    const controller = new AbortController()
    const waiting = pacing.after(1_000_000, controller.signal)
    controller.abort(new Error('enough'))
    await waiting
    clock.jump('1970-01-01T00:00:00Z')
    const paid = pacing.after(1000, never)
    await clock.advance(1000)
    await paid
  })
})
