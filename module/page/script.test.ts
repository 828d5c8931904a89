import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { runInNewContext } from 'node:vm'
import { script } from './script.ts'

/** What the script asks of a browser, as far as it goes here; test/page.test.ts has it in a real one. */
class FakeSource extends EventEmitter {
  static readonly CLOSED = 2
  readyState = 1

  addEventListener(name: string, listener: (event: unknown) => void): void {
    this.on(name, listener)
  }
  close(): void {
    this.readyState = FakeSource.CLOSED
  }
}

describe("the page's script", () => {
  let stale: { hidden: boolean }
  let sources: FakeSource[]
  let waiting: { readonly milliseconds: number; readonly work: () => unknown } | undefined
  let asked: number
  let answer: { readonly status: number } | undefined
  let loads: number

  beforeEach(() => {
    stale = { hidden: true }
    sources = []
    waiting = undefined
    asked = loads = 0
    answer = undefined
    runInNewContext(script, {
      document: { getElementById: (id: string) => (id === 'stale' ? stale : null), querySelectorAll: () => [] },
      EventSource: class extends FakeSource {
        constructor() {
          super()
          sources.push(this)
        }
      },
      setTimeout: (work: () => unknown, milliseconds: number) => {
        assert.equal(waiting, undefined, 'one wait at a time')
        waiting = { milliseconds, work }
      },
      clearTimeout: () => (waiting = undefined),
      AbortSignal,
      fetch: () => {
        asked += 1
        return answer === undefined ? Promise.reject(new Error('not reached')) : Promise.resolve(answer)
      },
      location: { href: 'http://device/acr/', reload: () => (loads += 1) }
    })
  })

  /** Lets the time pass that is waited for. */
  async function pass(milliseconds: number): Promise<void> {
    assert.equal(waiting?.milliseconds, milliseconds)
    const { work } = waiting
    waiting = undefined
    await work()
  }
  const last = (): FakeSource => sources.at(-1) ?? assert.fail()
  const tell = (): unknown => last().emit('sections', { data: '{"age":"now"}' })

  it('says that the device is not reached when nothing is heard for 45 seconds, and opens the stream anew', async () => {
    tell()
    assert.equal(stale.hidden, true)
    await pass(45_000)
    assert.equal(stale.hidden, false)
    assert.deepEqual(
      sources.map(({ readyState }) => readyState),
      [FakeSource.CLOSED, 1]
    )
    await pass(45_000)
    assert.equal(sources.length, 3, 'as often as it takes')
    tell()
    assert.equal(stale.hidden, true)
    assert.equal(waiting?.milliseconds, 45_000)
  })

  it('waits anew with each sign of life', () => {
    const first = waiting
    tell()
    assert.notEqual(waiting, first)
    assert.equal(sources.length, 1)
  })

  it('stays where a proxy answers in place of the device, and loads anew once the device does', async () => {
    last().close()
    last().emit('error')
    assert.equal(stale.hidden, false)
    await pass(30_000)
    answer = { status: 502 }
    await pass(30_000)
    assert.deepEqual([asked, loads], [2, 0])
    answer = { status: 401 }
    await pass(30_000)
    assert.deepEqual([asked, loads], [3, 1])
  })
})
