import assert from 'node:assert/strict'
import type { ReportedInput } from '../settings/reported.ts'
import { everybody, type PageFacts } from './facts.ts'
import { drawSections, type Sections } from './sections.ts'

const base: ReportedInput = {
  schemaVersion: '1.0',
  runtime: { version: '1.2.3', startedAt: '2026-11-20T09:00:00Z' },
  connectionState: 'Online',
  progress: { imagesReady: 2, imagesTotal: 2, bytesDone: 10, bytesTotal: 10 }
}

/** What a reader sees of each part: the text alone. */
function read(report: Partial<ReportedInput>, more: Partial<PageFacts> = {}): Sections {
  const facts = { name: 'ship-7', now: new Date('2026-11-21T10:00:00Z'), images: [], events: [], ...more }
  const sections = drawSections({ ...facts, report: { ...base, ...report } }, everybody)
  return Object.fromEntries(
    Object.entries(sections).map(([id, text]) => [
      id,
      text
        .replace(/<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ')
        .replace(/ ([.,])/g, '$1')
        .trim()
    ])
  ) as Sections
}

describe('what the page says', () => {
  it('of the whole, in one sentence', () => {
    const state = (report: Partial<ReportedInput>): string => read(report).state
    const some = { imagesReady: 1, imagesTotal: 3, bytesDone: 1, bytesTotal: 3 }
    assert.equal(state({}), 'In sync All 2 wanted images are here and verified.')
    assert.equal(state({ progress: some }), 'Not in sync yet 1 of 3 images is here and verified.')
    assert.equal(state({ connectionState: 'Syncing', progress: some }), 'Syncing 1 of 3 images is here and verified.')
    assert.match(state({ connectionState: 'Offline' }), /^Offline The parent is not reached\. All 2 .* is served\.$/)
    assert.match(state({ connectionState: 'Unhealthy' }), /^Needs attention/)
    assert.match(state({ paused: { since: '2026-11-21T08:00:00Z' } }), /^Paused Sync is paused by hand\./)
    assert.match(state({ lastDesiredStatus: { code: 417, description: '' } }), /no settings for this device yet/)
  })

  it('of what is wrong: faults, refused settings, and each image with its reason', () => {
    assert.equal(read({}).problems, 'Nothing is wrong.')
    const { problems } = read(
      {
        statusDetails: [
          {
            type: 'x',
            code: 'DiskError',
            description: 'the disk is full',
            timestamp: '2026-11-21T09:00:00Z',
            correlationId: 'pass-0001'
          }
        ],
        lastDesiredStatus: {
          code: 400,
          description: 'the settings are not valid.',
          errors: [{ path: 'sync.schedule', reason: 'is no cron' }]
        },
        sync: {
          trigger: 'Schedule',
          state: 'Failed',
          startedAt: '2026-11-21T09:00:00Z',
          nextAt: '2026-11-21T10:15:00Z'
        }
      },
      { images: [{ image: 'plant/app:1.0', state: 'failed', reason: 'its signature is not right' }] }
    )
    assert.match(problems, /DiskError the disk is full since 2026-11-21 09:00 UTC, correlation id pass-0001/)
    assert.match(problems, /Settings refused the settings are not valid\. The last good .* sync\.schedule is no cron/)
    assert.match(problems, /plant\/app:1\.0 its signature is not right/)
    assert.match(problems, /tried again at 2026-11-21 10:15 UTC/)
  })

  it('of what is on its way, how fast and how long', () => {
    const underWay = read(
      {
        connectionState: 'Syncing',
        progress: {
          imagesReady: 0,
          imagesTotal: 2,
          bytesDone: 300_000_000,
          bytesTotal: 1_500_000_000,
          bytesPerSecond: 1_250_000,
          secondsLeft: 960
        }
      },
      {
        images: [
          { image: 'plant/app:1.0', state: 'syncing', bytesDone: 5_000, bytesTotal: 999_960 },
          { image: 'plant/new:1.0', state: 'syncing' },
          { image: 'plant/app:2.0', state: 'pending' }
        ]
      }
    )['under-way']
    assert.match(underWay, /^300 MB of 1\.5 GB are here, at 1\.3 MB a second, about 16 minutes to go\./)
    assert.match(underWay, /plant\/app:1\.0 5\.0 kB of 1\.0 MB/)
    assert.match(underWay, / 1 image waits for its turn\.$/)
    assert.equal(read({})['under-way'], 'Nothing is on its way.')
  })

  it('of each image set, with its images and no more than a phone can take', () => {
    const images = Array.from({ length: 60 }, (_, at) => ({
      image: `plant/app:${at}`,
      state: at === 0 ? ('failed' as const) : ('ready' as const),
      imageSets: ['plant']
    }))
    const sets = read(
      { imageSets: { plant: { ready: 59, total: 60, failed: 1 }, a: { ready: 0, total: 0 } } },
      { images }
    )
    assert.match(sets['image-sets'], /^a ready plant 59 of 60 ready, 1 failed plant\/app:0 failed plant\/app:1 ready/)
    assert.match(sets['image-sets'], /and 10 more$/)
  })

  it('of the schedule and the disk', () => {
    const { schedule, disk } = read({
      sync: {
        trigger: 'Schedule',
        state: 'TimedOut',
        startedAt: '2026-11-21T02:00:00Z',
        endedAt: '2026-11-21T04:00:00Z',
        nextAt: '2026-11-22T02:00:00Z',
        correlationId: 'pass-0002'
      },
      disk: { freeBytes: 30e9, totalBytes: 64e9, reserveBytes: 1e9 }
    })
    assert.match(schedule, /Last sync 2026-11-21 04:00 UTC, ended with its window; the next one goes on from there/)
    assert.match(schedule, /Its correlation id in the log pass-0002/)
    assert.match(schedule, /Next sync 2026-11-22 02:00 UTC/)
    assert.match(schedule, /Everything was here not so far/)
    assert.match(disk, /30 GB of 64 GB are free; the last 1\.0 GB are never used\.$/)
  })

  it('of events, without those about images that the reader may not list', () => {
    const facts: PageFacts = {
      name: 'ship-7',
      now: new Date('2026-11-21T10:00:00Z'),
      report: base,
      images: [],
      events: [
        { at: '2026-11-21T09:00:00Z', text: 'plant/app:1 is ready', image: 'plant/app:1' },
        { at: '2026-11-21T08:00:00Z', text: 'other/app:1 is ready', image: 'other/app:1' },
        { at: '2026-11-21T07:00:00Z', text: 'other/*: cannot be listed', image: 'other/*' },
        { at: '2026-11-21T06:00:00Z', text: 'The parent answers again' }
      ]
    }
    const { events } = drawSections(facts, {
      may: (_action, repository) => repository === 'plant/app',
      mayEverywhere: () => false
    })
    assert.match(events, /plant\/app:1 is ready[^]*The parent answers again/)
    assert.doesNotMatch(events, /other/)
    assert.match(drawSections(facts, everybody).events, /other\/\*: cannot be listed/)
  })
})
