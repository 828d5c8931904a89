import assert from 'node:assert/strict'
import type { ReportedInput } from '../../module/settings/reported.ts'
import { FakeHub } from '../testing.ts'
import { isShown, readFleet, statusOf } from './status.ts'
import { ago, fleetTable } from './table.ts'

const now = new Date('2026-11-21T12:00:00Z')
const good: ReportedInput = {
  schemaVersion: '1.0',
  runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' },
  connectionState: 'Online',
  lastDesiredVersion: 3,
  lastDesiredStatus: { code: 200, description: 'applied' },
  appliedVersion: 3,
  sync: {
    trigger: 'Schedule',
    state: 'Succeeded',
    startedAt: '2026-11-21T11:50:00Z',
    endedAt: '2026-11-21T11:55:00Z',
    succeededAt: '2026-11-21T11:55:00Z'
  },
  progress: { imagesReady: 2, imagesTotal: 2, bytesDone: 100, bytesTotal: 100 }
}

function twinWith(reported: object, more: object = {}): Parameters<FakeHub['put']>[2] {
  return { desiredVersion: 3, reported: { ...reported }, reportedAt: '2026-11-21T11:59:18Z', ...more }
}

describe('the status of devices', () => {
  let hub: FakeHub
  beforeEach(() => {
    hub = new FakeHub()
  })
  const of = async (reported: object, more: object = {}): Promise<ReturnType<typeof statusOf>> => {
    hub.put('gateway', 'm', twinWith(reported, more))
    return statusOf('gateway', await hub.twin('gateway', 'm'), now)
  }

  it('tells what the module reported, and how old that is', async () => {
    const status = await of(good, { connectionState: 'Connected' })
    assert.deepEqual(status, {
      device: 'gateway',
      connected: true,
      connectionState: 'Online',
      imagesReady: 2,
      imagesTotal: 2,
      bytesDone: 100,
      bytesTotal: 100,
      syncState: 'Succeeded',
      lastSyncAt: '2026-11-21T11:55:00Z',
      lastSyncAgeSeconds: 300,
      desiredVersion: 3,
      appliedVersion: 3,
      reportedAt: '2026-11-21T11:59:18Z',
      ageSeconds: 42,
      inSync: true,
      problems: [],
      ready: true
    })
  })

  it('is not ready while anything is missing', async () => {
    for (const [why, reported] of [
      ['an image', { ...good, progress: { ...good.progress, imagesReady: 1 } }],
      ['the first sync', { ...good, sync: undefined, progress: undefined }],
      ['a sync that goes on', { ...good, sync: { ...good.sync, state: 'Syncing' } }],
      ['the settings, not yet seen', { ...good, appliedVersion: 2 }],
      ['the settings, refused', { ...good, lastDesiredStatus: { code: 400, description: 'no' } }]
    ] as const)
      assert.equal((await of(reported)).ready, false, why)
  })

  it('collects what is wrong', async () => {
    const { problems } = await of({
      ...good,
      lastDesiredStatus: {
        code: 400,
        description: 'refused',
        errors: [{ path: 'sync', reason: 'must be' }],
        warnings: []
      },
      statusDetails: [
        {
          type: 'Disk',
          code: 'DiskError',
          description: 'full',
          timestamp: '2026-11-21T00:00:00Z',
          correlationId: 'pass-0001'
        }
      ],
      images: [
        { image: 'hello-world:v1', state: 'failed', reason: 'no such tag' },
        { image: 'hello-world:v2', state: 'ready' }
      ]
    })
    assert.deepEqual(problems, [
      'settings 400: refused',
      'sync: must be',
      'DiskError: full (correlation id pass-0001)',
      'hello-world:v1 failed: no such tag'
    ])
  })

  it('tells a device without the module, and one that has said nothing, apart', async () => {
    assert.equal(statusOf('gateway', undefined, now).connectionState, 'NotDeployed')
    assert.equal((await of({})).connectionState, 'Unknown')
  })

  it('reads few twins one by one and many by a query, in the order asked for', async () => {
    const many = Array.from({ length: 30 }, (_, index) => `device-${index}`)
    for (const id of [...many].reverse()) hub.put(id, 'm', twinWith(good))
    let reads = 0
    hub.onRead = () => reads++
    const fleet = await readFleet(hub, many, 'm', now)
    assert.deepEqual(
      fleet.map(({ device }) => device),
      many
    )
    assert.equal(reads, 0)
    assert.equal((await readFleet(hub, many.slice(0, 5), 'm', now)).length, 5)
    assert.equal(reads, 5)
  })

  it('shows those that are meant', async () => {
    const ready = await of(good)
    const half = await of({
      ...good,
      progress: { ...good.progress, imagesReady: 1 },
      imageSets: { tools: { ready: 1, total: 2 }, apps: { ready: 3, total: 3 } }
    })
    const silent = await of({})
    const shown = (filter: Parameters<typeof isShown>[1]): boolean[] =>
      [ready, half, silent].map((device) => isShown(device, filter))
    assert.deepEqual(shown({}), [true, true, true])
    assert.deepEqual(shown({ notReady: true }), [false, true, true])
    assert.deepEqual(shown({ state: 'Unknown' }), [false, false, true])
    assert.deepEqual(shown({ imageSet: 'tools' }), [false, true, true])
    assert.deepEqual(shown({ imageSet: 'apps' }), [false, false, true])
  })

  it('makes a table that can be grepped', async () => {
    const half = {
      ...good,
      appliedVersion: 2,
      progress: { imagesReady: 1, imagesTotal: 2, bytesDone: 30, bytesTotal: 90 }
    }
    const table = fleetTable([await of(good), await of(half), statusOf('new', undefined, now)])
    assert.equal(
      table,
      [
        'DEVICE   STATE        IMAGES      LAST SYNC  SETTINGS      AS OF     PROBLEMS',
        'gateway  Online       2/2         5 min ago  v3            42 s ago  -',
        'gateway  Online       1/2 (33 %)  5 min ago  v2, wants v3  42 s ago  -',
        'new      NotDeployed  0/0         never      -             never     the hub has no such module; deploy to the device'
      ].join('\n')
    )
  })

  it('tells ages in the unit that fits', () => {
    assert.deepEqual([undefined, 0, 89, 90, 5399, 5400, 130_000].map(ago), [
      'never',
      '0 s ago',
      '89 s ago',
      '2 min ago',
      '90 min ago',
      '2 h ago',
      '2 d ago'
    ])
  })
})
