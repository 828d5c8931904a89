import assert from 'node:assert/strict'
import { digestOf, hexOf, type Digest } from '../oci/digest.ts'
import { parseRepository, parseTag, type Tag } from '../oci/name.ts'
import type { ImageStatus, SyncEvent } from './events.ts'
import { runPass, surveyImages, type PassOptions, type PassOutcome } from './pass.ts'
import type { ImageSet } from './plan.ts'
import { cosignFixture } from './testing/cosign-fixture.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'
import { passOptions } from './testing/pass-options.ts'

const { attestationManifest, blobs, bundleManifest, digest, image, otherPublicKey, publicKey, simpleManifest } =
  cosignFixture
const app = parseRepository('plant/app')
const tag = parseTag('1.0')
const layer = digestOf(Buffer.from('a layer'))

describe('sync: images that must be signed', () => {
  let parent: FakeParent
  let content: MemoryContent
  let events: SyncEvent[]

  beforeEach(() => {
    parent = new FakeParent()
    content = new MemoryContent()
    events = []
    for (const blob of blobs) parent.add(Buffer.from(blob))
    put(tag, image)
  })

  function put(name: string, manifest: string): Digest {
    const added = digestOf(parent.add(Buffer.from(manifest)))
    const tags = parent.tagsOf.get(app) ?? new Map<Tag, Digest>()
    parent.tagsOf.set(app, tags.set(parseTag(name), added))
    return added
  }

  function optionsFor(publicKeys: readonly string[] | undefined, more: Partial<ImageSet> = {}): PassOptions {
    const clock = new FakeClock('2026-11-21T00:00:00Z')
    const signature = publicKeys === undefined ? {} : { signature: { cosign: { publicKeys } } }
    return passOptions({
      content,
      parent,
      imageSets: { signed: { repositories: ['plant/app:1.0'], priority: 100, ...signature, ...more } },
      observer: (event) => events.push(event),
      clock
    })
  }

  async function pass(publicKeys: readonly string[] | undefined, more: Partial<ImageSet> = {}): Promise<PassOutcome> {
    events = []
    parent.requests.length = 0
    return runPass(optionsFor(publicKeys, more))
  }

  const last = (): ImageStatus =>
    events.flatMap((event) => (event.kind === 'image' ? [event.image] : [])).at(-1) ?? assert.fail()
  const here = (): Promise<Digest | undefined> => content.index.tag(app, tag)

  it('stay in quarantine unsigned, with no layer paid for, until the parent has a signature', async () => {
    assert.equal((await pass([publicKey])).succeeded, false)
    assert.deepEqual([last().state, last().code, last().digest], ['failed', 'SIGNATURE_MISSING', digest])
    assert.match(last().reason ?? '', /quarantine.*cosign sign/)
    assert.equal(await here(), undefined)
    assert.equal(content.repositories.get(app)?.manifests.has(digest) ?? false, false)
    assert.equal(parent.served.get(layer), undefined)
    await pass([publicKey])
    assert.deepEqual(
      events.flatMap((event) => (event.kind === 'image' ? [event.image.state] : [])),
      ['failed'],
      'it does not leave quarantine for the time of a pass'
    )
    parent.add(Buffer.from(bundleManifest))
    assert.equal((await pass([publicKey])).succeeded, true)
    assert.deepEqual([last().state, last().code], ['ready', undefined])
    assert.equal(await here(), digest)
  })

  for (const type of ['application/x-scan', 'application/vnd.dev.sigstore.bundle.v0.3+json'])
    it(`are found signed among hundreds of others (${type})`, async () => {
      for (let scan = 0; scan < 120; scan += 1) parent.putReferrer(app, digest, Buffer.from(`scan ${scan}`), type)
      const signature = digestOf(parent.add(Buffer.from(bundleManifest)))
      assert.equal((await pass([publicKey])).succeeded, true)
      assert.equal(await here(), digest)
      assert.equal(content.repositories.get(app)?.manifests.has(signature), true)
    })

  it('are ready by the older kind of signature, which stands under a tag', async () => {
    put(`sha256-${hexOf(digest)}.sig`, simpleManifest)
    parent.hasReferrers = false
    assert.equal((await pass([publicKey])).succeeded, true)
    assert.equal(await here(), digest)
  })

  it('are not ready by another key, nor by an attestation', async () => {
    parent.add(Buffer.from(attestationManifest))
    await pass([publicKey])
    assert.equal(last().code, 'SIGNATURE_INVALID')
    parent.add(Buffer.from(bundleManifest))
    await pass([otherPublicKey])
    assert.equal(last().code, 'SIGNATURE_INVALID')
    assert.match(last().reason ?? '', /of 2 signatures none holds/)
    assert.equal(await here(), undefined)
  })

  it('are not signed by what signs one of their platforms, which is not asked about before they are', async () => {
    parent.add(Buffer.from(image))
    parent.add(Buffer.from(bundleManifest))
    parent.putIndex('plant/app:1.0', [digest])
    await pass([publicKey])
    assert.equal(last().code, 'SIGNATURE_MISSING')
    assert.ok(!parent.requests.includes(`REFERRERS plant/app@${digest}`))
  })

  it('meet the demands of every set that wants them', async () => {
    parent.add(Buffer.from(bundleManifest))
    const set = { repositories: ['plant/app:1.0'], priority: 100 }
    const both = (second: string): PassOptions => ({
      ...optionsFor([publicKey]),
      imageSets: {
        one: { ...set, signature: { cosign: { publicKeys: [publicKey] } } },
        none: set,
        other: { ...set, signature: { cosign: { publicKeys: [second, otherPublicKey] } } }
      }
    })
    await runPass(both(otherPublicKey))
    assert.equal(last().code, 'SIGNATURE_INVALID')
    await runPass(both(publicKey))
    assert.equal(last().state, 'ready')
  })

  it('cost nothing more once they are verified, also offline and after a restart', async () => {
    parent.add(Buffer.from(bundleManifest))
    await pass([publicKey])
    await pass([publicKey])
    assert.deepEqual(parent.requests, ['HEAD plant/app:1.0'])
    await surveyImages(optionsFor([publicKey]), undefined)
    const planned = events.flatMap((event) => (event.kind === 'planned' ? event.images : [])).at(-1)
    assert.equal(planned?.state, 'ready')
  })

  it('leave the older one served where the tag moves to one that is not signed', async () => {
    parent.add(Buffer.from(bundleManifest))
    await pass([publicKey])
    const newer = parent.put('plant/app:1.0', [100])
    await pass([publicKey])
    assert.deepEqual([last().state, last().digest], ['failed', newer])
    assert.match(last().reason ?? '', new RegExp(`${digest} is still served`))
    assert.equal(await here(), digest)
  })

  it('are looked at anew under other keys: what was served stays, and is told as not signed', async () => {
    await pass(undefined, { referrers: false })
    assert.equal(await here(), digest)
    await surveyImages(optionsFor([publicKey]), undefined)
    assert.deepEqual(
      events
        .flatMap((event) => (event.kind === 'planned' ? event.images : []))
        .map(({ state, reason }) => [state, reason]),
      [['pending', 'its signature is yet to be verified']]
    )
    await pass([publicKey])
    assert.equal(last().code, 'SIGNATURE_MISSING')
    assert.match(last().reason ?? '', /is still served/)
    parent.add(Buffer.from(bundleManifest))
    await pass([publicKey])
    assert.equal(last().state, 'ready')
    assert.equal(parent.served.get(layer), 'a layer'.length, 'nothing is paid for twice')
    await pass([otherPublicKey])
    assert.equal(last().code, 'SIGNATURE_INVALID')
  })
})
