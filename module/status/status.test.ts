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
  let logged: unknown[]

  beforeEach(() => {
    time = new Date('2026-11-21T10:00:00Z')
    logged = []
    status = createStatus({
      version: '0.1.0',
      startedAt: new Date('2026-11-21T09:00:00Z'),
      now: () => time,
      log: { warn: (_message, fields) => logged.push([fields?.['code'], fields?.['correlationId']]) }
    })
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

  it('tells of images in quarantine: each with its code, and all of them as one fault', () => {
    tell({ kind: 'parent', answers: true }, image('failed', { code: 'SIGNATURE_MISSING', reason: 'not signed' }))
    const report = status.snapshot()
    assert.equal(report.images?.[0]?.code, 'SIGNATURE_MISSING')
    const [fault, ...more] = report.statusDetails ?? []
    assert.deepEqual([fault?.type, fault?.code, more], ['Signature', 'ImageQuarantined', []])
    assert.match(fault?.description ?? '', /^1 wanted image is not signed/)
    assert.equal(report.connectionState, 'Online')
    assert.equal(status.figures().images.quarantined, 1)
    assert.deepEqual(tell(image('ready')), ['state'])
    assert.deepEqual([status.snapshot().statusDetails, status.figures().images.quarantined], [[], 0])
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

  it('tells one image among others from the state of the whole', () => {
    const images = [1, 2].map((tag): ImageNews => ({ image: `app:${tag}`, state: 'pending' }))
    tell(started('InitialSync'), { kind: 'parent', answers: true }, { kind: 'planned', images })
    assert.deepEqual(tell({ kind: 'image', image: { image: 'app:1', state: 'syncing' } }), ['state'], 'Syncing begins')
    assert.deepEqual(tell({ kind: 'image', image: { image: 'app:2', state: 'syncing' } }), ['image'])
    assert.deepEqual(tell({ kind: 'image', image: { image: 'app:2', state: 'ready', digest } }), ['image'])
    assert.deepEqual(tell({ kind: 'image', image: { image: 'app:2', state: 'ready', digest } }), ['progress'])
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
    const [detail, ...others] = status.snapshot().statusDetails ?? []
    assert.deepEqual(others, [])
    assert.match(detail?.correlationId ?? '', /^[0-9a-f-]{36}$/)
    assert.deepEqual(detail, {
      type: 'Parent',
      code: 'ParentUnauthorized',
      description: 'token refused',
      timestamp: '2026-11-21T10:00:00.000Z',
      correlationId: detail?.correlationId
    })
    assert.deepEqual(logged, [['ParentUnauthorized', detail.correlationId]], 'once, and not each time it is told')
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

  it('gives a fault the id of the pass that found it, and keeps it', () => {
    const gone = { kind: 'parent', answers: false, code: 'PARENT_UNREACHABLE', message: 'gone' } as const
    tell({ ...gone, correlationId: 'pass-0001' }, { ...gone, correlationId: 'pass-0002' })
    assert.equal(status.snapshot().statusDetails?.[0]?.correlationId, 'pass-0001')
    const full = { kind: 'content', works: false, code: 'DISK_FULL', message: 'full' } as const
    tell({ ...full, correlationId: 'pass-0003' })
    assert.equal(status.snapshot().statusDetails?.[1]?.correlationId, 'pass-0003')
    assert.deepEqual(logged, [
      ['ParentUnreachable', 'pass-0001'],
      ['DiskFull', 'pass-0003']
    ])
  })

  it('reports the id of the pass under way, and then of the last', () => {
    const startedAt = '2026-11-21T10:00:00Z'
    tell({ kind: 'passStarted', trigger: 'ManualResync', startedAt, correlationId: 'pass-0002' })
    assert.equal(status.snapshot().sync?.correlationId, 'pass-0002')
    const result = { trigger: 'ManualResync', state: 'Failed', startedAt, endedAt: startedAt } as const
    tell({ kind: 'passEnded', result: { ...result, correlationId: 'pass-0002' } })
    assert.equal(status.snapshot().sync?.correlationId, 'pass-0002')
  })

  it('names the faults of parents, and stays online for one that throttles', () => {
    assert.equal(parentFault('PARENT_UNTRUSTED'), 'ParentUntrusted')
    assert.equal(parentFault('PARENT_MISSING'), 'ParentMissing')
    assert.equal(parentFault('PARENT_OF_A_NEW_KIND'), 'ParentFailed')
    tell({ kind: 'parent', answers: false, code: 'PARENT_THROTTLED', message: 'slowly' })
    assert.equal(status.snapshot().connectionState, 'Online')
  })

  it('has health by whether content can be given out', () => {
    assert.equal(status.healthz().ok, true)
    tell({ kind: 'parent', answers: false, code: 'PARENT_UNREACHABLE', message: 'gone' })
    assert.equal(status.healthz().ok, true, 'what is ready is served while the parent is away')
    tell({ kind: 'content', works: false, code: 'DISK_FULL', message: 'no space left' })
    const { ok, body } = status.healthz()
    assert.equal(ok, true, 'what is here is served from a disk that is full')
    assert.equal(body.status, 'degraded')
    assert.deepEqual(
      body.faults.map(({ code }) => code),
      ['ParentUnreachable', 'DiskFull']
    )
    tell({ kind: 'content', works: false, code: 'DISK_FAILED', message: 'read-only file system' })
    assert.deepEqual([status.healthz().ok, status.healthz().body.status], [false, 'unhealthy'])
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

  it('gives a disk that is full, or fails, the one code that Microsoft has for it', () => {
    for (const code of ['DISK_FULL', 'DISK_FAILED']) {
      tell({ kind: 'content', works: false, code, message: 'no space left' })
      const details = status.snapshot().statusDetails ?? []
      assert.deepEqual(
        details.map(({ type, code: reported }) => [type, reported]),
        [['Disk', 'DiskError']]
      )
    }
  })

  it('counts readiness by image set, in each that wants an image, and knows sets that nothing belongs to', () => {
    status.setImageSets(['base', 'apps', 'typo'])
    const news = (name: string, state: ImageNews['state'], ...imageSets: string[]): ImageNews => ({
      image: name,
      state,
      ...(imageSets.length === 0 ? {} : { imageSets })
    })
    tell({
      kind: 'planned',
      images: [news('a:1', 'ready', 'base'), news('b:1', 'pending', 'base', 'apps'), news('c:1', 'pending', 'apps')]
    })
    assert.deepEqual(status.snapshot().imageSets, {
      apps: { ready: 0, total: 2 },
      base: { ready: 1, total: 2 },
      typo: { ready: 0, total: 0 }
    })
    // Sync tells the sets with the plan; what it tells of one image later need not repeat them.
    tell({ kind: 'image', image: news('b:1', 'ready') }, { kind: 'image', image: news('c:1', 'failed') })
    assert.deepEqual(status.snapshot().imageSets, {
      apps: { ready: 1, total: 2, failed: 1 },
      base: { ready: 2, total: 2 },
      typo: { ready: 0, total: 0 }
    })
    tell({ kind: 'planned', images: [] })
    assert.deepEqual(status.snapshot().imageSets?.['base'], { ready: 0, total: 0 })
  })

  it('says of a failed image when it is looked at again, and until when the window lasts', () => {
    const [nextSyncAt, windowEndsAt] = ['2026-11-21T10:20:00.000Z', '2026-11-21T16:00:00.000Z']
    tell({ kind: 'parent', answers: true }, { ...started('InitialSync'), windowEndsAt } as StatusNews)
    assert.equal(status.snapshot().sync?.windowEndsAt, windowEndsAt)
    tell(image('failed', { reason: 'no such tag' }), { ...ended('InitialSync'), nextSyncAt } as StatusNews)
    const { images, sync } = status.snapshot()
    assert.equal(images?.[0]?.nextAttemptAt, nextSyncAt)
    assert.deepEqual([sync?.nextAt, sync?.windowEndsAt], [nextSyncAt, undefined])
    tell(image('ready'), ended('Schedule'))
    assert.equal(status.snapshot().images?.[0]?.nextAttemptAt, undefined)
    assert.equal(status.snapshot().sync?.nextAt, undefined)
  })

  it('calls a pass that the window ended what Microsoft calls it', () => {
    tell({
      kind: 'passEnded',
      result: {
        trigger: 'Schedule',
        state: 'Failed',
        startedAt: '2026-11-21T10:00:00.000Z',
        endedAt: '2026-11-21T16:00:00.000Z',
        windowEnded: true
      }
    })
    const { sync } = status.snapshot()
    assert.equal(reportedSchema.parse(status.snapshot()).sync?.state, 'TimedOut')
    assert.ok(sync !== undefined && !('windowEnded' in sync))
  })

  it('forgets an image that was removed', () => {
    tell(image('ready'))
    assert.deepEqual(tell({ kind: 'removed', image: 'samples/app:1.0' }), ['state'])
    assert.deepEqual(tell({ kind: 'removed', image: 'samples/app:1.0' }), ['progress'])
    assert.equal(status.figures().images.total, 0)
  })

  it('estimates the time left by the pace of the last minutes, and only while something comes', () => {
    const at = (seconds: number): void => void (time = new Date(Date.UTC(2026, 10, 21, 10, 0, seconds)))
    const left = (): number | undefined => status.snapshot().progress?.secondsLeft
    tell(started('Schedule'), { kind: 'parent', answers: true }, image('syncing'))
    for (const [seconds, bytesDone] of [
      [0, 1000],
      [60, 7000]
    ] as const) {
      at(seconds)
      tell({ kind: 'progress', bytesDone, bytesTotal: 10_000 })
    }
    assert.equal(left(), 30, '100 bytes a second, 3000 left')
    at(1000)
    tell({ kind: 'progress', bytesDone: 7001, bytesTotal: 10_000 })
    assert.ok((left() ?? 0) > 900, 'a link that has become slow shows')
    tell(image('ready'), ended('Schedule'))
    assert.equal(left(), undefined)
  })

  it('tells of the disk when a noticeable part of it came or went, and else with the next report', () => {
    const disk = { freeBytes: 600, totalBytes: 1000, reserveBytes: 100 }
    const changesOf = (given: typeof disk): ChangeKind[] => {
      changes.length = 0
      status.setDisk(given)
      return [...changes]
    }
    assert.deepEqual(changesOf(disk), ['progress'])
    assert.deepEqual(changesOf({ ...disk, freeBytes: 590 }), [])
    assert.equal(status.snapshot().disk?.freeBytes, 590)
    assert.deepEqual(changesOf({ ...disk, freeBytes: 545 }), ['progress'])
  })

  it('tells at once that sync is paused, and which credential is in use', () => {
    changes.length = 0
    status.setPaused({ since: '2026-11-21T10:00:00.000Z', reason: 'satellite is billed by the byte' })
    status.setCredential({ fingerprint: 'a1b2c3d4e5f6', succeededAt: '2026-11-21T10:00:00.000Z' })
    status.setCredential({ fingerprint: 'a1b2c3d4e5f6', succeededAt: '2026-11-21T10:15:00.000Z' })
    assert.deepEqual(changes, ['state', 'state', 'progress'])
    const report = reportedSchema.parse(status.snapshot())
    assert.equal(report.paused?.reason, 'satellite is billed by the byte')
    assert.equal(report.credential?.succeededAt, '2026-11-21T10:15:00.000Z')
    status.setPaused(undefined)
    assert.equal(status.snapshot().paused, undefined)
  })

  it('tells at once of troubles with what is for the parent, and of mere numbers later', () => {
    const upward = { waiting: 1, bytes: 10, parked: 0, delivered: 0, conflicts: 0, expired: 0, troubles: [] }
    changes.length = 0
    status.setUpward(upward)
    status.setUpward({ ...upward, waiting: 2, bytes: 20 })
    status.setUpward({ ...upward, waiting: 1, expired: 1 })
    status.setUpward({ ...upward, waiting: 0, expired: 1 })
    assert.deepEqual(changes, ['state', 'progress', 'state', 'progress'])
    assert.equal(reportedSchema.parse(status.snapshot()).upward?.expired, 1)
  })

  it('follows a tag that somebody pushes or deletes here, where the image is a wanted one', () => {
    tell({ kind: 'planned', images: [{ image: 'app:1', state: 'ready', digest }] })
    tell({ kind: 'changedHere', image: { image: 'app:1', state: 'ready', digest: 'sha256:other' } })
    assert.equal(status.snapshot().images?.[0]?.digest, 'sha256:other')
    tell({ kind: 'changedHere', image: { image: 'other:1', state: 'ready', digest } })
    assert.equal(status.figures().images.total, 1)
  })

  it('finds images by state, repository and image set', () => {
    const news = (name: string, state: ImageNews['state'], set: string): ImageNews => ({
      image: name,
      state,
      imageSets: [set]
    })
    tell({
      kind: 'planned',
      images: [news('b/app:1', 'ready', 'x'), news('b/app2:1', 'ready', 'y'), news('a:1', 'failed', 'y')]
    })
    const names = (query: Parameters<Status['images']>[0]): string[] => status.images(query).map(({ image }) => image)
    assert.deepEqual(names({}), ['a:1', 'b/app2:1', 'b/app:1'])
    assert.deepEqual(names({ repository: 'b/app' }), ['b/app:1'])
    assert.deepEqual(names({ imageSet: 'y', state: 'ready' }), ['b/app2:1'])
    assert.deepEqual(status.figures().images, { ready: 2, failed: 1, pending: 0, syncing: 0, total: 3, quarantined: 0 })
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
