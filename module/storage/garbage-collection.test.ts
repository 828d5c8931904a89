import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { digestOf, type Digest } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { putBlob } from './contract.ts'
import { openStorage } from './open-storage.ts'
import { storagePaths } from './paths.ts'
import type { CollectionOptions, Storage } from './storage.ts'
import { pushImage, pushIndex } from './testing.ts'

const app = parseRepository('samples/app')
const other = parseRepository('samples/other')
const one = parseTag('1')
/** Everything may go that nothing names. */
const atOnce: CollectionOptions = { graceMs: 0, untaggedMs: () => 0, leftoverMs: 0 }

describe('garbage collection', () => {
  let folder: string
  let storage: Storage

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-gc-'))
    storage = await openStorage({ folder })
  })
  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true })
  })

  const isHere = async (digest: Digest): Promise<boolean> => (await storage.blobs.size(digest)) !== undefined
  /** Every file below the folders of bytes. */
  const files = async (): Promise<string[]> => {
    const { blobs, partials, trash } = storagePaths(folder)
    const all = await Promise.all(
      [blobs, partials, trash].map((path) => readdir(path, { recursive: true, withFileTypes: true }))
    )
    return all.flat().flatMap((entry) => (entry.isFile() ? [entry.name] : []))
  }

  it('frees what a deleted manifest leaves, keeps what others share, and says what it freed', async () => {
    const shared = randomBytes(5000)
    const gone = await pushImage(storage, app, { tag: '1', layers: [shared, randomBytes(700)] })
    const stays = await pushImage(storage, app, { tag: '2', layers: [shared] })
    await storage.index.apply([{ kind: 'removeManifest', repository: app, digest: gone.record.digest }])
    const report = await storage.collectGarbage(atOnce)
    assert.deepEqual(
      { ...report, milliseconds: 0 },
      {
        tags: 0,
        manifests: 0,
        links: 2,
        repositories: 0,
        blobs: 3,
        partials: 0,
        bytes: 700 + 100 + gone.record.size,
        milliseconds: 0,
        complete: true
      }
    )
    for (const digest of [stays.record.digest, ...stays.layers, stays.config]) assert.ok(await isHere(digest))
    assert.equal(await storage.index.hasBlob(app, gone.config), false)
    assert.equal((await files()).length, 3)
    assert.equal((await storage.collectGarbage(atOnce)).blobs, 0)
  })

  it('keeps bytes that another repository holds, and takes an empty repository out of the catalog', async () => {
    const layers = [randomBytes(3000)]
    await pushImage(storage, app, { tag: '1', layers })
    await pushImage(storage, other, { tag: '1', layers })
    await storage.index.apply([{ kind: 'removeTag', repository: app, tag: one }])
    const report = await storage.collectGarbage(atOnce)
    assert.equal(report.repositories, 1)
    assert.deepEqual(await storage.index.repositories(), [other])
    assert.ok(await isHere(digestOf(layers[0]!)))
    assert.equal(await storage.index.hasBlob(app, digestOf(layers[0]!)), false)
  })

  it('keeps what tags lead to: children of indexes, and signatures of what is kept', async () => {
    const child = await pushImage(storage, app)
    await pushIndex(storage, app, [child.record], '1')
    const signature = await pushImage(storage, app, { subject: child.record })
    const attestation = await pushImage(storage, app, { subject: signature.record })
    const loose = await pushImage(storage, app)
    const orphan = await pushImage(storage, app, { subject: loose.record })
    const report = await storage.collectGarbage(atOnce)
    assert.equal(report.manifests, 2)
    for (const { record, layers } of [child, signature, attestation])
      for (const digest of [record.digest, ...layers]) assert.ok(await isHere(digest))
    for (const { record } of [loose, orphan]) {
      assert.equal(await storage.index.manifest(app, record.digest), undefined)
      assert.equal(await isHere(record.digest), false)
    }
  })

  it('keeps an untagged manifest for as long as its repository wants, from when it was first found untagged', async () => {
    const image = await pushImage(storage, app, { tag: '1' })
    await pushImage(storage, app, { tag: '1' })
    const rules = (untaggedMs: number): CollectionOptions => ({ ...atOnce, untaggedMs: () => untaggedMs })
    assert.equal((await storage.collectGarbage(rules(60_000))).manifests, 0)
    await storage.close()
    storage = await openStorage({ folder })
    assert.ok(await storage.index.manifest(app, image.record.digest))
    assert.equal((await storage.collectGarbage(rules(60_000))).manifests, 0)
    for (const digest of image.layers) assert.ok(await isHere(digest), 'and all that it needs')
    assert.equal((await storage.collectGarbage(rules(0))).manifests, 1)
  })

  it('spares within the grace what was just brought, found by HEAD, or mounted; a start counts as well', async () => {
    const fresh = await putBlob(storage, randomBytes(100))
    const image = await pushImage(storage, app, { tag: '1' })
    await storage.index.apply([{ kind: 'removeTag', repository: app, tag: one }])
    const { manifests, links, blobs } = await storage.collectGarbage({ ...atOnce, graceMs: 60_000 })
    assert.deepEqual({ manifests, links, blobs }, { manifests: 0, links: 0, blobs: 0 })
    await storage.close()
    storage = await openStorage({ folder })
    assert.equal(
      (await storage.collectGarbage({ ...atOnce, graceMs: 60_000 })).blobs,
      0,
      'leases do not outlive a process'
    )
    assert.ok((await storage.collectGarbage(atOnce)).blobs > 0)
    assert.equal(await isHere(fresh), false)
    assert.equal(await isHere(image.record.digest), false)
  })

  it('never takes what somebody relies on from the moment it began to look', async () => {
    const names = Array.from({ length: 40 }, (_, at) => parseTag(`t${at}`))
    const orphans = await Promise.all(names.map(() => putBlob(storage, randomBytes(500))))
    const collecting = storage.collectGarbage(atOnce)
    // What a pusher is told to be here while garbage is collected can be linked afterwards, whatever was told of the others.
    const told = await Promise.all(orphans.map(async (digest) => ({ digest, here: await isHere(digest) })))
    const linked = await Promise.allSettled(
      told
        .filter(({ here }) => here)
        .map(({ digest }) => storage.index.apply([{ kind: 'linkBlob', repository: app, digest }]))
    )
    await collecting
    assert.ok(linked.every(({ status }) => status === 'fulfilled'))
    for (const { digest, here } of told) assert.equal(await isHere(digest), here)
    await storage.collectGarbage({ ...atOnce, graceMs: 60_000 })
  })

  it('looks again where an index is pushed while it decides about its children', async () => {
    const children = [(await pushImage(storage, app)).record, (await pushImage(storage, app)).record]
    const path = storagePaths(folder).blob(children[0]!.digest)
    const bytes = await readFile(path)
    // A pipe in a manifest's place: whoever reads it waits for us, and whoever opens it for writing waits for the reader.
    await rename(path, `${path}.kept`)
    await promisify(execFile)('mkfifo', [path])
    const collecting = storage.collectGarbage(atOnce)
    const pipe = await open(path, 'w')
    // By now it has seen what the repository names. This names both, and touches neither of them.
    await pushIndex(storage, app, children, '1')
    await rename(`${path}.kept`, path)
    await pipe.writeFile(bytes)
    await pipe.close()
    assert.equal((await collecting).manifests, 0)
    for (const { digest } of children) assert.ok(await storage.index.manifest(app, digest))
  })

  it('loses nothing that is pushed while it runs again and again without any grace', async () => {
    const done = new AbortController()
    let runs = 0
    const collect = async (): Promise<void> => {
      for (; !done.signal.aborted; runs += 1) await storage.collectGarbage({ ...atOnce, signal: done.signal })
    }
    const acknowledged: { digest: Digest; layer: Buffer; tag: string }[] = []
    let refused = 0
    const push = async (lane: number): Promise<void> => {
      const shared = Buffer.alloc(2000, lane % 2)
      for (let round = 0; round < 30; round += 1)
        try {
          const { record } = await pushImage(storage, app, { tag: `t${lane}-${round}`, layers: [shared] })
          acknowledged.push({ digest: record.digest, layer: shared, tag: `t${lane}-${round}` })
          // Deleted at once in every other round, so that shared layers lose their links all the time.
          if (round % 2 === 0) {
            acknowledged.pop()
            await storage.index.apply([{ kind: 'removeManifest', repository: app, digest: record.digest }])
          }
        } catch (error) {
          // Without a grace a blob may go between its own acknowledgement and the manifest's: then the push says so.
          assert.equal((error as { code?: string }).code, 'BLOB_ABSENT')
          refused += 1
        }
    }
    const collecting = collect()
    await Promise.all([0, 1, 2].map(push))
    done.abort()
    await collecting
    assert.ok(runs > 1 && acknowledged.length > 0, `${runs} runs, ${acknowledged.length} pushes, ${refused} refused`)
    for (const { digest, layer, tag } of acknowledged) {
      assert.equal(await storage.index.tag(app, parseTag(tag)), digest)
      assert.equal(digestOf(await storage.blobs.bytes(digest)), digest)
      assert.ok((await storage.blobs.bytes(digestOf(layer))).equals(layer))
      assert.ok(await storage.index.hasBlob(app, digestOf(layer)))
    }
  })

  it('keeps an image on its way with its partial file, until its mark is taken away', async () => {
    const image = await pushImage(storage, app, { tag: '1' })
    // As a sync has it: manifest and some blobs are here and unnamed, one is half here.
    await storage.index.apply([{ kind: 'removeRepository', repository: app }])
    const [half] = image.layers
    await storage.blobs.remove(half!)
    const ingest = await storage.blobs.ingest(half!)
    await ingest.append(randomBytes(10))
    await ingest.close()
    await (await storage.blobs.ingest('an upload that nobody went on with')).close()
    const key = 'keep/sync/samples/app:1'
    const value = { digest: image.record.digest, at: Date.now() }
    await storage.index.apply([{ kind: 'setState', key, value }])
    const { blobs, partials } = await storage.collectGarbage(atOnce)
    assert.deepEqual({ blobs, partials }, { blobs: 0, partials: 1 })
    await storage.index.apply([{ kind: 'setState', key, value: { ...value, at: 0, lasting: true } }])
    assert.equal((await storage.collectGarbage(atOnce)).blobs, 0, 'a lasting mark counts until it is removed')
    await storage.index.apply([{ kind: 'setState', key, value: { ...value, at: 0 } }])
    const rest = await storage.collectGarbage(atOnce)
    assert.deepEqual({ blobs: rest.blobs, partials: rest.partials }, { blobs: 3, partials: 1 })
    assert.equal(await storage.index.state(key), undefined)
    assert.deepEqual(await files(), [])
  })

  it('keeps what a mark says comes with an image', async () => {
    const [image, sbom] = [await pushImage(storage, app, { tag: '1' }), await pushImage(storage, app, { tag: '2' })]
    await storage.index.apply([{ kind: 'removeRepository', repository: app }])
    const key = 'keep/sync/samples/app:1'
    const value = { digest: image.record.digest, at: Date.now(), referrers: [sbom.record.digest] }
    await storage.index.apply([{ kind: 'setState', key, value }])
    assert.equal((await storage.collectGarbage(atOnce)).blobs, 0)
    await storage.index.apply([{ kind: 'setState', key, value: { ...value, referrers: ['no digest'] } }])
    assert.equal((await storage.collectGarbage(atOnce)).blobs, 4)
  })

  it('leaves partial files alone that somebody holds, or that are not old', async () => {
    const held = await storage.blobs.ingest('held')
    await held.append(randomBytes(10))
    await (await storage.blobs.ingest('young')).close()
    assert.equal((await storage.collectGarbage({ ...atOnce, leftoverMs: 60_000 })).partials, 0)
    assert.equal((await storage.collectGarbage(atOnce)).partials, 1)
    const bytes = randomBytes(20)
    await held.restart()
    await held.append(bytes)
    await held.commit(digestOf(bytes))
  })

  it('unlinks nothing of a repository in which a manifest cannot be read', async () => {
    const image = await pushImage(storage, app, { tag: '1' })
    await writeFile(storagePaths(folder).blob(image.record.digest), 'rot')
    const { manifests, links, blobs } = await storage.collectGarbage(atOnce)
    assert.deepEqual({ manifests, links, blobs }, { manifests: 0, links: 0, blobs: 0 })
  })

  it('ages out what was quarantined or set aside, and passes over files that are not its own', async () => {
    const paths = storagePaths(folder)
    await writeFile(join(paths.quarantine, 'sha256-x'), 'old')
    await writeFile(paths.damagedIndex(new Date()), 'old')
    await mkdir(join(paths.blobs, 'sha256', 'zz'), { recursive: true })
    await writeFile(join(paths.blobs, 'sha256', 'zz', 'notes.txt'), 'mine')
    await writeFile(join(paths.blobs, 'README'), 'mine')
    await utimes(join(paths.blobs, 'README'), 0, 0)
    assert.equal((await storage.collectGarbage(atOnce)).bytes, 6)
    assert.deepEqual(await readdir(paths.quarantine), [])
    assert.deepEqual((await files()).sort(), ['README', 'notes.txt'])
  })

  it('takes turns with another one that was asked for meanwhile', async () => {
    for (let at = 0; at < 40; at += 1) await putBlob(storage, randomBytes(50))
    const reports = await Promise.all(Array.from({ length: 3 }, () => storage.collectGarbage(atOnce)))
    assert.deepEqual(
      reports.map(({ blobs }) => blobs),
      [40, 0, 0]
    )
  })

  it('ends when it is told to, and the next one does the rest', async () => {
    for (let at = 0; at < 5; at += 1) await putBlob(storage, randomBytes(50))
    const report = await storage.collectGarbage({ ...atOnce, signal: AbortSignal.abort() })
    assert.deepEqual([report.complete, report.blobs], [false, 0])
    assert.equal((await storage.collectGarbage(atOnce)).blobs, 5)
  })

  it('concludes nothing from a part of a repository, where it is ended in the middle', async () => {
    const images = await Promise.all(Array.from({ length: 30 }, (_, at) => pushImage(storage, app, { tag: `t${at}` })))
    for (let round = 0; round < 20; round += 1) {
      const ending = new AbortController()
      const collecting = storage.collectGarbage({ ...atOnce, signal: ending.signal })
      await delay(round / 4)
      ending.abort()
      await collecting
    }
    for (const { record, layers, config } of images) {
      assert.ok(await storage.index.manifest(app, record.digest))
      for (const digest of [...layers, config]) assert.ok(await storage.index.hasBlob(app, digest))
    }
  })

  it('empties the trash of a process that was killed', async () => {
    const paths = storagePaths(folder)
    await storage.close()
    await writeFile(join(paths.trash, 'sha256-left'), 'over')
    storage = await openStorage({ folder })
    assert.deepEqual(await files(), [])
  })
})
