import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { watchIndex } from './content-watch.ts'
import type { ContentNews } from './notifications/event.ts'
import { digestOf } from './oci/digest.ts'
import { parseRepository, parseTag } from './oci/name.ts'
import { openStorage } from './storage/open-storage.ts'
import type { Index, IndexChange, Storage } from './storage/storage.ts'

describe('watchIndex', () => {
  const repository = parseRepository('app')
  const tag = parseTag('1')
  const one = digestOf('one')
  const two = digestOf('two')
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = (digest: typeof one): IndexChange => ({
    kind: 'putManifest',
    repository,
    digest,
    mediaType,
    size: 3
  })
  const setTag = (digest: typeof one): IndexChange => ({ kind: 'setTag', repository, tag, digest })
  let folder: string
  let storage: Storage
  let index: Index
  let told: string[]
  let details: ContentNews[]
  let isWanted: boolean

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-watch-'))
    storage = await openStorage({ folder })
    for (const text of ['one', 'two']) {
      const ingest = await storage.blobs.ingest(digestOf(text))
      await ingest.append(Buffer.from(text))
      await ingest.commit(digestOf(text))
    }
    told = []
    details = []
    isWanted = true
    index = watchIndex(storage.index, {
      isWanted: () => isWanted,
      tell: (news) => {
        details.push(...news)
        for (const { action, repository: name, tag: tagged = '', digest } of news)
          told.push(`${action} ${name}:${tagged} ${digest === one ? 'one' : 'two'}`)
      }
    })
  })

  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('tells of a tag that came, moved and went, once each', async () => {
    await index.apply([manifest(one), setTag(one)])
    assert.deepEqual(details[0], { action: 'push', repository, tag, digest: one, mediaType, size: 3 })
    await index.apply([manifest(one), setTag(one)])
    await index.apply([manifest(two), setTag(two)])
    await index.apply([{ kind: 'removeTag', repository, tag }])
    await index.apply([{ kind: 'removeTag', repository, tag }])
    assert.deepEqual(told, ['push app:1 one', 'push app:1 two', 'delete app:1 two'])
  })

  it('tells of manifests without a tag, and of a repository by its tags', async () => {
    await index.apply([manifest(one)])
    await index.apply([manifest(two), setTag(two)])
    await index.apply([{ kind: 'removeManifest', repository, digest: one }])
    await index.apply([{ kind: 'removeManifest', repository, digest: one }])
    await index.apply([{ kind: 'removeRepository', repository }])
    assert.deepEqual(told, ['push app: one', 'push app:1 two', 'delete app: one', 'delete app:1 two'])
  })

  it('says nothing of what the index did not take', async () => {
    await assert.rejects(() => index.apply([{ kind: 'setState', key: 'x', value: 1n }, manifest(one)]))
    assert.deepEqual(told, [])
  })

  it('looks at nothing where nobody wants to hear, and passes everything on', async () => {
    isWanted = false
    await index.apply([manifest(one), setTag(one)])
    assert.deepEqual(told, [])
    assert.equal(await index.tag(repository, tag), one)
    assert.deepEqual(await index.tags(repository), [tag])
    assert.equal((await index.manifest(repository, one))?.size, 3)
    assert.deepEqual(await index.repositories(), [repository])
  })
})
