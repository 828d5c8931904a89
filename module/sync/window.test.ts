import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import type { PassResult, SyncEvent } from './events.ts'
import { createSync, type Sync, type SyncConfiguration } from './sync.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'
import { SyncWindows } from './window.ts'

const at = (time: string): number => Date.parse(time)

describe('sync: windows', () => {
  const noon = new SyncWindows('0 12 * * *', 'PT4H')

  it('are open from the schedule for as long as they last', () => {
    assert.deepEqual(noon.at(at('2026-11-21T11:59:59.999Z')), { open: false, opensAt: at('2026-11-21T12:00Z') })
    for (const time of ['2026-11-21T12:00Z', '2026-11-21T15:59:59.999Z'])
      assert.deepEqual(noon.at(at(time)), { open: true, endsAt: at('2026-11-21T16:00Z') })
    assert.deepEqual(noon.at(at('2026-11-21T16:00Z')), { open: false, opensAt: at('2026-11-22T12:00Z') })
  })

  it('are one where they touch or overlap', () => {
    const nights = new SyncWindows('0 22,23 * * *', 'PT4H')
    assert.deepEqual(nights.at(at('2026-11-21T22:30Z')), { open: true, endsAt: at('2026-11-22T03:00Z') })
    const hourly = new SyncWindows('0 * * * *', 'PT2H').at(at('2026-11-21T22:30Z'))
    assert.ok(hourly.open && (hourly.endsAt ?? 0) > at('2026-11-28T00:00Z'))
  })

  it('are always open without a schedule, and with the continuous one', () => {
    assert.deepEqual(new SyncWindows(undefined, undefined).at(0), { open: true })
    assert.deepEqual(new SyncWindows(' *  * * * * ', 'PT1H').at(0), { open: true })
  })
})

describe('sync: in windows', () => {
  const layer = Buffer.alloc(50_000, 'x')
  let parent: FakeParent
  let content: MemoryContent
  let clock: FakeClock
  let events: SyncEvent[]
  let told: EventEmitter<{ ended: [result: PassResult] }>
  let sync: Sync

  beforeEach(() => {
    parent = new FakeParent()
    content = new MemoryContent()
    clock = new FakeClock('2026-11-21T09:00:00Z')
    events = []
    told = new EventEmitter()
    sync = create()
  })
  afterEach(() => sync.stop())

  const create = (): Sync =>
    createSync({
      content,
      parent: () => parent,
      observer: (event) => {
        events.push(event)
        if (event.kind === 'passEnded') told.emit('ended', event.result)
      },
      log: new LineLog(() => undefined),
      clock,
      random: () => 0.5
    })

  const configuration = (more: Partial<SyncConfiguration> = {}): SyncConfiguration => ({
    imageSets: { all: { repositories: ['samples/app:1.0'], priority: 100, referrers: false } },
    intervalMinutes: 15,
    schedule: '0 12 * * *',
    window: 'PT4H',
    ...more
  })
  const begun = (): string[] =>
    events.flatMap((event) => (event.kind === 'passStarted' ? [`${event.trigger} ${event.startedAt}`] : []))
  const isReady = async (): Promise<boolean> =>
    (await content.index.tag(parseRepository('samples/app'), parseTag('1.0'))) !== undefined

  it('fetches nothing before the window, tells what is here and when it begins, and begins a little late', async () => {
    parent.put('samples/app:1.0', [layer])
    sync.configure(configuration())
    sync.start()
    await clock.advanceTo('2026-11-21T12:05:00Z')
    assert.deepEqual(parent.requests, [])
    assert.deepEqual(events, [
      {
        kind: 'planned',
        images: [{ image: 'samples/app:1.0', imageSets: ['all'], state: 'pending' }],
        nextSyncAt: '2026-11-21T12:00:00.000Z'
      },
      { kind: 'progress', bytesDone: 0, bytesTotal: 0 }
    ])
    await clock.advanceTo('2026-11-21T12:10:00Z')
    // A twentieth of four hours is 12 minutes, and half of that is this device's share.
    assert.deepEqual(begun(), ['InitialSync 2026-11-21T12:06:00.000Z'])
    assert.equal(await isReady(), true)
    const started = events.find((event) => event.kind === 'passStarted')
    assert.equal(started?.windowEndsAt, '2026-11-21T16:00:00.000Z')
  })

  it('tells of a blob that cannot be read, and waits for the window all the same', async () => {
    const manifest = parent.put('samples/app:1.0', [100])
    clock.jump('2026-11-21T15:00:00Z')
    sync.configure(configuration())
    sync.start()
    await clock.advance(1000)
    assert.equal(await isReady(), true)
    await sync.stop()

    const { bytes } = content.blobs
    content.blobs.bytes = (digest) =>
      digest === manifest
        ? Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'DISK_FAILED' }))
        : bytes(digest)
    clock.jump('2026-11-21T20:00:00Z')
    events = []
    sync = create()
    sync.configure(configuration())
    sync.start()
    await clock.advanceTo('2026-11-22T11:59:00Z')
    assert.deepEqual(events, [{ kind: 'content', works: false, code: 'DISK_FAILED', message: 'EIO: i/o error' }])
    content.blobs.bytes = bytes
    await clock.advanceTo('2026-11-22T12:10:00Z')
    assert.deepEqual(begun(), ['Recovery 2026-11-22T12:06:00.000Z'])
    assert.ok(events.some((event) => event.kind === 'content' && event.works))
  })

  it('looks by the interval while the window is open, and not between windows', async () => {
    parent.put('samples/app:1.0', [100])
    sync.configure(configuration())
    sync.start()
    await clock.advanceTo('2026-11-22T12:00:00Z')
    const passes = begun()
    assert.equal(passes.length, 16)
    assert.equal(passes.at(-1), 'Schedule 2026-11-21T15:51:00.000Z')
    const last = events.findLast((event) => event.kind === 'passEnded')
    assert.equal(last?.nextSyncAt, '2026-11-22T12:00:00.000Z')
    await clock.advanceTo('2026-11-22T12:06:00Z')
    assert.equal(begun().at(-1), 'Schedule 2026-11-22T12:06:00.000Z')
  })

  it('pauses in the middle of a blob when the window ends, and the next one goes on from there', async () => {
    const digest = parent.put('samples/app:1.0', [layer])
    sync.configure(configuration())
    parent.onPiece = async (blob, offset, piece, signal) => {
      // A slow link: the layer takes far longer than what is left of the window.
      if (blob === digestOf(layer) && offset > 0) await clock.delay(600_000, signal)
      return piece
    }
    sync.start()
    await clock.advanceTo('2026-11-22T11:00:00Z')
    assert.deepEqual(begun(), ['InitialSync 2026-11-21T12:06:00.000Z'])
    const ended = events.filter((event) => event.kind === 'passEnded')
    assert.equal(ended.length, 1)
    assert.deepEqual(
      [ended[0]?.result.state, ended[0]?.result.windowEnded, ended[0]?.nextSyncAt],
      ['Failed', true, '2026-11-22T12:00:00.000Z']
    )
    assert.ok((ended[0]?.bytesFetched ?? 0) >= 23_000)
    assert.equal(events.findLast((event) => event.kind === 'image')?.image.state, 'pending')
    const kept = content.partial.get(digestOf(layer))?.byteLength ?? 0
    assert.ok(kept >= 23_000 && kept < 50_000, String(kept))
    await clock.advanceTo('2026-11-23T16:30:00Z')
    assert.equal(await isReady(), true)
    assert.equal(begun().filter((pass) => pass.startsWith('Schedule')).length > 0, true)
    assert.ok(parent.totalServed() <= parent.blobBytes(digest))
    assert.deepEqual(
      parent.requests.filter((request) => request.includes(digestOf(layer))).map((request) => request.split(' ')[2]),
      ['0', String(kept), '47000'],
      'three windows, each from where the one before ended'
    )
  })

  it('syncs at any time when it is asked to, to the end, and waits for the window again afterwards', async () => {
    parent.put('samples/app:1.0', [layer])
    parent.onPiece = async (_blob, _offset, piece, signal) => {
      await clock.delay(60_000, signal)
      return piece
    }
    sync.configure(configuration({ schedule: '0 6 * * *', window: 'PT3H15M' }))
    clock.jump('2026-11-21T05:00:00Z')
    sync.start()
    await clock.advance(1000)
    const result = sync.syncNow()
    // It goes on over the opening of a window and beyond its end.
    await clock.advance(3 * 3_600_000)
    assert.deepEqual([(await result)?.trigger, (await result)?.state], ['ManualResync', 'Succeeded'])
    assert.equal(begun()[0], 'ManualResync 2026-11-21T05:00:01.000Z')
    assert.equal(await isReady(), true)
    await clock.advanceTo('2026-11-21T09:30:00Z')
    const before = begun().length
    const again = sync.syncNow()
    await clock.advance(1000)
    assert.equal((await again)?.state, 'Succeeded')
    await clock.advanceTo('2026-11-22T05:59:00Z')
    assert.equal(begun().length, before + 1)
  })

  it('finishes a pass that somebody waits for when the window ends under it', async () => {
    parent.put('samples/app:1.0', [layer])
    parent.onPiece = async (_blob, _offset, piece, signal) => {
      await clock.delay(600_000, signal)
      return piece
    }
    sync.configure(configuration())
    sync.start()
    await clock.advanceTo('2026-11-21T13:00:00Z')
    const result = sync.syncNow()
    await clock.advanceTo('2026-11-22T06:00:00Z')
    assert.deepEqual([(await result)?.state, (await result)?.windowEnded], ['Succeeded', undefined])
  })

  it('begins at once where it starts within a window, and when settings open one', async () => {
    parent.put('samples/app:1.0', [100])
    clock.jump('2026-11-21T15:00:00Z')
    sync.configure(configuration())
    const ended = once(told, 'ended')
    sync.start()
    await ended
    await clock.advanceTo('2026-11-21T20:00:00Z')
    const before = begun().length
    sync.configure(configuration({ schedule: undefined, window: undefined }))
    await clock.advance(1000)
    assert.deepEqual(begun().slice(before), ['SettingsChange 2026-11-21T20:00:00.000Z'])
  })

  it('notices a clock that is set while it waits', async () => {
    parent.put('samples/app:1.0', [100])
    clock.jump('1970-01-01T00:00:00Z')
    sync.configure(configuration({ schedule: '0 12 1 * *', window: 'P1D' }))
    sync.start()
    await clock.advance(120_000)
    assert.deepEqual(begun(), [])
    clock.jump('2026-12-01T13:00:00Z')
    await clock.advance(120_000)
    assert.equal(begun().length, 1)
  })
})
