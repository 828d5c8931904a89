import assert from 'node:assert/strict'
import { LineLog } from '../log/log.ts'
import { digestOf, hexOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag, type Repository } from '../oci/name.ts'
import { Allowance } from './allowance.ts'
import type { SyncEvent } from './events.ts'
import { runPass, type PassOptions, type PassOutcome } from './pass.ts'
import type { ImageSet } from './plan.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { fault, FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'
import { passOptions } from './testing/pass-options.ts'
import { WaitedFor } from './waited-for.ts'

const app = parseRepository('samples/app')

describe('sync: image sets', () => {
  let parent: FakeParent
  let content: MemoryContent
  let events: SyncEvent[]
  let clock: FakeClock

  beforeEach(() => {
    parent = new FakeParent()
    content = new MemoryContent()
    events = []
    clock = new FakeClock('2026-11-21T00:00:00Z')
  })

  function pass(
    imageSets: Readonly<Record<string, Partial<ImageSet> & Pick<ImageSet, 'repositories'>>>,
    more: Partial<PassOptions> = {}
  ): Promise<PassOutcome> {
    return runPass(
      passOptions({
        content,
        parent,
        imageSets: Object.fromEntries(
          Object.entries(imageSets).map(([name, set]) => [name, { priority: 100, referrers: false, ...set }])
        ),
        observer: (event) => events.push(event),
        clock,
        ...more
      })
    )
  }

  const tagsHere = (repository: Repository = app): string[] =>
    [...(content.repositories.get(repository)?.tags.keys() ?? [])].sort()
  const manifestsHere = (repository: Repository = app): string[] => [
    ...(content.repositories.get(repository)?.manifests.keys() ?? [])
  ]
  /** In the order in which they became ready. */
  const readyOrder = (): string[] =>
    events.flatMap((event) => (event.kind === 'image' && event.image.state === 'ready' ? [event.image.image] : []))

  describe('tags', () => {
    it('brings the newest of a range, and with mirror takes away what is no longer among them', async () => {
      for (const tag of ['1.0.0', '1.1.0', '1.2.0', '2.0.0']) parent.put(`samples/app:${tag}`, [100])
      const set = {
        repositories: [{ repository: 'samples/app', semver: '^1.0.0', newest: 2 }],
        deletions: 'mirror'
      } as const
      await pass({ a: set })
      assert.deepEqual(tagsHere(), ['1.1.0', '1.2.0'])
      parent.put('samples/app:1.3.0', [100])
      await pass({ a: set })
      assert.deepEqual(tagsHere(), ['1.2.0', '1.3.0'])
      const removed = events.filter((event) => event.kind === 'removed')
      assert.deepEqual(
        removed.map(({ image }) => image),
        ['samples/app:1.1.0']
      )
    })

    it('brings two tags of one image with one fetch of its manifest', async () => {
      const digest = parent.put('samples/app:1.0', [100])
      parent.tagsOf.get(app)?.set(parseTag('latest'), digest)
      assert.equal((await pass({ a: { repositories: ['samples/app'] } })).succeeded, true)
      assert.deepEqual(tagsHere(), ['1.0', 'latest'])
      assert.equal(parent.requests.filter((request) => request.startsWith('MANIFEST')).length, 1)
    })
  })

  describe('platforms', () => {
    const described =
      (platforms: ReadonlyMap<Digest, string>) =>
      (digest: Digest): object => {
        const [os, architecture, variant] = (platforms.get(digest) ?? '').split('/')
        return { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } }
      }

    it('keeps those that are asked for, the index byte for byte, and brings others when they are asked for', async () => {
      const amd = parent.put('samples/app', [4000], { for: 'amd64' })
      const arm = parent.put('samples/app', [5000], { for: 'arm64' })
      const arm7 = parent.put('samples/app', [6000], { for: 'arm' })
      const platforms = new Map([
        [amd, 'linux/amd64'],
        [arm, 'linux/arm64/v8'],
        [arm7, 'linux/arm/v7']
      ])
      const index = parent.putIndex('samples/app:1.0', [amd, arm, arm7], described(platforms))
      const repositories = ['samples/app:1.0']
      assert.equal((await pass({ a: { repositories, platforms: ['linux/arm64'] } })).succeeded, true)
      assert.deepEqual(manifestsHere(), [arm, index])
      assert.deepEqual(content.held.get(index), parent.content.get(index))
      assert.equal(parent.totalServed(), parent.blobBytes(arm))
      parent.requests.length = 0
      await pass({ a: { repositories, platforms: ['linux/arm64/v8'] } })
      assert.deepEqual(parent.requests, ['HEAD samples/app:1.0'], 'what is kept is whole')
      const more = { a: { repositories, platforms: ['linux/arm64'] }, b: { repositories, platforms: ['linux/arm'] } }
      await pass(more)
      assert.deepEqual(manifestsHere().sort(), [arm, arm7, index].sort())
      assert.equal(parent.totalServed(), parent.blobBytes(arm) + parent.blobBytes(arm7))
      await pass({ ...more, c: { repositories } })
      assert.equal(manifestsHere().includes(amd), true, 'one set that wants everything is enough')
    })

    it('keeps the attestations of what it keeps, and says which platforms there are where none fits', async () => {
      const amd = parent.put('samples/app', [4000], { for: 'amd64' })
      const arm = parent.put('samples/app', [5000], { for: 'arm64' })
      const [ofAmd, ofArm] = [parent.put('samples/app', [10]), parent.put('samples/app', [20])]
      const more = new Map<Digest, object>([
        [amd, { platform: { os: 'linux', architecture: 'amd64' } }],
        [arm, { platform: { os: 'linux', architecture: 'arm64' } }],
        [ofAmd, attestation(amd)],
        [ofArm, attestation(arm)]
      ])
      const index = parent.putIndex('samples/app:1.0', [...more.keys()], (digest) => more.get(digest) ?? {})
      const repositories = ['samples/app:1.0']
      await pass({ a: { repositories, platforms: ['linux/amd64'] } })
      assert.deepEqual(manifestsHere(), [amd, ofAmd, index])
      content.repositories.clear()
      assert.equal((await pass({ a: { repositories, platforms: ['windows/amd64'] } })).succeeded, false)
      const failed = events.findLast((event) => event.kind === 'image')
      assert.match(
        failed?.image.reason ?? '',
        /none of the platforms windows\/amd64: it has linux\/amd64, linux\/arm64/
      )
    })

    it('takes one that is there though an index within the index has others, and fails where nothing is left', async () => {
      const amd = parent.put('samples/app', [4000], { for: 'amd64' })
      const arm = parent.put('samples/app', [5000], { for: 'arm64' })
      const platforms = new Map([
        [amd, 'linux/amd64'],
        [arm, 'linux/arm64']
      ])
      const inner = parent.putIndex('samples/app', [arm], described(platforms))
      const more = (digest: Digest): object =>
        digest === inner ? { mediaType: mediaTypes.ociIndex } : described(platforms)(digest)
      const index = parent.putIndex('samples/app:1.0', [amd, inner], more)
      parent.putIndex('samples/app:2.0', [inner], more)
      const set = (tag: string) => ({ a: { repositories: [`samples/app:${tag}`], platforms: ['linux/amd64'] } })
      assert.equal((await pass(set('1.0'))).succeeded, true)
      assert.deepEqual(manifestsHere(), [amd, inner, index])
      assert.equal(parent.totalServed(), parent.blobBytes(amd))
      parent.requests.length = 0
      await pass(set('1.0'))
      assert.deepEqual(parent.requests, ['HEAD samples/app:1.0'], 'what is kept is whole')
      assert.equal((await pass(set('2.0'))).succeeded, false)
      const failed = events.findLast((event) => event.kind === 'image')
      assert.match(failed?.image.reason ?? '', /none of the platforms linux\/amd64: it has others/)
    })

    function attestation(digest: Digest): object {
      return {
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': digest }
      }
    }
  })

  describe('order', () => {
    it('goes by priority, then by what lacks least', async () => {
      parent.pieceBytes = 1000
      parent.put('samples/app:large', [50_000])
      parent.put('samples/app:small', [2000])
      parent.put('samples/app:middle', [20_000])
      parent.put('tools:first', [90_000])
      await pass({
        usual: { repositories: ['samples/app:large', 'samples/app:small', 'samples/app:middle'] },
        urgent: { repositories: ['tools:first'], priority: 1 }
      })
      assert.deepEqual(readyOrder(), ['tools:first', 'samples/app:small', 'samples/app:middle', 'samples/app:large'])
    })

    it('moves up what somebody waits for, by tag and by digest, while others are on their way', async () => {
      const layers = [200, 200, 200, 200, 200, 200]
      parent.put('samples/app:1.0', layers)
      const waited = Buffer.alloc(5000, 'w')
      parent.put('tools:1', [waited])
      parent.put('tools:2', [6000])
      const waitedFor = new WaitedFor()
      waitedFor.add({ repository: parseRepository('tools'), reference: '2' })
      let told = false
      parent.onPiece = (_blob, _offset, piece) => {
        if (!told) waitedFor.add({ repository: parseRepository('elsewhere'), reference: '1' })
        told = true
        return piece
      }
      await pass(
        { a: { repositories: ['samples/app:1.0'] }, z: { repositories: ['tools:1', 'tools:2'], priority: 900 } },
        { waitedFor }
      )
      assert.deepEqual(readyOrder()[0], 'tools:2')
      content = new MemoryContent()
      events = []
      const byDigest = new WaitedFor()
      byDigest.add({ repository: parseRepository('tools'), reference: digestOf(waited) })
      await pass({ a: { repositories: ['tools:2', 'tools:1', 'samples/app:1.0'] } }, { waitedFor: byDigest })
      assert.equal(readyOrder().indexOf('tools:1') < readyOrder().indexOf('tools:2'), true)
    })

    /** Holds back the tag list of a repository, until it is let go. */
    function holdBack(held: string): () => void {
      const gate = Promise.withResolvers<undefined>()
      const tags = parent.tags.bind(parent)
      parent.tags = async function* (repository) {
        if (repository === held) await gate.promise
        yield* tags(repository)
      }
      return () => gate.resolve(undefined)
    }
    const until = async (isSo: () => boolean): Promise<void> => {
      for (let turn = 0; !isSo(); turn += 1) {
        assert.ok(turn < 100_000, `not so far: ${readyOrder().join(', ')}`)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }

    it('keeps nothing waiting for the list of what is less urgent, or of the same priority', async () => {
      for (const name of ['samples/app:1', 'tools:1', 'plant/same:1', 'plant/late:1', 'quick:1'])
        parent.put(name, [100])
      const open = holdBack('samples/app')
      const work = pass({
        listed: { repositories: ['samples/app', 'quick'], priority: 5 },
        first: { repositories: ['tools:1'], priority: 1 },
        same: { repositories: ['plant/same:1'], priority: 5 },
        late: { repositories: ['plant/late:1'], priority: 9 }
      })
      await until(() => readyOrder().length === 2 && parent.requests.includes('TAGS quick'))
      assert.deepEqual(readyOrder(), ['tools:1', 'plant/same:1'])
      open()
      assert.equal((await work).succeeded, true)
      assert.deepEqual(readyOrder().slice(0, 2), ['tools:1', 'plant/same:1'])
      assert.deepEqual(readyOrder().slice(2, 4).sort(), ['quick:1', 'samples/app:1'])
      assert.deepEqual(readyOrder().slice(4), ['plant/late:1'])
    })

    it('brings what somebody waits for, whatever list is yet to come', async () => {
      for (const name of ['samples/app:1', 'plant/late:1']) parent.put(name, [100])
      const open = holdBack('samples/app')
      const waitedFor = new WaitedFor()
      const sets = { a: { repositories: ['samples/app'] }, z: { repositories: ['plant/late:1'], priority: 900 } }
      const work = pass(sets, { waitedFor })
      waitedFor.add({ repository: parseRepository('plant/late'), reference: '1' })
      await until(() => readyOrder().length === 1)
      assert.deepEqual(readyOrder(), ['plant/late:1'])
      open()
      assert.equal((await work).succeeded, true)
    })

    it('ends with a list that cannot be had of any parent, when what was under way has let go of its files', async () => {
      const layer = Buffer.alloc(50_000, 'x')
      parent.put('tools:1', [layer])
      parent.put('samples/app:1', [100])
      const open = holdBack('samples/app')
      parent.onPiece = (_blob, offset, piece, signal) => {
        if (offset < 20_000) return piece
        parent.trouble = (request) => (request.startsWith('TAGS') ? fault('PARENT_UNAUTHORIZED') : undefined)
        open()
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        )
      }
      const sets = { first: { repositories: ['tools:1'], priority: 1 }, listed: { repositories: ['samples/app'] } }
      const outcome = await pass(sets)
      assert.deepEqual([outcome.succeeded, outcome.retry], [false, { soon: false }])
      parent.trouble = () => undefined
      parent.onPiece = (_blob, _offset, piece) => piece
      parent.served.clear()
      assert.equal((await pass(sets)).succeeded, true)
      assert.equal(parent.served.get(digestOf(layer)), 30_000)
    })

    it('does not let large layers that are under way hold it up', async () => {
      const gate = Promise.withResolvers<undefined>()
      parent.put('samples/app:1.0', [30_000, 30_000, 30_000, 30_000])
      parent.put('tools:1', [100])
      const waitedFor = new WaitedFor()
      let large = 0
      parent.onPiece = async (_blob, _offset, piece) => {
        if (piece.byteLength !== 1000) return piece
        large += 1
        if (large === 3) waitedFor.add({ repository: parseRepository('tools'), reference: '1' })
        await gate.promise
        return piece
      }
      const work = pass(
        { a: { repositories: ['samples/app:1.0'] }, z: { repositories: ['tools:1'], priority: 900 } },
        { waitedFor }
      )
      while (!readyOrder().includes('tools:1')) await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(readyOrder(), ['tools:1'])
      gate.resolve(undefined)
      assert.equal((await work).succeeded, true)
    })
  })

  describe('referrers', () => {
    const sets = { a: { repositories: ['samples/app:1.0'], referrers: true } }

    it('come with the image, by the API, and what refers to them too', async () => {
      const image = parent.put('samples/app:1.0', [5000])
      const sbom = parent.putReferrer('samples/app', image, Buffer.from('sbom'), 'application/spdx+json')
      const signature = parent.putReferrer('samples/app', sbom, Buffer.from('signature of the SBOM'))
      assert.equal((await pass(sets)).succeeded, true)
      assert.deepEqual(manifestsHere(), [image, sbom, signature])
      const put = content.changes.find((change) => change.kind === 'putManifest' && change.digest === sbom)
      assert.ok(put?.kind === 'putManifest')
      assert.deepEqual([put.subject, put.artifactType], [image, 'application/spdx+json'])
      assert.deepEqual(tagsHere(), ['1.0'])
      const last = content.changes.filter((change) => change.kind !== 'setState').at(-1)
      assert.equal(last?.kind === 'setTag' ? last.tag : '', '1.0', 'the tag moves last')
    })

    it('come with signatures first where there are too many, and say how many stay away', async () => {
      const image = parent.put('samples/app:1.0', [10])
      const scans = Array.from({ length: 102 }, (_, day) =>
        parent.putReferrer('samples/app', image, Buffer.from(`scan ${day}`), 'application/x-scan')
      )
      const signature = parent.putReferrer(
        'samples/app',
        image,
        Buffer.from('signed'),
        'application/vnd.cncf.notary.signature'
      )
      const lines: string[] = []
      assert.equal((await pass(sets, { log: new LineLog((line) => lines.push(line)) })).succeeded, true)
      assert.deepEqual(manifestsHere(), [image, signature, ...scans.slice(0, 99)])
      const told = lines.filter((line) => line.includes('signatures come first'))
      assert.equal(told.length, 1)
      assert.match(told[0] ?? '', /referrers=103 brought=100/)
    })

    it('come by fallback tags and cosign’s where the parent has no API, with the tags', async () => {
      parent.hasReferrers = false
      const image = parent.put('samples/app:1.0', [5000])
      const base = `sha256-${hexOf(image)}`
      const notation = parent.putReferrer('samples/app', image, Buffer.from('notation'))
      const fallback = parent.putIndex(`samples/app:${base}`, [notation])
      const cosign = parent.put(`samples/app:${base}.sig`, [Buffer.from('cosign')])
      assert.equal((await pass(sets)).succeeded, true)
      assert.deepEqual(manifestsHere(), [image, notation, fallback, cosign])
      assert.deepEqual(tagsHere(), ['1.0', base, `${base}.sig`])
      content = new MemoryContent()
      parent.requests.length = 0
      await pass({ a: { repositories: ['samples/app'], referrers: true } })
      assert.deepEqual(tagsHere(), ['1.0', base, `${base}.sig`])
      const heads = parent.requests.filter((request) => request.startsWith('HEAD'))
      assert.deepEqual(heads.length, 3, 'a listed repository is not asked for tags that it lacks')
    })

    it('stay away where the set does not want them, and are no images of their own', async () => {
      parent.hasReferrers = false
      const image = parent.put('samples/app:1.0', [5000])
      parent.put(`samples/app:sha256-${hexOf(image)}.sig`, [100])
      await pass({ a: { repositories: ['samples/app'] } })
      assert.deepEqual(tagsHere(), ['1.0'])
      assert.ok(!parent.requests.some((request) => request.startsWith('REFERRERS')))
    })

    it('are looked for again when it is an image’s turn, and come to an image that is here', async () => {
      const image = parent.put('samples/app:1.0', [5000])
      await pass(sets)
      const signature = parent.putReferrer('samples/app', image, Buffer.from('signed later'))
      parent.requests.length = 0
      await pass(sets)
      assert.deepEqual(parent.requests, ['HEAD samples/app:1.0'])
      parent.served.clear()
      assert.equal((await pass(sets, { looksForReferrers: () => true })).succeeded, true)
      assert.deepEqual(manifestsHere(), [image, signature])
      assert.equal(parent.totalServed(), Buffer.byteLength('signed later') + 2)
      const before = content.changes.length
      await pass(sets, { looksForReferrers: () => true })
      assert.equal(content.changes.length, before, 'nothing to change the next time')
    })

    it('do not keep the image away where they cannot be had, unless that may pass', async () => {
      const image = parent.put('samples/app:1.0', [5000])
      const broken = parent.putReferrer('samples/app', image, Buffer.from('never pushed'))
      parent.content.delete(broken)
      parent.trouble = (request) => (request.startsWith('REFERRERS') ? fault('PARENT_DENIED') : undefined)
      assert.equal((await pass(sets)).succeeded, true)
      assert.deepEqual(manifestsHere(), [image])
      content = new MemoryContent()
      parent.trouble = (request) => (request.startsWith('REFERRERS') ? fault('PARENT_FAILED') : undefined)
      const work = pass(sets)
      await clock.advance(60_000)
      assert.deepEqual((await work).retry, { soon: true })
      assert.deepEqual(tagsHere(), [])
    })
  })

  describe('deletions', () => {
    it('are kept by default, and mirrored where the set says so', async () => {
      const image = parent.put('samples/app:1.0', [100])
      parent.put('samples/app:2.0', [200])
      parent.put('tools:1', [300])
      parent.hasReferrers = false
      parent.put(`samples/app:sha256-${hexOf(image)}.sig`, [10])
      const sets = (deletions: 'keep' | 'mirror') => ({
        a: { repositories: ['samples/app'], deletions, referrers: true },
        b: { repositories: ['tools:1'], deletions }
      })
      await pass(sets('keep'))
      parent.tagsOf.get(app)?.delete(parseTag('1.0'))
      parent.tagsOf.get(parseRepository('tools'))?.clear()
      await pass(sets('keep'))
      assert.deepEqual(tagsHere(), ['1.0', '2.0', `sha256-${hexOf(image)}.sig`])
      assert.deepEqual(tagsHere(parseRepository('tools')), ['1'])
      await pass(sets('mirror'))
      assert.deepEqual(tagsHere(), ['2.0'], 'its signature goes with it')
      assert.deepEqual(tagsHere(parseRepository('tools')), [])
    })

    it('leave what another set keeps, and what was pushed here under another tag', async () => {
      parent.put('samples/app:1.0', [100])
      parent.put('samples/app:v2', [100])
      await pass({ a: { repositories: ['samples/app'] } })
      parent.tagsOf.get(app)?.clear()
      await pass({
        a: { repositories: ['samples/app:1.*'], deletions: 'mirror' },
        b: { repositories: ['samples/app'] }
      })
      assert.deepEqual(tagsHere(), ['1.0', 'v2'])
      await pass({ a: { repositories: ['samples/app:1.*'], deletions: 'mirror' } })
      assert.deepEqual(tagsHere(), ['v2'])
    })

    it('follow a repository that was deleted, and not one that cannot be listed', async () => {
      parent.put('samples/app:1.0', [100])
      const sets = { a: { repositories: ['samples/app'], deletions: 'mirror' as const } }
      await pass(sets)
      parent.trouble = (request) => (request.startsWith('TAGS') ? fault('PARENT_DENIED') : undefined)
      await pass(sets)
      assert.deepEqual(tagsHere(), ['1.0'])
      parent.trouble = (request) => (request.startsWith('TAGS') ? fault('PARENT_NOT_FOUND') : undefined)
      await pass(sets)
      assert.deepEqual(tagsHere(), [])
    })

    it('are none where the parent is not complete itself', async () => {
      for (const name of ['samples/app:1.0', 'samples/app:2.0', 'tools:1', 'exact:1']) parent.put(name, [100])
      const sets = { a: { repositories: ['samples/app', 'tools', 'exact:1'], deletions: 'mirror' as const } }
      await pass(sets)
      for (const tags of parent.tagsOf.values()) for (const gone of ['1.0', '1']) tags.delete(parseTag(gone))
      parent.incomplete = true
      parent.trouble = (request) => (request === 'TAGS tools' ? fault('PARENT_NOT_FOUND') : undefined)
      assert.equal((await pass(sets)).parentIsIncomplete, true)
      assert.deepEqual(tagsHere(), ['1.0', '2.0'])
      for (const name of ['tools', 'exact']) assert.deepEqual(tagsHere(parseRepository(name)), ['1'])
      parent.incomplete = false
      assert.equal((await pass(sets)).parentIsIncomplete, undefined)
      assert.deepEqual(tagsHere(), ['2.0'])
      for (const name of ['tools', 'exact']) assert.deepEqual(tagsHere(parseRepository(name)), [])
    })

    it('are not believed of a HEAD that GET contradicts', async () => {
      parent.put('samples/app:1.0', [100])
      const sets = { a: { repositories: ['samples/app:1.0'], deletions: 'mirror' as const } }
      await pass(sets)
      parent.trouble = (request) => (request.startsWith('HEAD') ? fault('PARENT_NOT_FOUND') : undefined)
      await pass(sets)
      assert.deepEqual(tagsHere(), ['1.0'])
      parent.trouble = (request) => (/^(HEAD|MANIFEST)/.test(request) ? fault('PARENT_NOT_FOUND') : undefined)
      await pass(sets)
      assert.deepEqual(tagsHere(), [])
    })

    it('clean up repositories only when told to, and only those that sync brought', async () => {
      parent.put('samples/app:1.0', [100])
      parent.put('tools:1', [300])
      await pass({ a: { repositories: ['samples/app:1.0', 'tools:1'] } })
      const pushed = parseRepository('pushed/here')
      content.repositories.set(pushed, { tags: new Map(), manifests: new Map(), blobs: new Set() })
      const fewer = { a: { repositories: ['samples/app:1.0'] } }
      await pass(fewer)
      assert.equal(content.repositories.has(parseRepository('tools')), true)
      await pass(fewer, { cleanUp: true })
      assert.deepEqual([...content.repositories.keys()].sort(), [pushed, app])
      assert.deepEqual(
        events.filter((event) => event.kind === 'removed').map(({ image }) => image),
        ['tools:1']
      )
      await pass({ a: { repositories: ['tools:1'] } })
      assert.deepEqual(tagsHere(parseRepository('tools')), ['1'], 'and bring them again')
    })
  })

  describe('budget', () => {
    it('holds an image in the middle of a blob, with the reason, and goes on from there the next day', async () => {
      const layer = Buffer.alloc(3_000_000, 'x')
      const digest = parent.put('samples/app:1.0', [layer])
      parent.put('tools:1', [500])
      parent.pieceBytes = 50_000
      const allowance = new Allowance(clock, content.index)
      allowance.configure(undefined, { bytesPerDay: 1_000_000 })
      const sets = { a: { repositories: ['samples/app:1.0'] }, z: { repositories: ['tools:1'], priority: 900 } }
      const outcome = await pass(sets, { allowance })
      assert.deepEqual([outcome.succeeded, outcome.retry, outcome.contentWorks], [false, undefined, true])
      const told = events.findLast((event) => event.kind === 'image' && event.image.image === 'samples/app:1.0')
      assert.ok(told?.kind === 'image')
      assert.equal(told.image.state, 'pending')
      assert.match(told.image.reason ?? '', /budget of 1000000 bytes for 2026-11-21 is spent/)
      assert.ok(!events.some((event) => event.kind === 'content' || (event.kind === 'parent' && !event.answers)))
      for (const day of [22, 23, 24]) {
        clock.jump(`2026-11-${day}T00:00:00Z`)
        await pass(sets, { allowance })
      }
      assert.equal(content.repositories.get(app)?.tags.get(parseTag('1.0')), digest)
      assert.equal(parent.served.get(digestOf(layer)), layer.byteLength, 'not a byte twice')
    })
  })
})
