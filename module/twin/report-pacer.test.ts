import assert from 'node:assert/strict'
import { ReportPacer, type Clock, type ReportPacerOptions } from './report-pacer.ts'

const second = 1_000
const day = 86_400 * second

/** Time that only passes when it is told to. */
class FakeClock implements Clock {
  #now = 0
  #timers: { readonly at: number; readonly callback: () => void }[] = []

  now(): number {
    return this.#now
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  pass(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = next.at
      next.callback()
    }
    this.#now = end
  }

  get idle(): boolean {
    return this.#timers.length === 0
  }
}

describe('ReportPacer', () => {
  let clock: FakeClock
  let sent: number[]

  beforeEach(() => {
    clock = new FakeClock()
    sent = []
  })

  function make(options: Partial<ReportPacerOptions> = {}): ReportPacer {
    return new ReportPacer({
      send: () => sent.push(clock.now()),
      progressSeconds: 900,
      clock,
      random: () => 0.5,
      ...options
    })
  }

  it('says nothing by itself', () => {
    make()
    clock.pass(day)
    assert.deepEqual(sent, [])
    assert.ok(clock.idle)
  })

  it('reports changes of state within a second, several as one', () => {
    const pacer = make()
    pacer.stateChanged()
    clock.pass(400)
    pacer.stateChanged()
    clock.pass(400)
    pacer.stateChanged()
    clock.pass(day)
    assert.deepEqual(sent, [1_000])
  })

  it('reports mere progress once in its interval, with a tenth of jitter either way', () => {
    for (const [random, at] of [
      [0, 810],
      [0.5, 900],
      [0.999_999, 989]
    ] as const) {
      clock = new FakeClock()
      sent = []
      const pacer = make({ random: () => random })
      for (let passed = 0; passed < 1_000; passed++) {
        pacer.progressed()
        clock.pass(second)
      }
      assert.equal(sent.length, 1)
      assert.equal(Math.floor(sent[0]! / second), at)
    }
  })

  it('lets a change of state begin the interval anew, since it carried the progress', () => {
    const pacer = make()
    clock.pass(800 * second)
    pacer.progressed()
    pacer.stateChanged()
    clock.pass(second)
    pacer.progressed()
    clock.pass(899 * second)
    assert.equal(sent.length, 1)
    clock.pass(second)
    assert.equal(sent.length, 2)
  })

  it('takes a new interval from now on', () => {
    const pacer = make()
    pacer.progressed()
    pacer.setProgressSeconds(10)
    clock.pass(10 * second)
    assert.deepEqual(sent, [10_000])
  })

  it('keeps a device that flaps within its budget, in any 24 hours, and still tells the latest', () => {
    const pacer = make()
    for (let passed = 0; passed < 3 * day; passed += 5 * second) {
      pacer.stateChanged()
      clock.pass(5 * second)
    }
    for (let from = 0; from <= 2 * day; from += 3_600 * second) {
      const within = sent.filter((at) => at >= from && at < from + day).length
      assert.ok(within <= 200, `${within} reports within a day`)
      assert.ok(within >= 150, `only ${within} reports within a day`)
    }
    const last = sent.length
    clock.pass(600 * second)
    assert.equal(sent.length, last + 1)
  })

  it('has a full burst again after a quiet day', () => {
    const pacer = make({ stateBurst: 3, statePerDay: 10 })
    const flap = (): void => {
      for (let round = 0; round < 10; round++) {
        pacer.stateChanged()
        clock.pass(2 * second)
      }
    }
    flap()
    assert.equal(sent.length, 3)
    clock.pass(2 * day)
    flap()
    assert.equal(sent.length, 3 + 1 + 3)
  })

  it('lets progress carry a change of state that waits for budget', () => {
    const pacer = make({ stateBurst: 1, statePerDay: 2, progressSeconds: 60 })
    pacer.stateChanged()
    clock.pass(2 * second)
    pacer.stateChanged()
    pacer.progressed()
    clock.pass(60 * second)
    assert.equal(sent.length, 2)
    assert.ok(clock.idle)
  })

  it('reports nothing after it was closed', () => {
    const pacer = make()
    pacer.stateChanged()
    pacer.close()
    clock.pass(day)
    assert.deepEqual(sent, [])
  })
})
