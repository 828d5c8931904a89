import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../oci/digest.ts'
import { referenceOf, readManifest } from '../oci/manifest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository } from '../oci/name.ts'
import { putBlob } from './contract.ts'
import { openStorage } from './open-storage.ts'
import { storagePaths } from './paths.ts'
import type { ManifestRecord, Storage } from './storage.ts'

const app = parseRepository('samples/app')
const other = parseRepository('samples/other')
const subject = { mediaType: mediaTypes.ociManifest, digest: digestOf('subject'), size: 7 }

describe('storage of what is pushed', () => {
  let folder: string
  let storage: Storage

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-pushed-'))
    storage = await openStorage({ folder })
  })
  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true })
  })
  const reopen = async (): Promise<void> => {
    await storage.close()
    storage = await openStorage({ folder })
  }

  async function putReferrer(artifactType?: string, repository = app): Promise<ManifestRecord> {
    const document = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      ...(artifactType === undefined ? {} : { artifactType }),
      subject,
      annotations: { unique: randomBytes(8).toString('hex') }
    }
    const bytes = Buffer.from(JSON.stringify(document))
    const contents = readManifest(bytes)
    const manifest = {
      digest: await putBlob(storage, bytes),
      mediaType: contents.mediaType,
      size: bytes.length,
      ...referenceOf(contents)
    }
    await storage.index.apply([{ kind: 'putManifest', repository, ...manifest }])
    return manifest
  }

  it('goes on with a partial file only where there is one', async () => {
    assert.equal(await storage.blobs.resume('upload'), undefined)
    const begun = await storage.blobs.ingest('upload', 'sha512')
    await begun.append(Buffer.from('he'))
    await assert.rejects(storage.blobs.resume('upload'), { code: 'INGEST_BUSY' })
    await begun.close()
    await reopen()
    const again = await storage.blobs.resume('upload')
    assert.equal(again?.offset, 2)
    await again.append(Buffer.from('llo'))
    await again.commit(digestOf('hello', 'sha512'))
    assert.equal(await storage.blobs.resume('upload'), undefined)
    assert.equal(await storage.blobs.size(digestOf('hello', 'sha512')), 5)
  })

  it('knows which repositories hold a blob, and takes it from one of them', async () => {
    const digest = await putBlob(storage, Buffer.from('shared'))
    await storage.index.apply([
      { kind: 'linkBlob', repository: app, digest },
      { kind: 'linkBlob', repository: other, digest }
    ])
    assert.deepEqual((await storage.index.holders(digest)).sort(), [app, other])
    await storage.index.apply([
      { kind: 'unlinkBlob', repository: app, digest },
      { kind: 'unlinkBlob', repository: parseRepository('nobody'), digest }
    ])
    for (const round of ['before', 'after']) {
      assert.deepEqual(await storage.index.holders(digest), [other], round)
      assert.equal(await storage.index.hasBlob(app, digest), false)
      assert.equal(await storage.index.hasBlob(other, digest), true)
      if (round === 'before') await reopen()
    }
    assert.equal(await storage.blobs.size(digest), 6, 'the bytes stay')
  })

  it('lists referrers by repository, subject and artifact type, in pages, across a restart', async () => {
    const signatures = [await putReferrer('sig'), await putReferrer('sig'), await putReferrer('sig')]
    const sbom = await putReferrer('sbom')
    const plain = await putReferrer()
    await putReferrer('sig', other)
    const sorted = [...signatures, sbom, plain].map(({ digest }) => digest).sort()
    const sortedSignatures = signatures.map(({ digest }) => digest).sort()
    for (const round of ['before', 'after']) {
      assert.deepEqual(await storage.index.referrers(app, subject.digest), sorted, round)
      assert.deepEqual(await storage.index.referrers(app, subject.digest, { limit: 2 }), sorted.slice(0, 2))
      const rest = { after: sorted[1]!, limit: 10 }
      assert.deepEqual(await storage.index.referrers(app, subject.digest, rest), sorted.slice(2))
      const filter = { artifactType: 'sig' }
      assert.deepEqual(await storage.index.referrers(app, subject.digest, filter), sortedSignatures)
      assert.deepEqual(
        await storage.index.referrers(app, subject.digest, { ...filter, after: sortedSignatures[0]!, limit: 1 }),
        [sortedSignatures[1]]
      )
      assert.deepEqual(await storage.index.referrers(app, subject.digest, { artifactType: 'none' }), [])
      assert.deepEqual(await storage.index.referrers(app, digestOf('other subject')), [])
      if (round === 'before') await reopen()
    }
  })

  it('forgets a referrer with its manifest, and takes the same one twice without listing it twice', async () => {
    const kept = await putReferrer('sig')
    const gone = await putReferrer('sig')
    await storage.index.apply([{ kind: 'putManifest', repository: app, ...kept }])
    await storage.index.apply([{ kind: 'removeManifest', repository: app, digest: gone.digest }])
    for (const round of ['before', 'after']) {
      assert.deepEqual(await storage.index.referrers(app, subject.digest), [kept.digest], round)
      assert.deepEqual(await storage.index.referrers(app, subject.digest, { artifactType: 'sig' }), [kept.digest])
      if (round === 'before') await reopen()
    }
  })

  it('finds the referrers in an index of the release before, which did not know of them', async () => {
    const referrer = await putReferrer('sig')
    const lost = await putReferrer('sig')
    await storage.blobs.remove(lost.digest)
    await storage.close()
    const database = new DatabaseSync(storagePaths(folder).index)
    database.exec(`
      ALTER TABLE tags DROP COLUMN set_at;
      ALTER TABLE manifests DROP COLUMN subject;
      ALTER TABLE manifests DROP COLUMN artifact_type;
      PRAGMA user_version = 1;`)
    database.close()
    storage = await openStorage({ folder })
    assert.deepEqual(await storage.index.referrers(app, subject.digest, { artifactType: 'sig' }), [referrer.digest])
    assert.equal((await storage.index.manifest(app, lost.digest))?.subject, undefined)
  })
})
