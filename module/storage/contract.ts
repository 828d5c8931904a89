import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { digestOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import type { ManifestRecord, Storage } from './storage.ts'

/** One place that content can be kept in: opening it again finds what was there. */
export interface StorageUnderTest {
  open(): Promise<Storage>
  dispose(): Promise<void>
}

const app = parseRepository('samples/app')
const other = parseRepository('samples/other')
const tag = parseTag('1.0')

/** Puts bytes in as a blob. */
export async function putBlob(storage: Storage, bytes: Uint8Array, key = `put-${digestOf(bytes)}`): Promise<Digest> {
  const ingest = await storage.blobs.ingest(key)
  await ingest.append(bytes)
  await ingest.commit(digestOf(bytes))
  return digestOf(bytes)
}

/** Puts a small manifest's bytes in, and gives the record to put into a repository. */
export async function putManifestBytes(
  storage: Storage,
  text = randomBytes(8).toString('hex')
): Promise<ManifestRecord> {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, text }))
  return { digest: await putBlob(storage, bytes), mediaType: mediaTypes.ociManifest, size: bytes.length }
}

/** What every implementation of {@link Storage} must do, whatever it stands on. */
export function describeStorageContract(name: string, create: () => Promise<StorageUnderTest>): void {
  describe(`storage contract: ${name}`, () => {
    let place: StorageUnderTest
    let storage: Storage

    beforeEach(async () => {
      place = await create()
      storage = await place.open()
    })
    afterEach(async () => {
      await storage.close()
      await place.dispose()
    })
    const reopen = async (): Promise<void> => {
      await storage.close()
      storage = await place.open()
    }

    describe('blobs', () => {
      for (const size of [0, 1, 70_000, 256 * 1024, 256 * 1024 + 1, 3_000_000])
        it(`keeps ${size} bytes and gives them back whole`, async () => {
          const bytes = randomBytes(size)
          const ingest = await storage.blobs.ingest('upload')
          for (let at = 0; at < size; at += 65_537) await ingest.append(bytes.subarray(at, at + 65_537))
          assert.equal(ingest.offset, size)
          assert.deepEqual(await ingest.commit(digestOf(bytes)), { size })
          assert.equal(await storage.blobs.size(digestOf(bytes)), size)
          assert.ok((await buffer(await storage.blobs.read(digestOf(bytes)))).equals(bytes))
          assert.ok((await storage.blobs.bytes(digestOf(bytes))).equals(bytes))
        })

      it('verifies sha512 as well, whatever the key said', async () => {
        for (const bytes of [randomBytes(100), randomBytes(600_000)]) {
          const digest = digestOf(bytes, 'sha512')
          for (const key of ['upload', digest]) {
            const ingest = await storage.blobs.ingest(key)
            await ingest.append(bytes)
            await ingest.commit(digest)
            assert.equal(await storage.blobs.size(digest), bytes.length)
            await storage.blobs.remove(digest)
          }
        }
      })

      it('gives out a range, both ends inclusive', async () => {
        const bytes = randomBytes(1_500_000)
        const digest = await putBlob(storage, bytes)
        for (const [start, end] of [
          [0, 0],
          [10, 1_400_000],
          [1_499_999, 1_499_999]
        ] as const) {
          const part = await buffer(await storage.blobs.read(digest, { start, end }))
          assert.ok(part.equals(bytes.subarray(start, end + 1)))
        }
      })

      it('knows what is not there', async () => {
        const absent = digestOf('absent')
        assert.equal(await storage.blobs.size(absent), undefined)
        await assert.rejects(storage.blobs.read(absent), { code: 'BLOB_UNKNOWN' })
        await assert.rejects(storage.blobs.bytes(absent), { code: 'BLOB_UNKNOWN' })
        await storage.blobs.remove(absent)
      })

      it('refuses bytes that are others, and starts from nothing afterwards', async () => {
        for (const bytes of [randomBytes(500), randomBytes(700_000)]) {
          const ingest = await storage.blobs.ingest('upload')
          await ingest.append(bytes)
          await assert.rejects(ingest.commit(digestOf('something else')), { code: 'DIGEST_INVALID' })
          assert.equal(await storage.blobs.size(digestOf('something else')), undefined)
          const again = await storage.blobs.ingest('upload')
          assert.equal(again.offset, 0)
          await again.discard()
        }
      })

      it('goes on where a closed ingest stopped, and verifies the whole', async () => {
        for (const size of [1000, 900_000]) {
          const bytes = randomBytes(size)
          const half = size / 2
          const first = await storage.blobs.ingest('upload')
          await first.append(bytes.subarray(0, half))
          await first.flush()
          await first.close()
          await reopen()
          const second = await storage.blobs.ingest('upload')
          assert.equal(second.offset, half)
          await second.append(bytes.subarray(half))
          await second.commit(digestOf(bytes))
          assert.ok((await storage.blobs.bytes(digestOf(bytes))).equals(bytes))
        }
      })

      it('finds wrong bytes that an earlier holder left', async () => {
        const bytes = randomBytes(400_000)
        const first = await storage.blobs.ingest('upload')
        await first.append(randomBytes(200_000))
        await first.close()
        const second = await storage.blobs.ingest('upload')
        await second.append(bytes.subarray(200_000))
        await assert.rejects(second.commit(digestOf(bytes)), { code: 'DIGEST_INVALID' })
      })

      it('commits bytes that an earlier holder completed, without another append', async () => {
        const bytes = randomBytes(300_000)
        const first = await storage.blobs.ingest('upload')
        await first.append(bytes)
        await first.close()
        const second = await storage.blobs.ingest('upload')
        assert.deepEqual(await second.commit(digestOf(bytes)), { size: bytes.length })
      })

      it('goes back to nothing for a parent that cannot resume', async () => {
        for (const size of [10_000, 800_000]) {
          const bytes = randomBytes(size)
          const ingest = await storage.blobs.ingest('upload')
          await ingest.append(randomBytes(600_000))
          await ingest.restart()
          assert.equal(ingest.offset, 0)
          await ingest.append(bytes)
          await ingest.commit(digestOf(bytes))
          assert.ok((await storage.blobs.bytes(digestOf(bytes))).equals(bytes))
        }
      })

      it('has one holder of a partial file at a time', async () => {
        const first = await storage.blobs.ingest('upload')
        await assert.rejects(storage.blobs.ingest('upload'), { code: 'INGEST_BUSY' })
        const elsewhere = await storage.blobs.ingest('another')
        await first.close()
        await (await storage.blobs.ingest('upload')).discard()
        await elsewhere.discard()
      })

      it('keeps the order of calls that nobody waited for', async () => {
        const parts = Array.from({ length: 20 }, () => randomBytes(40_000))
        const ingest = await storage.blobs.ingest('upload')
        const appended = parts.map((part) => ingest.append(part))
        await ingest.commit(digestOf(Buffer.concat(parts)))
        await Promise.all(appended)
      })

      it('says so when a let-go ingest is used, and lets go twice without complaint', async () => {
        const ingest = await storage.blobs.ingest('upload')
        await ingest.close()
        await ingest.close()
        await ingest.discard()
        await assert.rejects(ingest.append(Buffer.from('x')), { code: 'CLOSED' })
      })

      it('forgets a discarded ingest', async () => {
        const ingest = await storage.blobs.ingest('upload')
        await ingest.append(Buffer.from('x'))
        await ingest.discard()
        const again = await storage.blobs.ingest('upload')
        assert.equal(again.offset, 0)
        await again.close()
      })

      it('takes a blob that is already here once more, and removes it', async () => {
        const bytes = randomBytes(1000)
        await putBlob(storage, bytes, 'a')
        await putBlob(storage, bytes, 'b')
        await storage.blobs.remove(digestOf(bytes))
        assert.equal(await storage.blobs.size(digestOf(bytes)), undefined)
      })

      it('takes keys that would be no file names', async () => {
        for (const key of ['../../etc/passwd', 'a/b\0c', 'x'.repeat(5000), '']) {
          const ingest = await storage.blobs.ingest(key)
          await ingest.append(Buffer.from(key))
          await ingest.close()
          const again = await storage.blobs.ingest(key)
          assert.equal(again.offset, Buffer.byteLength(key))
          await again.discard()
        }
      })

      it('reads a whole blob that is removed meanwhile', async () => {
        const bytes = randomBytes(2_000_000)
        const digest = await putBlob(storage, bytes)
        const stream = await storage.blobs.read(digest)
        await storage.blobs.remove(digest)
        assert.ok((await buffer(stream)).equals(bytes))
      })
    })

    describe('index', () => {
      it('knows nothing at first', async () => {
        assert.deepEqual(await storage.index.repositories(), [])
        assert.equal(await storage.index.tags(app), undefined)
        assert.equal(await storage.index.tag(app, tag), undefined)
        assert.equal(await storage.index.manifest(app, digestOf('x')), undefined)
        assert.equal(await storage.index.hasBlob(app, digestOf('x')), false)
        assert.equal(await storage.index.state('sync'), undefined)
      })

      it('keeps links, manifests, tags and state across a restart', async () => {
        const manifest = await putManifestBytes(storage)
        const layer = await putBlob(storage, Buffer.from('layer'))
        await storage.index.apply([
          { kind: 'linkBlob', repository: app, digest: layer },
          { kind: 'putManifest', repository: app, ...manifest },
          { kind: 'setTag', repository: app, tag, digest: manifest.digest },
          { kind: 'setState', key: 'sync', value: { at: 1, list: ['a'] } }
        ])
        for (const round of ['before', 'after']) {
          assert.deepEqual(await storage.index.repositories(), [app], round)
          assert.deepEqual(await storage.index.tags(app), [tag])
          assert.equal(await storage.index.tag(app, tag), manifest.digest)
          assert.deepEqual(await storage.index.manifest(app, manifest.digest), manifest)
          assert.equal(await storage.index.hasBlob(app, layer), true)
          assert.equal(await storage.index.hasBlob(other, layer), false)
          assert.deepEqual(await storage.index.state('sync'), { at: 1, list: ['a'] })
          if (round === 'before') await reopen()
        }
      })

      it('refuses a manifest or a link whose bytes are not here, and applies nothing of that call', async () => {
        const layer = await putBlob(storage, Buffer.from('layer'))
        const manifest = { digest: digestOf('absent'), mediaType: mediaTypes.ociManifest, size: 6 }
        await assert.rejects(
          storage.index.apply([
            { kind: 'linkBlob', repository: app, digest: layer },
            { kind: 'putManifest', repository: app, ...manifest }
          ]),
          { code: 'BLOB_ABSENT' }
        )
        await assert.rejects(
          storage.index.apply([
            { kind: 'linkBlob', repository: app, digest: layer },
            { kind: 'linkBlob', repository: app, digest: digestOf('absent') }
          ]),
          { code: 'BLOB_ABSENT' }
        )
        assert.deepEqual(await storage.index.repositories(), [])
      })

      it('refuses a tag on a manifest of another repository, and applies nothing of that call', async () => {
        const manifest = await putManifestBytes(storage)
        await storage.index.apply([{ kind: 'putManifest', repository: other, ...manifest }])
        await assert.rejects(
          storage.index.apply([
            { kind: 'setState', key: 'sync', value: 1 },
            { kind: 'setTag', repository: app, tag, digest: manifest.digest }
          ]),
          { code: 'MANIFEST_ABSENT' }
        )
        for (const round of ['before', 'after']) {
          assert.equal(await storage.index.state('sync'), undefined, round)
          assert.deepEqual(await storage.index.repositories(), [other])
          if (round === 'before') await reopen()
        }
      })

      it('keeps what stands beside a refused call in the same commit', async () => {
        const manifest = await putManifestBytes(storage)
        const results = await Promise.allSettled([
          storage.index.apply([{ kind: 'setState', key: 'a', value: 1 }]),
          storage.index.apply([{ kind: 'setTag', repository: app, tag, digest: manifest.digest }]),
          storage.index.apply([{ kind: 'putManifest', repository: app, ...manifest }]),
          storage.index.apply([{ kind: 'setTag', repository: app, tag, digest: manifest.digest }])
        ])
        assert.deepEqual(
          results.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']
        )
        await reopen()
        assert.equal(await storage.index.state('a'), 1)
        assert.equal(await storage.index.tag(app, tag), manifest.digest)
      })

      it('moves a tag, and removes it without its manifest', async () => {
        const [first, second] = [await putManifestBytes(storage), await putManifestBytes(storage)]
        await storage.index.apply([
          { kind: 'putManifest', repository: app, ...first },
          { kind: 'putManifest', repository: app, ...second },
          { kind: 'setTag', repository: app, tag, digest: first.digest }
        ])
        await storage.index.apply([{ kind: 'setTag', repository: app, tag, digest: second.digest }])
        assert.equal(await storage.index.tag(app, tag), second.digest)
        await storage.index.apply([{ kind: 'removeTag', repository: app, tag }])
        await reopen()
        assert.deepEqual(await storage.index.tags(app), [])
        assert.deepEqual(await storage.index.manifest(app, second.digest), second)
      })

      it('takes the tags away with their manifest, and everything with the repository', async () => {
        const [first, second] = [await putManifestBytes(storage), await putManifestBytes(storage)]
        const kept = parseTag('kept')
        await putBlob(storage, Buffer.from('layer'))
        await storage.index.apply([
          { kind: 'linkBlob', repository: app, digest: digestOf('layer') },
          { kind: 'putManifest', repository: app, ...first },
          { kind: 'putManifest', repository: app, ...second },
          { kind: 'setTag', repository: app, tag, digest: first.digest },
          { kind: 'setTag', repository: app, tag: parseTag('also'), digest: first.digest },
          { kind: 'setTag', repository: app, tag: kept, digest: second.digest }
        ])
        await storage.index.apply([{ kind: 'removeManifest', repository: app, digest: first.digest }])
        assert.deepEqual(await storage.index.tags(app), [kept])
        await reopen()
        assert.deepEqual(await storage.index.tags(app), [kept])
        await storage.index.apply([{ kind: 'removeRepository', repository: app }])
        for (const round of ['before', 'after']) {
          assert.equal(await storage.index.tags(app), undefined, round)
          assert.equal(await storage.index.hasBlob(app, digestOf('layer')), false)
          assert.deepEqual(await storage.index.repositories(), [])
          if (round === 'before') await reopen()
        }
      })

      it('is content to remove what is not there', async () => {
        await storage.index.apply([
          { kind: 'removeTag', repository: app, tag },
          { kind: 'removeManifest', repository: app, digest: digestOf('x') },
          { kind: 'removeRepository', repository: app },
          { kind: 'setState', key: 'none', value: undefined }
        ])
        assert.deepEqual(await storage.index.repositories(), [])
      })

      it('pages through tags and repositories in the order of code units', async () => {
        const manifest = await putManifestBytes(storage)
        const names = ['B', 'a', 'A', 'v10', 'v2', '_x', 'a-', 'a.1']
        await storage.index.apply([
          { kind: 'putManifest', repository: app, ...manifest },
          ...names.map((name) => ({
            kind: 'setTag' as const,
            repository: app,
            tag: parseTag(name),
            digest: manifest.digest
          })),
          ...['a/b', 'a-b', 'z', 'a'].map((name) => ({
            kind: 'linkBlob' as const,
            repository: parseRepository(name),
            digest: manifest.digest
          }))
        ])
        const sorted = ['A', 'B', '_x', 'a', 'a-', 'a.1', 'v10', 'v2']
        for (const round of ['before', 'after']) {
          assert.deepEqual(await storage.index.tags(app), sorted, round)
          assert.deepEqual(await storage.index.tags(app, { limit: 3 }), ['A', 'B', '_x'])
          assert.deepEqual(await storage.index.tags(app, { after: '_x', limit: 2 }), ['a', 'a-'])
          assert.deepEqual(await storage.index.tags(app, { after: 'between' }), ['v10', 'v2'])
          assert.deepEqual(await storage.index.tags(app, { after: 'zzz' }), [])
          assert.deepEqual(await storage.index.tags(app, { limit: 0 }), [])
          assert.deepEqual(await storage.index.repositories(), ['a', 'a-b', 'a/b', 'samples/app', 'z'])
          assert.deepEqual(await storage.index.repositories({ after: 'a-b', limit: 2 }), ['a/b', 'samples/app'])
          assert.deepEqual(await storage.index.repositories({ prefix: 'a' }), ['a', 'a-b', 'a/b'])
          assert.deepEqual(await storage.index.repositories({ prefix: 'a', after: 'a', limit: 1 }), ['a-b'])
          assert.deepEqual(await storage.index.repositories({ prefix: 'a/', after: 'a' }), ['a/b'])
          assert.deepEqual(await storage.index.repositories({ prefix: 'a/', after: 'b' }), [])
          assert.deepEqual(await storage.index.repositories({ prefix: 'm' }), [])
          if (round === 'before') await reopen()
        }
      })

      it('gives state out as copies', async () => {
        await storage.index.apply([{ kind: 'setState', key: 'sync', value: { list: [1] } }])
        const first = (await storage.index.state('sync')) as { list: number[] }
        first.list.push(2)
        assert.deepEqual(await storage.index.state('sync'), { list: [1] })
      })

      it('gives out the state below a prefix, in the order of its keys', async () => {
        await storage.index.apply(
          ['queue/2', 'queue/10', 'queue', 'other', 'queue/1'].map((key) => ({ kind: 'setState', key, value: { key } }))
        )
        for (const round of ['before', 'after']) {
          assert.deepEqual(
            await storage.index.states('queue/'),
            ['queue/1', 'queue/10', 'queue/2'].map((key) => [key, { key }]),
            round
          )
          if (round === 'before') await reopen()
        }
      })

      it('applies many calls that were made at once, in their order', async () => {
        const manifests = await Promise.all(Array.from({ length: 50 }, () => putManifestBytes(storage)))
        await Promise.all(
          manifests.map((manifest, position) =>
            storage.index.apply([
              { kind: 'putManifest', repository: app, ...manifest },
              { kind: 'setTag', repository: app, tag, digest: manifest.digest },
              { kind: 'setTag', repository: app, tag: parseTag(`t${position}`), digest: manifest.digest }
            ])
          )
        )
        await reopen()
        assert.equal((await storage.index.tags(app))?.length, 51)
        assert.equal(await storage.index.tag(app, tag), manifests.at(-1)?.digest)
      })

      it('finishes what was asked for before it closes, and refuses what comes after', async () => {
        const applied = storage.index.apply([{ kind: 'setState', key: 'last', value: 'word' }])
        await storage.close()
        await applied
        await assert.rejects(storage.index.apply([{ kind: 'setState', key: 'late', value: 1 }]), { code: 'CLOSED' })
        storage = await place.open()
        assert.equal(await storage.index.state('last'), 'word')
      })
    })
  })
}
