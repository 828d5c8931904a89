import assert from 'node:assert/strict'
import { digestOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseTag, type Repository } from '../oci/name.ts'
import { putBlob } from '../storage/contract.ts'
import type { IndexChange } from '../storage/storage.ts'
import { codeOf, useWorld, lastingHeaders, type Answer } from './world.test.ts'

const repository = 'samples/signed' as Repository
const config = 'application/vnd.example.config'

interface Entry {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Record<string, string>
}

describe('registry: referrers', () => {
  const world = useWorld()
  let subject: Digest
  let subjects = 0

  beforeEach(() => {
    world.mode = 'ReadWrite'
    subject = digestOf(`subject ${subjects++}`)
  })

  function referrer(more: object, mediaType: string = mediaTypes.ociManifest): Buffer {
    const image = mediaType === mediaTypes.ociManifest
    return Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        ...(image ? { config: { mediaType: config, digest: digestOf('{}'), size: 2 }, layers: [] } : { manifests: [] }),
        subject: { mediaType: mediaTypes.ociManifest, digest: subject, size: 9 },
        ...more
      })
    )
  }

  async function push(bytes: Buffer, tag?: string): Promise<Entry> {
    const document = JSON.parse(bytes.toString()) as { mediaType: string }
    const digest = digestOf(bytes)
    const path = `/v2/${repository}/manifests/${tag ?? digest}`
    const answer = await world.push('PUT', path, bytes, { 'content-type': document.mediaType })
    assert.equal(answer.status, 201, answer.body.toString())
    return { mediaType: document.mediaType, size: bytes.length, digest }
  }

  async function list(query = ''): Promise<{ readonly entries: readonly Entry[]; readonly answer: Answer }> {
    const path = query.startsWith('/') ? query : `/v2/${repository}/referrers/${subject}${query}`
    const answer = await world.get(path)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], mediaTypes.ociIndex)
    const { manifests, ...rest } = JSON.parse(answer.body.toString())
    assert.deepEqual(rest, { schemaVersion: 2, mediaType: mediaTypes.ociIndex })
    return { entries: manifests as Entry[], answer }
  }

  const sorted = (entries: readonly Entry[]): Entry[] => [...entries].sort((a, b) => (a.digest < b.digest ? -1 : 1))

  /** Every page, by its links. */
  async function walk(query: string): Promise<Entry[][]> {
    const pages: Entry[][] = []
    for (let next: string | undefined = query; next !== undefined;) {
      const { entries, answer } = await list(next)
      pages.push([...entries])
      next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers['link']))?.[1]
    }
    return pages
  }

  it('are listed with type, size, artifact type and annotations, the subject being here or not', async () => {
    const annotations = { 'org.example.a': 'b', 'org.example.c': '"ü"' }
    const expected = [
      { ...(await push(referrer({ artifactType: 'sig', annotations }))), artifactType: 'sig', annotations },
      { ...(await push(referrer({}))), artifactType: config },
      { ...(await push(referrer({ artifactType: '' }))), artifactType: config },
      { ...(await push(referrer({ artifactType: 'sbom' }, mediaTypes.ociIndex))), artifactType: 'sbom' },
      { ...(await push(referrer({ annotations }, mediaTypes.ociIndex))), annotations }
    ]
    const { entries, answer } = await list()
    assert.deepEqual(entries, sorted(expected))
    assert.equal(answer.headers['link'], undefined)
    assert.equal(answer.headers['oci-filters-applied'], undefined)
    const head = await world.send('HEAD', `/v2/${repository}/referrers/${subject}`)
    assert.deepEqual(lastingHeaders(head.headers), lastingHeaders(answer.headers))
    await world.restart()
    assert.deepEqual((await list()).entries, sorted(expected))
  })

  it('are filtered by artifact type, and the answer says so', async () => {
    const sig = { ...(await push(referrer({ artifactType: 'a/sig+json' }))), artifactType: 'a/sig+json' }
    await push(referrer({ artifactType: 'sbom' }))
    const { entries, answer } = await list(`?artifactType=${encodeURIComponent('a/sig+json')}`)
    assert.deepEqual(entries, [sig])
    assert.equal(answer.headers['oci-filters-applied'], 'artifactType')
    assert.deepEqual((await list('?artifactType=none')).entries, [])
  })

  it('are gone at once when they are deleted, and belong to one repository', async () => {
    const { digest } = await push(referrer({ artifactType: 'sig' }))
    assert.equal((await list()).entries.length, 1)
    assert.deepEqual((await list(`/v2/samples/other/referrers/${subject}`)).entries, [])
    assert.equal((await world.push('DELETE', `/v2/${repository}/manifests/${digest}`)).status, 202)
    assert.deepEqual((await list()).entries, [])
  })

  it("have the media type that their own repository has for them, and not another's or an earlier one", async () => {
    const bytes = referrer({ mediaType: undefined, artifactType: 'sig' })
    const digest = digestOf(bytes)
    const types = async (name: string): Promise<string[]> =>
      (await list(`/v2/${name}/referrers/${subject}`)).entries.map(({ mediaType }) => mediaType)
    const pushAs = async (name: string, type: string): Promise<void> => {
      const answer = await world.push('PUT', `/v2/${name}/manifests/${digest}`, bytes, { 'content-type': type })
      assert.equal(answer.status, 201, answer.body.toString())
    }
    await pushAs(repository, mediaTypes.ociManifest)
    await pushAs('samples/other', 'application/x-other')
    for (let time = 0; time < 2; time += 1) {
      assert.deepEqual(await types('samples/other'), ['application/x-other'])
      assert.deepEqual(await types(repository), [mediaTypes.ociManifest])
    }
    await pushAs('samples/other', mediaTypes.dockerManifest)
    assert.deepEqual(await types('samples/other'), [mediaTypes.dockerManifest])
  })

  it('come in pages with a link to the next, which keeps the filter', async () => {
    const all: Entry[] = []
    for (let number = 0; number < 7; number++) {
      const artifactType = number === 3 ? 'other' : 'a b'
      all.push({ ...(await push(referrer({ artifactType, annotations: { number: `${number}` } }))), artifactType })
    }
    const pages = await walk('?n=3')
    assert.deepEqual(
      pages.map((page) => page.length),
      [3, 3, 1]
    )
    assert.deepEqual(
      pages.flat().map(({ digest }) => digest),
      sorted(all).map(({ digest }) => digest)
    )
    const some = await walk('?artifactType=a%20b&n=4')
    assert.deepEqual(
      some.map((page) => page.length),
      [4, 2]
    )
    assert.ok(some.flat().every(({ artifactType }) => artifactType === 'a b'))
    const { entries, answer } = await list('?n=0')
    assert.deepEqual(entries, [])
    assert.equal(answer.headers['link'], undefined)
    assert.equal(codeOf(await world.get(`/v2/${repository}/referrers/${subject}?n=x`)), 'PAGINATION_NUMBER_INVALID')
  })

  it('come in pages by default, when there are many or when they are large', async () => {
    const changes: IndexChange[] = []
    for (let number = 0; number < 1100; number++) {
      const bytes = referrer({ artifactType: 'many', annotations: { number: `${number}` } })
      changes.push({
        kind: 'putManifest',
        repository,
        digest: digestOf(bytes),
        mediaType: mediaTypes.ociManifest,
        size: bytes.length,
        subject,
        artifactType: 'many'
      })
      await putBlob(world.storage, bytes)
    }
    await world.storage.index.apply(changes)
    const pages = await walk('')
    assert.deepEqual(
      pages.map((page) => page.length),
      [500, 500, 100]
    )
    assert.equal(new Set(pages.flat().map(({ digest }) => digest)).size, 1100)

    subject = digestOf('with large referrers')
    const padding = 'A'.repeat(700_000)
    for (let number = 0; number < 5; number++)
      await push(referrer({ artifactType: 'large', annotations: { padding, number: `${number}` } }))
    assert.deepEqual(
      (await walk('')).map((page) => page.length),
      [2, 2, 1]
    )
  }).timeout(60_000)

  it('leave out those whose bytes were lost, and only those', async () => {
    const lost = await push(referrer({ annotations: { a: 'lost' } }))
    const kept = await push(referrer({ annotations: { a: 'kept' } }))
    await world.storage.blobs.remove(lost.digest)
    assert.deepEqual(
      (await list()).entries.map(({ digest }) => digest),
      [kept.digest]
    )
  })

  describe('under the fallback tag of clients that know no such API', () => {
    const tagOf = (digest: Digest): string => digest.replace(':', '-').slice(0, 'sha256-'.length + 64)
    const plain = (name: string): Buffer =>
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: mediaTypes.ociManifest,
          artifactType: name,
          config: { mediaType: config, digest: digestOf('{}'), size: 2 },
          layers: [],
          annotations: { name, of: subject }
        })
      )
    const index = (manifests: readonly Entry[]): Buffer =>
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }))

    it('are merged with the others, sorted, filtered and paged like them, each once', async () => {
      const own = { ...(await push(referrer({ artifactType: 'sig' }))), artifactType: 'sig' }
      const listed = [
        { ...(await push(plain('sig'))), artifactType: 'sig', annotations: { name: 'sig', of: subject } },
        { ...(await push(plain('sbom'))), artifactType: 'sbom', annotations: { name: 'sbom', of: subject } }
      ]
      const gone: Entry = { mediaType: mediaTypes.ociManifest, digest: digestOf('gone'), size: 4, artifactType: 'sig' }
      await push(index([...listed, own, gone]), tagOf(subject))
      assert.deepEqual((await list()).entries, sorted([own, ...listed]))
      assert.deepEqual((await list('?artifactType=sig')).entries, sorted([own, listed[0]!]))
      assert.deepEqual((await walk('?n=1')).flat(), sorted([own, ...listed]))
      await push(index([]), tagOf(subject))
      assert.deepEqual((await list()).entries, [own])
    })

    it('are found for sha512 too, whose tag is cut', async () => {
      subject = digestOf('long', 'sha512')
      const entry = await push(plain('sig'))
      await push(index([entry]), tagOf(subject))
      assert.equal((await list()).entries[0]?.digest, entry.digest)
    })

    it('are none where something else stands under the tag', async () => {
      await push(plain('not an index'), tagOf(subject))
      assert.deepEqual((await list()).entries, [])
      const lost = await push(index([]), tagOf(subject))
      await world.storage.index.apply([{ kind: 'removeTag', repository, tag: parseTag(tagOf(subject)) }])
      await world.storage.blobs.remove(lost.digest)
      assert.deepEqual((await list()).entries, [])
    })
  })
})
