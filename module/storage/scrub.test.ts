import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { digestOf, type Digest } from '../oci/digest.ts'
import { parseRepository } from '../oci/name.ts'
import { putBlob } from './contract.ts'
import { openStorage } from './open-storage.ts'
import { storagePaths } from './paths.ts'
import type { Storage } from './storage.ts'

const app = parseRepository('samples/app')
const fast = { bytesPerSecond: 1e12 }

describe('scrub', () => {
  let folder: string
  let storage: Storage
  let lines: string[]

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-scrub-'))
    lines = []
    storage = await openStorage({ folder, log: new LineLog((line) => lines.push(line)) })
  })
  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true })
  })

  /** What a worn flash cell does: one bit, same length, nobody told. */
  async function flipBit(digest: Digest, at: number): Promise<void> {
    const file = await open(storagePaths(folder).blob(digest), 'r+')
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, at)
    byte[0] = byte[0]! ^ 1
    await file.write(byte, 0, 1, at)
    await file.close()
  }

  it('finds nothing wrong with what is right, sha512 included', async () => {
    const sizes = [0, 10, 400_000]
    for (const size of sizes) await putBlob(storage, randomBytes(size))
    const bytes = randomBytes(300)
    const ingest = await storage.blobs.ingest('x')
    await ingest.append(bytes)
    await ingest.commit(digestOf(bytes, 'sha512'))
    const report = await storage.scrub(fast)
    assert.deepEqual(
      { ...report, milliseconds: 0 },
      { blobs: 4, bytes: 400_310, damaged: [], milliseconds: 0, complete: true }
    )
    assert.deepEqual(lines, [])
  })

  it('moves a blob aside in which one bit flipped, so that it counts as absent until its bytes come again', async () => {
    const bytes = randomBytes(500_000)
    const digest = await putBlob(storage, bytes)
    const sound = await putBlob(storage, randomBytes(500))
    await storage.index.apply([{ kind: 'linkBlob', repository: app, digest }])
    await flipBit(digest, 333_333)
    const report = await storage.scrub(fast)
    assert.deepEqual(report.damaged, [digest])
    assert.match(lines.join(), /\[ERR\] a blob is not what its digest says/)
    assert.equal(await storage.blobs.size(digest), undefined)
    await assert.rejects(storage.blobs.read(digest), { code: 'BLOB_UNKNOWN' })
    assert.equal(await storage.blobs.size(sound), 500)
    assert.equal((await readFile(storagePaths(folder).quarantined(digest))).length, bytes.length)
    assert.deepEqual((await storage.scrub(fast)).damaged, [])
    await putBlob(storage, bytes)
    assert.ok((await storage.blobs.bytes(digest)).equals(bytes))
    assert.ok(await storage.index.hasBlob(app, digest), 'its repositories hold it still')
  })

  it('goes on where it was ended, after a restart as well', async () => {
    for (let at = 0; at < 30; at += 1) await putBlob(storage, Buffer.alloc(1000, at))
    const ending = new AbortController()
    let rests = 0
    const rest = (): Promise<void> => {
      // Once for each blob, at this pace; the tenth is not done then.
      rests += 1
      if (rests === 10) ending.abort()
      return Promise.resolve()
    }
    const { blobs, complete } = await storage.scrub({ bytesPerSecond: 1, signal: ending.signal, rest })
    assert.deepEqual({ blobs, complete }, { blobs: 9, complete: false })
    await storage.close()
    storage = await openStorage({ folder })
    const others = await storage.scrub(fast)
    assert.ok(others.complete && others.blobs <= 31 - blobs, `${blobs} and ${others.blobs}`)
    assert.equal((await storage.scrub(fast)).blobs, 30)
  })

  it('leaves good bytes alone that took the place of damaged ones meanwhile', async () => {
    const bytes = randomBytes(200_000)
    const digest = await putBlob(storage, bytes)
    await flipBit(digest, 1)
    const [resting, gate] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
    const rest = (): Promise<undefined> => {
      resting.resolve(undefined)
      return gate.promise
    }
    const scrubbing = storage.scrub({ bytesPerSecond: 1, rest })
    // It has the damaged file open, and has read its first slice.
    await resting.promise
    await putBlob(storage, bytes, 'again')
    gate.resolve(undefined)
    assert.deepEqual((await scrubbing).damaged, [])
    assert.ok((await storage.blobs.bytes(digest)).equals(bytes))
    assert.deepEqual(await readdir(storagePaths(folder).quarantine), [])
  })
})
