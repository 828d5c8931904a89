import assert from 'node:assert/strict'
import { hexOf, type Digest } from '../oci/digest.ts'
import { parseRepository, parseTag, type Tag } from '../oci/name.ts'
import type { SyncEvent } from './events.ts'
import { runPass, type PassOptions, type PassOutcome } from './pass.ts'
import type { ImageSet } from './plan.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { fault, FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'
import { passOptions } from './testing/pass-options.ts'

const app = parseRepository('samples/app')

/** As `npm run image -- --push` leaves it: an index of platforms, with a bill of materials beside each of them. */
describe('sync: what refers to the platforms of an index', () => {
  let parent: FakeParent
  let content: MemoryContent
  let events: SyncEvent[]
  let clock: FakeClock
  let arm: Digest
  let amd: Digest
  let index: Digest

  beforeEach(() => {
    parent = new FakeParent()
    content = new MemoryContent()
    events = []
    clock = new FakeClock('2026-11-21T00:00:00Z')
    arm = parent.put('samples/app', [3000])
    amd = parent.put('samples/app', [4000])
    index = parent.putIndex('samples/app:1.0', [arm, amd], (digest) => ({
      platform: { os: 'linux', architecture: digest === arm ? 'arm64' : 'amd64' }
    }))
  })

  function pass(set: Partial<ImageSet> = {}, more: Partial<PassOptions> = {}): Promise<PassOutcome> {
    parent.requests.length = 0
    return runPass(
      passOptions({
        content,
        parent,
        imageSets: { a: { repositories: ['samples/app:1.0'], priority: 100, platforms: ['linux/arm64'], ...set } },
        observer: (event) => events.push(event),
        clock,
        ...more
      })
    )
  }

  const sbomOf = (subject: Digest): Digest =>
    parent.putReferrer('samples/app', subject, Buffer.from(`sbom of ${subject}`), 'application/vnd.cyclonedx+json')
  const fallbackOf = (subject: Digest): Tag => parseTag(`sha256-${hexOf(subject)}`)
  const manifestsHere = (): Digest[] => [...(content.repositories.get(app)?.manifests.keys() ?? [])].sort()
  const tagsHere = (): string[] => [...(content.repositories.get(app)?.tags.keys() ?? [])].sort()
  const asked = (...subjects: Digest[]): string[] =>
    subjects.flatMap((subject) => parent.requests.filter((request) => request.includes(subject.slice(7))))

  it('comes with the platforms that are wanted, and what refers to that too; nobody asks for the others', async () => {
    const sbom = sbomOf(arm)
    const signature = parent.putReferrer('samples/app', sbom, Buffer.from('signature of the SBOM'))
    sbomOf(amd)
    assert.equal((await pass()).succeeded, true)
    assert.deepEqual(manifestsHere(), [index, arm, sbom, signature].sort())
    assert.deepEqual(asked(amd), [])
    const last = content.changes.filter((change) => change.kind !== 'setState').at(-1)
    assert.equal(last?.kind === 'setTag' ? last.tag : '', '1.0', 'the tag moves last')
  })

  it('counts among the image’s bytes, and has to be here before the image is ready', async () => {
    const sbom = sbomOf(arm)
    parent.trouble = (request) => (request.includes(sbom) ? fault('PARENT_FAILED') : undefined)
    const work = pass()
    await clock.advance(60_000)
    assert.equal((await work).succeeded, false)
    assert.deepEqual(tagsHere(), [])
    parent.trouble = () => undefined
    assert.equal((await pass()).succeeded, true)
    const ready = events.flatMap((event) => (event.kind === 'image' && event.image.state === 'ready' ? [event] : []))
    assert.equal(ready[0]?.image.bytesTotal, parent.blobBytes(arm, sbom))
  })

  it('comes by fallback tags where the parent has no API, which is asked for it once for the whole index', async () => {
    parent.hasReferrers = false
    for (const subject of [arm, amd]) parent.putIndex(`samples/app:${fallbackOf(subject)}`, [sbomOf(subject)])
    assert.equal((await pass()).succeeded, true)
    assert.deepEqual(tagsHere(), ['1.0', fallbackOf(arm)])
    assert.equal(manifestsHere().length, 4)
    assert.deepEqual(
      parent.requests.filter((request) => request.startsWith('REFERRERS')),
      [`REFERRERS samples/app@${index}`]
    )
    assert.deepEqual(asked(amd), [])
  })

  it('comes by cosign’s tags too in a repository that is listed', async () => {
    const tag = parseTag(`${fallbackOf(arm)}.sig`)
    parent.put(`samples/app:${tag}`, [Buffer.from('cosign sign --recursive')])
    await pass()
    assert.deepEqual(tagsHere(), ['1.0'])
    content = new MemoryContent()
    await pass({ repositories: ['samples/app'] })
    assert.deepEqual(tagsHere(), ['1.0', tag])
  })

  for (const hasReferrers of [true, false])
    it(`costs a request for each wanted platform when it is the image’s turn, ${hasReferrers ? 'with' : 'without'} the API`, async () => {
      parent.hasReferrers = hasReferrers
      await pass()
      await pass()
      assert.deepEqual(parent.requests, ['HEAD samples/app:1.0'])
      await pass({}, { looksForReferrers: () => true })
      assert.deepEqual(asked(arm), [
        hasReferrers ? `REFERRERS samples/app@${arm}` : `HEAD samples/app:${fallbackOf(arm)}`
      ])
      assert.deepEqual(asked(amd), [])
      await pass({ platforms: undefined })
      await pass({ platforms: undefined }, { looksForReferrers: () => true })
      assert.deepEqual([asked(arm).length, asked(amd).length], [1, 1])
      await pass({}, { looksForReferrers: () => true })
      assert.deepEqual(asked(amd), [], 'it is here still, and nobody wants it')
      await pass({ platforms: undefined, referrers: false }, { looksForReferrers: () => true })
      assert.deepEqual(parent.requests, ['HEAD samples/app:1.0'])
    })

  it('comes to an image that is here when it was attached later', async () => {
    await pass()
    const sbom = sbomOf(arm)
    parent.served.clear()
    assert.equal((await pass({}, { looksForReferrers: () => true })).succeeded, true)
    assert.deepEqual(manifestsHere(), [index, arm, sbom].sort())
    assert.equal(parent.totalServed(), parent.blobBytes(sbom))
    const before = content.changes.length
    await pass({}, { looksForReferrers: () => true })
    assert.equal(content.changes.length, before, 'nothing to change the next time')
  })

  it('stays where deletions are mirrored, and goes with the last image that has the platform', async () => {
    parent.hasReferrers = false
    const beside = fallbackOf(arm)
    parent.putIndex(`samples/app:${beside}`, [sbomOf(arm)])
    parent.putIndex('samples/app:2.0', [arm], () => ({ platform: { os: 'linux', architecture: 'arm64' } }))
    const mirror = { repositories: ['samples/app'], deletions: 'mirror' } as const
    await pass(mirror)
    await pass(mirror, { cleanUp: true, looksForReferrers: () => true })
    assert.deepEqual(tagsHere(), ['1.0', '2.0', beside])
    parent.tagsOf.get(app)?.delete(parseTag('1.0'))
    await pass(mirror)
    assert.deepEqual(tagsHere(), ['2.0', beside])
    parent.tagsOf.get(app)?.delete(parseTag('2.0'))
    await pass(mirror)
    assert.deepEqual(tagsHere(), [])
  })
})
