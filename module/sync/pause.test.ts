import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { LineLog } from '../log/log.ts'
import type { SyncEvent } from './events.ts'
import type { Clock } from './ports.ts'
import { createSync, type Sync } from './sync.ts'
import { FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'

/** Time that stands still: what waits, waits until it is aborted. */
const clock: Clock = {
  now: () => Date.parse('2026-11-21T00:00:00Z'),
  elapsed: () => 0,
  delay: (_milliseconds, signal) =>
    new Promise((_resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error)
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
    })
}

describe('sync: pause', () => {
  let parent: FakeParent
  let sync: Sync
  let news: EventEmitter<Record<SyncEvent['kind'], [SyncEvent]>>
  let states: Map<string, string>
  let sets: Map<string, readonly string[] | undefined>
  let triggers: string[]

  beforeEach(() => {
    parent = new FakeParent()
    news = new EventEmitter()
    states = new Map()
    triggers = []
    sync = createSync({
      content: new MemoryContent(),
      parent: () => parent,
      observer: (event) => {
        if (event.kind === 'passStarted') triggers.push(event.trigger)
        if (event.kind === 'planned') {
          states = new Map(event.images.map(({ image, state }) => [image, state]))
          sets = new Map(event.images.map(({ image, imageSets }) => [image, imageSets]))
        }
        if (event.kind === 'image') states.set(event.image.image, event.image.state)
        news.emit(event.kind, event)
      },
      log: new LineLog(() => undefined),
      clock
    })
    parent.put('app:1', [100])
    sync.configure({ imageSets: { all: { repositories: ['app:1'], priority: 100 } }, intervalMinutes: 15 })
  })

  afterEach(() => sync.stop())

  const heard = (kind: SyncEvent['kind']): Promise<unknown> => once(news, kind)

  it('asks nothing of the parent from the start, tells what is on disk, and begins when it is resumed', async () => {
    sync.setPaused(true)
    const planned = heard('planned')
    sync.start()
    await planned
    assert.deepEqual([[...states], triggers], [[['app:1', 'pending']], []])
    assert.deepEqual(sets.get('app:1'), ['all'])
    assert.equal(await sync.syncNow(), undefined, 'nobody is kept waiting')
    const ended = heard('passEnded')
    sync.setPaused(false)
    await ended
    assert.deepEqual([[...states], triggers], [[['app:1', 'ready']], ['ManualResync']])
  })

  it('gives up the pass under way, and no image is left as if it were coming', async () => {
    const started = Promise.withResolvers<undefined>()
    const working = parent.blob.bind(parent)
    parent.blob = (_repository, _digest, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        started.resolve(undefined)
      })
    sync.start()
    const asked = sync.syncNow()
    await started.promise
    assert.equal(states.get('app:1'), 'syncing')
    const planned = heard('planned')
    sync.setPaused(true)
    await planned
    assert.equal(states.get('app:1'), 'pending')
    assert.equal(await asked, undefined)
    parent.blob = working
    const ended = heard('passEnded')
    sync.setPaused(false)
    await ended
    assert.equal(states.get('app:1'), 'ready')
  })

  it('stays paused through new settings, and tells where their images stand', async () => {
    sync.setPaused(true)
    const first = heard('planned')
    sync.start()
    await first
    parent.put('other:2', [10])
    const second = heard('planned')
    sync.configure({ imageSets: { more: { repositories: ['other:2'], priority: 100 } }, intervalMinutes: 15 })
    await second
    assert.deepEqual([[...states], triggers], [[['other:2', 'pending']], []])
    assert.deepEqual(sets.get('other:2'), ['more'])
  })
})
