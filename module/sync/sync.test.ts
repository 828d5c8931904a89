import assert from 'node:assert/strict'
import { once } from 'node:events'
import { EventEmitter } from 'node:events'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import type { PassResult, SyncEvent } from './events.ts'
import { readLastSync } from './last-sync.ts'
import type { Clock, ParentSource } from './ports.ts'
import { createSync, type Sync } from './sync.ts'
import { fault, FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'

/** Time that stands still until the test lets a wait end. */
class ManualClock implements Clock {
  time = Date.parse('2026-11-21T00:00:00Z')
  readonly waits: number[] = []
  readonly news = new EventEmitter<{ waiting: [milliseconds: number] }>()
  #end: () => void = () => undefined

  now(): number {
    return this.time
  }

  elapsed(): number {
    return this.time
  }

  delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.waits.push(milliseconds)
    this.news.emit('waiting', milliseconds)
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error)
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
      this.#end = () => {
        this.time += milliseconds
        resolve()
      }
    })
  }

  elapse(): void {
    this.#end()
  }
}

describe('sync: schedule', () => {
  let parent: FakeParent
  let source: ParentSource | undefined
  let content: MemoryContent
  let clock: ManualClock
  let events: SyncEvent[]
  let told: EventEmitter<{ ended: [result: PassResult] }>
  let random: number
  let sync: Sync
  /** The ids that the parent was asked with, one for each pass. */
  let asked: string[]
  let lines: string[]

  beforeEach(() => {
    parent = new FakeParent()
    source = parent
    content = new MemoryContent()
    clock = new ManualClock()
    events = []
    random = 0.5
    told = new EventEmitter()
    asked = []
    lines = []
    sync = make()
  })
  afterEach(() => sync.stop())

  function make(): Sync {
    return createSync({
      content,
      parent: (correlationId) => {
        asked.push(correlationId)
        return source
      },
      observer: (event) => {
        events.push(event)
        if (event.kind === 'passEnded') told.emit('ended', event.result)
      },
      log: new LineLog((line) => lines.push(line)),
      clock,
      random: () => random
    })
  }

  const configuration = (...repositories: string[]) => ({
    imageSets: { all: { repositories, priority: 100 } },
    intervalMinutes: 15
  })
  const triggers = (): string[] => events.flatMap((event) => (event.kind === 'passStarted' ? [event.trigger] : []))
  const waiting = (): Promise<[number]> => once(clock.news, 'waiting') as Promise<[number]>

  it('begins at once, then by the interval with a tenth of jitter', async () => {
    parent.put('samples/app:1.0', [100])
    sync.configure(configuration('samples/app:1.0'))
    const first = waiting()
    sync.start()
    assert.deepEqual(await first, [15 * 60_000])
    for (const [value, minutes] of [
      [0, 13.5],
      [0.999_999, 16.5]
    ] as const) {
      random = value
      const next = waiting()
      clock.elapse()
      assert.ok(Math.abs((await next)[0] / 60_000 - minutes) < 0.001)
    }
    assert.deepEqual(triggers(), ['InitialSync', 'Schedule', 'Schedule'])
    const planned = events.filter((event) => event.kind === 'planned')
    assert.equal(planned.length, 1, 'a routine pass does not tell again what has not changed')
  })

  it('gives each pass an id: to the parent, in the log, in what it tells and in what it keeps', async () => {
    parent.put('samples/app:1.0', [100])
    sync.configure(configuration('samples/app:1.0', 'samples/none:1.0'))
    let next = waiting()
    sync.start()
    await next
    next = waiting()
    clock.elapse()
    await next
    assert.equal(asked.length, 2)
    assert.notEqual(asked[0], asked[1])
    const told = events.flatMap((event) =>
      event.kind === 'passStarted' ? event.correlationId : event.kind === 'passEnded' ? event.result.correlationId : []
    )
    assert.deepEqual(told, [asked[0], asked[0], asked[1], asked[1]])
    assert.ok(lines.some((line) => line.includes('image failed')) && lines.some((line) => line.includes('sync ended')))
    for (const line of lines) assert.match(line, new RegExp(`correlationId=(${asked.join('|')})\\n$`))
    assert.equal((await readLastSync(content.index))?.correlationId, asked[1])
  })

  it('says of a pass that its parent was not complete itself', async () => {
    parent.put('samples/app:1.0', [100])
    parent.incomplete = true
    sync.configure(configuration('samples/app:1.0'))
    let next = waiting()
    sync.start()
    await next
    parent.incomplete = false
    next = waiting()
    clock.elapse()
    await next
    const told = events.flatMap((event) =>
      event.kind === 'passEnded' ? [[event.result.state, event.parentIsIncomplete]] : []
    )
    assert.deepEqual(told, [
      ['Succeeded', true],
      ['Succeeded', undefined]
    ])
  })

  it('says which pass found that the parent is gone', async () => {
    parent.trouble = () => fault('PARENT_UNAUTHORIZED')
    sync.configure(configuration('samples/app:1.0'))
    const next = waiting()
    sync.start()
    await next
    const gone = events.find((event) => event.kind === 'parent' && !event.answers)
    assert.equal(gone !== undefined && 'correlationId' in gone && gone.correlationId, asked[0])
  })

  it('waits for settings', async () => {
    parent.put('samples/app:1.0', [100])
    const idle = waiting()
    sync.start()
    await idle
    assert.deepEqual(triggers(), [])
    assert.equal(await sync.syncNow(), undefined)
    const ended = once(told, 'ended')
    sync.configure(configuration('samples/app:1.0'))
    await ended
    assert.deepEqual(triggers(), ['InitialSync'])
  })

  it('gives a pass up for new settings, keeps its bytes, and begins by the new ones', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    parent.put('samples/app:1.0', [layer])
    parent.put('samples/app:2.0', [layer])
    let changed = false
    parent.onPiece = (_blob, offset, piece) => {
      if (offset >= 20_000 && !changed) {
        changed = true
        sync.configure(configuration('samples/app:2.0'))
      }
      return piece
    }
    const ended = once(told, 'ended') as Promise<[PassResult]>
    sync.configure(configuration('samples/app:1.0'))
    sync.start()
    const [result] = await ended
    assert.deepEqual(triggers(), ['InitialSync', 'SettingsChange'])
    assert.deepEqual([result.trigger, result.state], ['SettingsChange', 'Succeeded'])
    const tags = content.repositories.get(parseRepository('samples/app'))?.tags
    assert.deepEqual([...(tags?.keys() ?? [])], ['2.0'])
    assert.equal(parent.served.get(digestOf(layer)), layer.byteLength)
  })

  it('answers syncNow with the pass under way, or begins one', async () => {
    parent.put('samples/app:1.0', [100])
    sync.configure(configuration('samples/app:1.0'))
    sync.start()
    const [one, other] = await Promise.all([sync.syncNow(), sync.syncNow()])
    assert.equal(one, other)
    const idle = waiting()
    const third = await sync.syncNow()
    await idle
    assert.equal(third?.trigger, 'ManualResync')
    assert.equal(triggers().length, third === one ? 1 : 2)
  })

  it('tries again soon, then less and less often, never less than the interval asks', async () => {
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    sync.configure(configuration('samples/app:1.0'))
    let next = waiting()
    sync.start()
    await next
    for (let tries = 0; tries < 9; tries += 1) {
      next = waiting()
      clock.elapse()
      await next
    }
    assert.deepEqual(
      clock.waits.map((wait) => wait / 1000),
      [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    )
    assert.deepEqual(triggers().slice(0, 3), ['InitialSync', 'Recovery', 'Recovery'])
    parent.trouble = () => undefined
    parent.put('samples/app:1.0', [100])
    next = waiting()
    clock.elapse()
    assert.deepEqual(await next, [900_000])
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    next = waiting()
    clock.elapse()
    assert.deepEqual(await next, [5000])
  })

  it('does not hammer with credentials that are refused, and heeds Retry-After', async () => {
    parent.trouble = () => fault('PARENT_UNAUTHORIZED')
    sync.configure(configuration('samples/app:1.0'))
    let next = waiting()
    sync.start()
    assert.deepEqual(await next, [60_000])
    parent.trouble = () => fault('PARENT_THROTTLED', { retryAfterSeconds: 300 })
    next = waiting()
    clock.elapse()
    assert.deepEqual(await next, [300_000])
  })

  it('takes a new parent with the next settings', async () => {
    source = undefined
    sync.configure(configuration('samples/app:1.0'))
    const first = waiting()
    sync.start()
    await first
    parent.put('samples/app:1.0', [100])
    source = parent
    const ended = once(told, 'ended') as Promise<[PassResult]>
    sync.configure(configuration('samples/app:1.0'))
    assert.equal((await ended)[0].state, 'Succeeded')
  })

  it('remembers how the last pass ended, and goes on as a recovery after a restart', async () => {
    parent.put('samples/app:1.0', [100])
    sync.configure(configuration('samples/app:1.0'))
    let next = waiting()
    sync.start()
    await next
    await sync.stop()
    const last = await readLastSync(content.index)
    assert.deepEqual(last, {
      trigger: 'InitialSync',
      state: 'Succeeded',
      startedAt: '2026-11-21T00:00:00.000Z',
      endedAt: '2026-11-21T00:00:00.000Z',
      succeededAt: '2026-11-21T00:00:00.000Z',
      correlationId: asked[0]
    })
    clock.time += 3_600_000
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    sync = make()
    sync.configure(configuration('samples/app:1.0'))
    next = waiting()
    sync.start()
    await next
    const again = await readLastSync(content.index)
    assert.deepEqual([again?.trigger, again?.state, again?.succeededAt], ['Recovery', 'Failed', last.succeededAt])
  })

  it('tells of a disk that is too full to keep the result, and that it works again', async () => {
    parent.put('samples/app:1.0', [100])
    const { apply } = content.index
    content.index.apply = (changes) =>
      changes.some((change) => change.kind === 'setState' && change.key === 'sync.last')
        ? Promise.reject(Object.assign(new Error('no space left'), { code: 'DISK_FULL' }))
        : apply(changes)
    sync.configure(configuration('samples/app:1.0'))
    let next = waiting()
    sync.start()
    await next
    content.index.apply = apply
    next = waiting()
    clock.elapse()
    await next
    assert.deepEqual(
      events.filter((event) => event.kind === 'content'),
      [
        { kind: 'content', works: false, code: 'DISK_FULL', message: 'no space left', correlationId: asked[0] },
        { kind: 'content', works: true }
      ]
    )
  })

  it('looks again by hand for a platform that the parent lacked', async () => {
    const here = parent.put('samples/app', [100])
    const later = parent.put('samples/app', [200])
    parent.putIndex('samples/app:multi', [here, later])
    const bytes = parent.content.get(later) ?? assert.fail()
    parent.content.delete(later)
    sync.configure(configuration('samples/app:multi'))
    let next = waiting()
    sync.start()
    await next
    parent.content.set(later, bytes)
    next = waiting()
    clock.elapse()
    await next
    assert.equal(content.held.has(later), false)
    assert.equal((await sync.syncNow())?.state, 'Succeeded')
    assert.equal(content.held.has(later), true)
  })

  it('leaves a layer that came wrong alone, and looks again by hand', async () => {
    const layer = Buffer.alloc(1000, 'x')
    parent.put('samples/app:1.0', [layer])
    parent.content.set(digestOf(layer), Buffer.alloc(1000, 'y'))
    const fetched = (): number | undefined => parent.served.get(digestOf(layer))
    sync.configure(configuration('samples/app:1.0'))
    let next = waiting()
    sync.start()
    await next
    next = waiting()
    clock.elapse()
    await next
    assert.equal(fetched(), 2000, 'the first pass tries twice, the next one not at all')
    parent.content.set(digestOf(layer), layer)
    assert.equal((await sync.syncNow())?.state, 'Succeeded')
  })

  it('waits for the schedule where only somebody else can mend an image', async () => {
    sync.configure(configuration('samples/app:gone'))
    const next = waiting()
    sync.start()
    assert.deepEqual(await next, [900_000])
    assert.equal((await readLastSync(content.index))?.state, 'Failed')
  })

  it('reads no last sync from what is none', async () => {
    for (const value of [undefined, null, 7, {}, { trigger: 'X', state: 'Failed', startedAt: '', endedAt: '' }]) {
      content.states.set('sync.last', value)
      assert.equal(await readLastSync(content.index), undefined)
    }
  })

  it('stops mid-way, and answers whoever waits', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    parent.put('samples/app:1.0', [layer])
    sync.configure(configuration('samples/app:1.0'))
    const begun = new EventEmitter()
    const reached = once(begun, 'piece')
    parent.onPiece = (_blob, offset, piece) => {
      if (offset >= 20_000) begun.emit('piece')
      return piece
    }
    sync.start()
    const waiter = sync.syncNow()
    await reached
    await sync.stop()
    assert.equal(await waiter, undefined)
    assert.equal(await sync.syncNow(), undefined)
    assert.ok((content.partial.get(digestOf(layer))?.byteLength ?? 0) >= 20_000)
    assert.equal(await content.index.tag(parseRepository('samples/app'), parseTag('1.0')), undefined)
  })

  it('looks at the parent before its time for a tag that somebody waits for, once within an interval', async () => {
    parent.put('samples/app:1.0', [100])
    sync.configure(configuration('samples/app:*'))
    let next = waiting()
    sync.start()
    await next
    const missed = [parseRepository('samples/app'), '2.0', 'request-of-an-engine'] as const
    sync.waitedFor(parseRepository('elsewhere'), '2.0', 'request-of-another')
    const digest = parent.put('samples/app:2.0', [200])
    clock.time += 60_000
    next = waiting()
    sync.waitedFor(...missed)
    await next
    assert.equal(await content.index.tag(missed[0], parseTag('2.0')), digest)
    const passes = events.filter(({ kind }) => kind === 'passEnded').length
    assert.equal(passes, 2)
    assert.equal(asked.at(-1), 'request-of-an-engine', 'one id leads from who waits to who has it')
    clock.time += 120_000
    sync.waitedFor(...missed)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(events.filter(({ kind }) => kind === 'passStarted').length, passes)
  })
})
