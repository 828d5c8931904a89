import assert from 'node:assert/strict'
import { reportedSchema } from '../settings/reported.ts'
import type { SyncObserver } from '../sync/events.ts'
import type { ImageNews, StatusNews } from './events.ts'
import { faultCodes, parentFault } from './faults.ts'
import { clip, largestReportBytes } from './fit.ts'
import { createStatus, type ChangeKind, type Status } from './status.ts'

const digest = `sha256:${'a'.repeat(64)}`

describe('status', () => {
  let time: Date
  let status: Status
  let changes: ChangeKind[]

  beforeEach(() => {
    time = new Date('2026-11-21T10:00:00Z')
    status = createStatus({ version: '0.1.0', startedAt: new Date('2026-11-21T09:00:00Z'), now: () => time })
    changes = []
    status.on('change', (kind) => changes.push(kind))
  })

  const tell = (...news: StatusNews[]): ChangeKind[] => {
    changes.length = 0
    for (const one of news) status.observe(one)
    return [...changes]
  }
  const started = (trigger: 'InitialSync' | 'Schedule' | 'ManualResync'): StatusNews => ({
    kind: 'passStarted',
    trigger,
    startedAt: '2026-11-21T10:00:00.000Z'
  })
  const ended = (trigger: 'InitialSync' | 'Schedule', endedAt = '2026-11-21T10:05:00.000Z'): StatusNews => ({
    kind: 'passEnded',
    result: { trigger, state: 'Succeeded', startedAt: '2026-11-21T10:00:00.000Z', endedAt, succeededAt: endedAt }
  })
  const image = (state: ImageNews['state'], more: Partial<ImageNews> = {}): StatusNews => ({
    kind: 'image',
    image: { image: 'samples/app:1.0', state, digest, ...more }
  })

  it('takes the events of sync as they are', () => {
    const observer: SyncObserver = status.observe
    observer({ kind: 'parent', answers: true })
    assert.equal(status.snapshot().connectionState, 'Online')
  })

  it('is offline until the parent answers, syncing while something comes, online after', () => {
    const seen = (): string => status.snapshot().connectionState
    assert.equal(seen(), 'Offline')
    tell(started('InitialSync'), { kind: 'planned', images: [{ image: 'samples/app:1.0', state: 'pending' }] })
    assert.equal(seen(), 'Offline')
    tell({ kind: 'parent', answers: true }, image('syncing', { bytesDone: 5, bytesTotal: 10 }))
    assert.equal(seen(), 'Syncing')
    tell(image('ready'), ended('InitialSync'))
    assert.equal(seen(), 'Online')
    const { sync, progress, images } = reportedSchema.parse(status.snapshot())
    assert.equal(sync?.state, 'Succeeded')
    assert.deepEqual([progress?.imagesReady, progress?.imagesTotal], [1, 1])
    assert.deepEqual(images, [{ image: 'samples/app:1.0', state: 'ready', digest }])
    tell({ kind: 'parent', answers: false, code: 'PARENT_UNREACHABLE', message: 'no connection in time' })
    assert.equal(seen(), 'Offline')
    assert.equal(status.snapshot().progress?.imagesReady, 1)
  })

  it('tells of states at once and of bytes as progress', () => {
    assert.deepEqual(tell(started('InitialSync')), ['state'])
    assert.deepEqual(tell({ kind: 'parent', answers: true }), ['state'])
    assert.deepEqual(tell(image('syncing', { bytesDone: 1, bytesTotal: 9 })), ['state'])
    assert.deepEqual(tell(image('syncing', { bytesDone: 2, bytesTotal: 9 })), ['progress'])
    assert.deepEqual(tell({ kind: 'progress', bytesDone: 2, bytesTotal: 9 }), ['progress'])
    assert.deepEqual(tell(image('ready')), ['state'])
    assert.deepEqual(tell(ended('InitialSync')), ['state'])
  })

  it('says nothing at once of a scheduled look that finds nothing new', () => {
    tell(started('InitialSync'), { kind: 'parent', answers: true }, image('ready'), ended('InitialSync'))
    tell(started('Schedule'), ended('Schedule'))
    const look = tell(
      started('Schedule'),
      { kind: 'parent', answers: true },
      image('ready', { bytesDone: 9, bytesTotal: 9 }),
      ended('Schedule', '2026-11-21T10:20:00.000Z')
    )
    assert.deepEqual(new Set(look), new Set(['progress']))
    assert.equal(status.snapshot().sync?.endedAt, '2026-11-21T10:20:00.000Z')
    assert.deepEqual(tell(started('ManualResync')), ['state'])
    assert.equal(status.snapshot().sync?.state, 'Syncing')
  })

  it('keeps an image failed from pass to pass until it is asked for anew', () => {
    tell(image('failed', { reason: 'not there' }))
    const again = tell(started('Schedule'), {
      kind: 'planned',
      images: [{ image: 'samples/app:1.0', state: 'pending' }]
    })
    assert.deepEqual(new Set(again), new Set(['progress']))
    assert.equal(status.snapshot().images?.[0]?.state, 'failed')
    tell(image('ready'))
    assert.equal(status.snapshot().images?.[0]?.state, 'ready')
    tell({ kind: 'planned', images: [] })
    assert.deepEqual(status.snapshot().images, [])
  })

  it('is unhealthy for what somebody must mend, and lists it once with the time it began', () => {
    const refused = { kind: 'parent', answers: false, code: 'PARENT_UNAUTHORIZED', message: 'token refused' } as const
    tell(refused)
    time = new Date('2026-11-21T11:00:00Z')
    assert.deepEqual(tell(refused), ['progress'])
    assert.equal(status.snapshot().connectionState, 'Unhealthy')
    assert.deepEqual(status.snapshot().statusDetails, [
      {
        type: 'Parent',
        code: 'ParentUnauthorized',
        description: 'token refused',
        timestamp: '2026-11-21T10:00:00.000Z'
      }
    ])
    tell({ kind: 'parent', answers: false, code: 'PARENT_UNREACHABLE', message: 'gone' })
    assert.deepEqual(
      status.snapshot().statusDetails?.map(({ code }) => code),
      ['ParentUnreachable']
    )
    tell({ kind: 'parent', answers: true })
    assert.deepEqual(status.snapshot().statusDetails, [])
    status.setFault('SettingsMissing', 'no settings so far')
    assert.equal(status.snapshot().connectionState, 'Unhealthy')
    status.clearFault('SettingsMissing')
    assert.equal(status.snapshot().connectionState, 'Online')
  })

  it('names the faults of parents, and stays online for one that throttles', () => {
    assert.equal(parentFault('PARENT_UNTRUSTED'), 'ParentUntrusted')
    assert.equal(parentFault('PARENT_MISSING'), 'ParentMissing')
    assert.equal(parentFault('PARENT_OF_A_NEW_KIND'), 'ParentFailed')
    tell({ kind: 'parent', answers: false, code: 'PARENT_THROTTLED', message: 'slowly' })
    assert.equal(status.snapshot().connectionState, 'Online')
  })

  it('has health by whether content can be kept', () => {
    assert.equal(status.healthz().ok, true)
    tell({ kind: 'parent', answers: false, code: 'PARENT_UNREACHABLE', message: 'gone' })
    assert.equal(status.healthz().ok, true, 'what is ready is served while the parent is away')
    tell({ kind: 'content', works: false, code: 'DISK_FULL', message: 'no space left' })
    const { ok, body } = status.healthz()
    assert.equal(ok, false)
    assert.equal(body.status, 'unhealthy')
    assert.deepEqual(
      body.faults.map(({ code }) => code),
      ['ParentUnreachable', 'DiskFull']
    )
    tell({ kind: 'content', works: true })
    assert.equal(status.healthz().ok, true)
  })

  it('reports what is known of the desired properties', () => {
    status.setDesired({
      lastDesiredVersion: 7,
      lastDesiredStatus: { code: 200, description: 'applied' },
      appliedVersion: 7
    })
    assert.deepEqual(changes, ['state'])
    assert.equal(reportedSchema.parse(status.snapshot()).appliedVersion, 7)
  })

  it('knows the last sync from before the start', () => {
    const lastSync = {
      trigger: 'Schedule',
      state: 'Failed',
      startedAt: '2026-11-21T08:00:00.000Z',
      endedAt: '2026-11-21T08:01:00.000Z'
    } as const
    const again = createStatus({ version: '0.1.0', startedAt: time, lastSync })
    assert.deepEqual(again.snapshot().sync, lastSync)
  })

  it('stays below 24 KB with the worst images first, and says how many are left out', () => {
    const states = ['ready', 'pending', 'syncing', 'failed'] as const
    const images = Array.from({ length: 2000 }, (_, at): ImageNews => {
      const state = states[at % 4] ?? 'ready'
      return {
        image: `samples/app-${at}:${'ü'.repeat(40)}`,
        state,
        digest,
        ...(state === 'failed' ? { reason: 'r"\n'.repeat(2000) } : {})
      }
    })
    tell({ kind: 'planned', images })
    const problems = Array.from({ length: 500 }, () => ({ path: 'p'.repeat(5000), reason: '\u0007'.repeat(5000) }))
    status.setDesired({
      lastDesiredVersion: 1,
      lastDesiredStatus: { code: 400, description: '"'.repeat(100_000), errors: problems, warnings: problems }
    })
    for (const code of faultCodes) status.setFault(code, '€'.repeat(10_000))
    const snapshot = status.snapshot()
    const report = reportedSchema.parse(snapshot)
    const bytes = Buffer.byteLength(JSON.stringify(snapshot))
    assert.ok(bytes <= largestReportBytes, String(bytes))
    assert.ok(report.images.length > 0)
    assert.equal(report.images.length + report.imagesOmitted, 2000)
    assert.ok(report.images.every(({ state }) => state === 'failed'))
    for (const text of strings(snapshot)) assert.ok(Buffer.byteLength(text) <= 4096)
  })

  it('reports nothing that the twin refuses: null, dotted keys', () => {
    tell(image('syncing'), started('InitialSync'), {
      kind: 'parent',
      answers: false,
      code: 'PARENT_FAILED',
      message: 'x'
    })
    const plain = JSON.stringify(status.snapshot())
    assert.doesNotMatch(plain, /null/)
    assert.ok([...plain.matchAll(/"([^"]*)":/g)].every(([, key]) => /^[A-Za-z]+$/.test(key ?? '')))
  })

  it('lets listeners go', () => {
    const heard: ChangeKind[] = []
    const forget = status.on('change', (kind) => heard.push(kind))
    tell(image('ready'))
    forget()
    tell(image('failed'))
    assert.deepEqual(heard, ['state'])
  })

  it('clips at the end of a character', () => {
    assert.equal(clip('short', 100), 'short')
    const clipped = clip('€'.repeat(500), 100)
    assert.ok(Buffer.byteLength(clipped) <= 100)
    assert.match(clipped, /^€+…$/)
    assert.ok(Buffer.byteLength(JSON.stringify(clip('"\n\u0001'.repeat(500), 100))) <= 102)
  })
})

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}
