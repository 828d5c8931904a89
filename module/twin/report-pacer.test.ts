import assert from 'node:assert/strict'
import { ReportPacer, systemClock, type Budget, type Clock, type ReportPacerOptions } from './report-pacer.ts'

const second = 1_000
const day = 86_400 * second

/** Time that only passes when it is told to. */
class FakeClock implements Clock {
  #now = 0
  #ahead = 0
  #timers: { readonly at: number; readonly callback: () => void }[] = []

  elapsed(): number {
    return this.#now
  }

  now(): number {
    return this.#now + this.#ahead
  }

  /** Somebody sets the device's clock. */
  set(milliseconds: number): void {
    this.#ahead += milliseconds
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
      send: () => sent.push(clock.elapsed()),
      progressSeconds: 900,
      clock,
      random: () => 0.5,
      ...options
    })
  }

  it('waits no longer where the clock is set back, and no shorter where it is set forward', () => {
    const pacer = make()
    pacer.stateChanged()
    clock.set(-day)
    clock.pass(5 * second)
    assert.deepEqual(sent, [1 * second])
    pacer.progressed()
    clock.set(2 * day)
    clock.pass(day)
    assert.deepEqual(sent, [1 * second, 901 * second])
  })

  it('measures its waits by a clock that nobody sets', () => {
    const { now } = Date
    const before = systemClock.elapsed()
    try {
      Date.now = () => now() - day
      assert.ok(systemClock.elapsed() >= before)
    } finally {
      Date.now = now
    }
  })

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
    pacer.configure({ progressSeconds: 10, updatesPerDay: 200 })
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
    const pacer = make({ updatesPerDay: 15 })
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

  it('holds a day of everything at once to 200 updates, and tells each change of state in time', () => {
    const pacer = make()
    const late: number[] = []
    for (let passed = 0; passed < day; passed += 10 * second) {
      pacer.progressed()
      pacer.imageChanged()
      // Something happens to the whole every two hours, when images have used up what they may.
      const isNews = passed % (7_200 * second) === 3_600 * second
      if (isNews) pacer.stateChanged()
      clock.pass(10 * second)
      if (isNews && !(sent.at(-1)! >= clock.elapsed() - 10 * second)) late.push(passed)
    }
    assert.ok(sent.length <= 200, `${sent.length} updates`)
    assert.ok(sent.length >= 180, `only ${sent.length} updates`)
    assert.deepEqual(late, [], 'the news did not wait for the budget')
  })

  it('never spends more than the settings allow, whatever the interval of progress', () => {
    const pacer = make({ progressSeconds: 1, updatesPerDay: 50 })
    for (let passed = 0; passed < day; passed += second) {
      pacer.progressed()
      clock.pass(second)
    }
    assert.ok(sent.length <= 50, `${sent.length} updates`)
  })

  it('does not fill its bucket anew when it is given another budget', () => {
    const pacer = make()
    const flap = (): void => {
      for (let round = 0; round < 100; round++) {
        pacer.stateChanged()
        clock.pass(2 * second)
      }
    }
    flap()
    assert.equal(sent.length, 40)
    pacer.configure({ progressSeconds: 900, updatesPerDay: 400 })
    flap()
    assert.ok(sent.slice(40).length <= 2, `${sent.length} updates`)
  })

  it('holds a module that is restarted every minute to the same budget', () => {
    let left: Budget | undefined
    for (let passed = 0; passed < day; passed += 60 * second) {
      const pacer = make({ left, onSpent: (now) => (left = now) })
      pacer.stateChanged()
      clock.pass(60 * second)
      pacer.close()
    }
    assert.ok(sent.length <= 200, `${sent.length} updates`)
    assert.ok(sent.length >= 150, `only ${sent.length} updates`)
  })

  it('reports nothing after it was closed', () => {
    const pacer = make()
    pacer.stateChanged()
    pacer.close()
    clock.pass(day)
    assert.deepEqual(sent, [])
  })
})
