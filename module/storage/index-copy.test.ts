import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { putBlob } from './contract.ts'
import { commitGate } from './index-protocol.ts'
import { openStorage } from './open-storage.ts'
import { storagePaths } from './paths.ts'
import type { Storage } from './storage.ts'
import { pushImage } from './testing.ts'

const app = parseRepository('app')
const atOnce = { graceMs: 0, untaggedMs: () => 0, leftoverMs: 0 }

describe('the copy of the index', () => {
  let folder: string
  let storage: Storage
  let lines: string[]
  const open = async (): Promise<void> => {
    lines = []
    storage = await openStorage({ folder, log: new LineLog((line) => lines.push(line)) })
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-copy-'))
    await open()
  })
  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true })
  })

  for (const [what, lose] of [
    ['lost', (path: string) => rm(path)],
    ['damaged', (path: string) => writeFile(path, 'not a database'.repeat(1000))]
  ] as const)
    it(`brings back what was pushed here, where the index is ${what}`, async () => {
      const { record, layers } = await pushImage(storage, app, { tag: '1' })
      await storage.copyIndex()
      assert.equal((await stat(storagePaths(folder).indexCopy)).mode & 0o777, 0o600)
      await pushImage(storage, app, { tag: 'since' })
      await storage.close()
      await lose(storagePaths(folder).index)
      await open()
      assert.match(lines.join(), new RegExp(`the index was ${what} and its copy is in force`))
      assert.deepEqual(await storage.index.tags(app), ['1'])
      assert.equal(await storage.index.tag(app, parseTag('1')), record.digest)
      assert.ok(await storage.index.hasBlob(app, layers[0]!))
      await storage.close()
      await open()
      assert.deepEqual(lines, [], 'once')
    })

  it('does not bring back what was deleted since', async () => {
    const { record } = await pushImage(storage, app, { tag: '1' })
    await pushImage(storage, app, { tag: '2' })
    await storage.copyIndex()
    await storage.index.apply([{ kind: 'removeManifest', repository: app, digest: record.digest }])
    await storage.collectGarbage(atOnce)
    await storage.close()
    await rm(storagePaths(folder).index)
    await open()
    assert.deepEqual(await storage.index.tags(app), ['2'])
  })

  it('is passed over where it is damaged too', async () => {
    await pushImage(storage, app, { tag: '1' })
    await storage.copyIndex()
    await storage.close()
    for (const path of [storagePaths(folder).index, storagePaths(folder).indexCopy])
      await writeFile(path, 'x'.repeat(9999))
    await open()
    assert.deepEqual(await storage.index.repositories(), [])
    await pushImage(storage, app, { tag: '2' })
    assert.ok((await readdir(folder)).some((name) => name.includes('.damaged-')))
  })

  it('is made while others write', async () => {
    await Promise.all([
      storage.copyIndex(),
      ...Array.from({ length: 20 }, (_, at) => pushImage(storage, app, { tag: `t${at}` })),
      storage.copyIndex()
    ])
    assert.equal((await storage.index.tags(app))?.length, 20)
  })
})

describe('a disk that takes its time', () => {
  it('keeps no reader waiting while a commit waits for it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-slow-'))
    const gate = new SharedArrayBuffer(8)
    const closed = new Int32Array(gate)
    const storage = await openStorage({ folder, durability: { commitGate: gate } })
    try {
      const { record, layers } = await pushImage(storage, app, { tag: '1' })
      Atomics.store(closed, commitGate.closed, 1)
      let committed = false
      const pushing = pushImage(storage, app, { tag: '2' }).then(() => (committed = true))
      // Blobs go their own way; the index's commit is what waits. Thousands of reads are answered meanwhile.
      for (let round = 0; round < 2000; round += 1) {
        const digest = await storage.index.tag(app, parseTag('1'))
        assert.equal(digest, record.digest)
        assert.equal((await storage.index.manifest(app, record.digest))?.size, record.size)
        assert.ok(await storage.index.hasBlob(app, layers[0]!))
      }
      const other = await putBlob(storage, randomBytes(100_000))
      assert.equal(await storage.blobs.size(other), 100_000)
      assert.equal(committed, false)
      assert.equal(await storage.index.tag(app, parseTag('2')), undefined, 'nothing is told of before it is durable')
      Atomics.store(closed, commitGate.closed, 0)
      Atomics.notify(closed, commitGate.closed)
      await pushing
      assert.ok(await storage.index.tag(app, parseTag('2')))
    } finally {
      Atomics.store(closed, commitGate.closed, 0)
      Atomics.notify(closed, commitGate.closed)
      await storage.close()
      await rm(folder, { recursive: true })
    }
  })
})
