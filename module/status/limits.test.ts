import assert from 'node:assert/strict'
import fc from 'fast-check'
import { imageStates } from '../settings/reported-states.ts'
import { reportedSchema } from '../settings/reported.ts'
import { checkReport } from '../twin/reported-rules.ts'
import type { ImageNews } from './events.ts'
import { faultCodes } from './faults.ts'
import { largestReportBytes } from './fit.ts'
import { createStatus, type Status } from './status.ts'

/** Text as parents, disks and people write it: quotes, control characters and everything that takes more bytes than it seems. */
const text = (most: number): fc.Arbitrary<string> =>
  fc
    .tuple(fc.string({ unit: 'binary', maxLength: 20 }), fc.integer({ min: 0, max: most }))
    .map(([piece, length]) => piece.repeat(Math.ceil(length / Math.max(1, piece.length))))

const problems = fc.array(fc.record({ path: text(400), reason: text(400) }), { maxLength: 20 })

interface Case {
  readonly images: number
  readonly name: string
  readonly reason: string
  readonly sets: number
  /** Sizes as manifests and file systems claim them: a descriptor's is any integer up to 2^53 - 1. */
  readonly bytes: number
  readonly description: string
  readonly errors: { readonly path: string; readonly reason: string }[]
}

const anyCase: fc.Arbitrary<Case> = fc.record({
  images: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(10_000)),
  name: text(300),
  reason: text(2000),
  sets: fc.integer({ min: 0, max: 400 }),
  bytes: fc.constantFrom(0, 2 ** 50, 2 ** 52, Number.MAX_SAFE_INTEGER, 2 ** 63, 1e300),
  description: text(20_000),
  errors: problems
})

function fill(status: Status, { images, name, reason, sets, bytes, description, errors }: Case): void {
  const setNames = Array.from({ length: sets }, (_, at) => `${'s'.repeat(at % 46)}${at}`)
  status.setImageSets(setNames)
  status.observe({
    kind: 'passStarted',
    trigger: 'InitialSync',
    startedAt: new Date(0).toISOString(),
    windowEndsAt: new Date(0).toISOString()
  })
  status.observe({
    kind: 'planned',
    images: Array.from({ length: images }, (_, at): ImageNews => ({
      image: `samples/app-${at}:${name}`,
      state: imageStates[at % imageStates.length] ?? 'ready',
      imageSets: setNames.slice(at % 7, (at % 7) + 2),
      digest: `sha256:${'a'.repeat(64)}`,
      bytesDone: at * 1e9,
      bytesTotal: bytes,
      reason
    }))
  })
  status.observe({ kind: 'progress', bytesDone: 1, bytesTotal: bytes })
  status.setDamaged(
    Array.from({ length: 50 }, () => ({
      digest: `sha512:${'a'.repeat(128)}`,
      repositories: Array.from({ length: 9 }, () => 'r'.repeat(255))
    }))
  )
  for (const code of faultCodes) status.setFault(code, description)
  status.setDesired({
    lastDesiredVersion: 2 ** 40,
    lastDesiredStatus: { code: 400, description, errors, warnings: errors },
    appliedVersion: 1
  })
  status.setPaused({ since: new Date(0).toISOString(), reason })
  status.setDisk({ freeBytes: bytes, totalBytes: bytes, reserveBytes: bytes })
  status.setUpward({
    waiting: images,
    bytes,
    oldestAt: new Date(0).toISOString(),
    parked: 1,
    delivered: 2 ** 40,
    conflicts: 1,
    expired: 1,
    sending: `push ${name}`,
    reason,
    troubles: Array.from({ length: Math.min(images, 200) }, () => ({
      what: `push samples/app:${name}`,
      state: 'parked' as const,
      reason,
      digest: `sha256:${'a'.repeat(64)}`,
      at: new Date(0).toISOString(),
      nextAttemptAt: new Date(0).toISOString()
    }))
  })
  status.setCredential({
    fingerprint: 'a1b2c3d4e5f6',
    tokenName: 't'.repeat(50),
    succeededAt: new Date(0).toISOString()
  })
}

describe('the report, whatever happens', function () {
  this.timeout(20_000)

  it('is one that edgeHub and IoT Hub take, with up to 10,000 images and 400 image sets', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        const status = createStatus({ version: '0.1.0', startedAt: new Date(0) })
        fill(status, given)
        const snapshot = status.snapshot()
        checkReport(snapshot)
        assert.ok(Buffer.byteLength(JSON.stringify(snapshot)) <= largestReportBytes)
        const report = reportedSchema.parse(snapshot)
        assert.equal(report.images.length + report.imagesOmitted, given.images)
        assert.equal(
          (report.upward?.items.length ?? 0) + (report.upward?.itemsOmitted ?? 0),
          Math.min(given.images, 200)
        )
        assert.equal(Object.keys(report.imageSets).length + report.imageSetsOmitted, given.sets)
        const ranks = report.images.map(({ state }) => imageStates.indexOf(state))
        assert.deepEqual(
          ranks,
          ranks.toSorted((one, other) => one - other),
          'the worst first'
        )
      }),
      { numRuns: 40 }
    )
  })

  it('keeps up with 10,000 images becoming ready one by one', () => {
    const status = createStatus({ version: '0.1.0', startedAt: new Date(0) })
    const images = Array.from({ length: 10_000 }, (_, at): ImageNews => ({ image: `app:${at}`, state: 'pending' }))
    status.observe({ kind: 'planned', images })
    let heard = 0
    status.on('change', (kind) => (heard += kind === 'image' ? 1 : 0))
    for (const { image } of images) status.observe({ kind: 'image', image: { image, state: 'ready' } })
    assert.equal(heard, 10_000)
    assert.equal(status.snapshot().progress?.imagesReady, 10_000)
  })
})
