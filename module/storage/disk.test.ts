import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once, EventEmitter } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { digestOf } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { putBlob } from './contract.ts'
import { Disk, type DiskNews } from './disk.ts'
import { openStorage } from './open-storage.ts'
import type { Storage } from './storage.ts'
import { pushImage } from './testing.ts'

const run = promisify(execFile)
const mebibyte = 1024 * 1024

describe('disk', () => {
  let free: number
  let news: DiskNews[]
  let disk: Disk
  const changed = new EventEmitter()
  const make = (reserveBytes: number): Disk =>
    new Disk({
      folder: '/',
      reserveBytes,
      measure: () => Promise.resolve({ free, total: 10_000 }),
      onChange: (one) => {
        news.push(one)
        changed.emit('change')
      },
      measuredForMs: 0,
      lookEveryMs: 5
    })

  beforeEach(() => {
    free = 1000
    news = []
    disk = make(300)
  })
  afterEach(() => disk.close())

  it('admits what fits above the reserve, and sets it aside', async () => {
    const first = await disk.admit(600)
    await assert.rejects(disk.admit(101), { code: 'DISK_FULL', message: /101 bytes: 100 are free above the reserve/ })
    const second = await disk.admit(100)
    second.release()
    first.used(200)
    free -= 200
    const third = await disk.admit(100)
    third.release()
    first.release()
    await disk.admit(500)
  })

  it('counts bytes of which nobody knew how many would come, and leaves to others what was set aside for them', async () => {
    await disk.admit(500)
    await disk.take(200, 0)
    free -= 200
    await assert.rejects(disk.take(1, 0), { code: 'DISK_FULL' })
    await disk.take(0, 0)
  })

  it('refuses even admitted bytes where another program took the space meanwhile', async () => {
    const admission = await disk.admit(500)
    free = 350
    await assert.rejects(disk.take(100, admission.left), { code: 'DISK_FULL' })
    await disk.take(50, admission.left)
  })

  it('says when it is full, once, and when there is room again', async () => {
    await assert.rejects(disk.admit(800))
    await assert.rejects(disk.admit(701))
    assert.ok(disk.isFull)
    assert.deepEqual(
      news.map(({ full }) => full),
      [true]
    )
    free = 1099
    await disk.admit(0)
    assert.ok(disk.isFull, 'not for less than what was refused')
    const next = once(changed, 'change')
    free = 1100
    await next
    assert.deepEqual(
      news.map(({ full }) => full),
      [true, false]
    )
    assert.equal(disk.isFull, false)
  })

  it('is not full because somebody asks for more than it could ever hold', async () => {
    free = 4 * 1024 ** 3
    await assert.rejects(disk.admit(2 ** 50), { code: 'DISK_FULL' })
    assert.deepEqual(news, [])
  })

  it('recovers where the reserve is made smaller', async () => {
    await assert.rejects(disk.admit(800))
    const next = once(changed, 'change')
    disk.reserveBytes = 100
    await next
    assert.equal(disk.isFull, false)
  })

  it('says so where it cannot be asked', async () => {
    const broken = new Disk({ folder: join(tmpdir(), 'causeway-not-there') })
    await assert.rejects(broken.admit(1), { code: 'DISK_FAILED', message: /asking how much space is left/ })
  })
})

describe('storage on a disk with a reserve', () => {
  let folder: string
  let storage: Storage
  let free: number
  const bytes = randomBytes(300_000)

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-disk-'))
    free = 200_000
    storage = await openStorage({
      folder,
      disk: { reserveBytes: 100_000, measure: () => Promise.resolve({ free, total: 10 ** 9 }) }
    })
  })
  afterEach(async () => {
    await storage.close()
    await rm(folder, { recursive: true })
  })

  it('refuses before the first byte where the number is known, and takes it once there is room', async () => {
    const ingest = await storage.blobs.ingest('upload')
    await assert.rejects(ingest.expect(bytes.length), { code: 'DISK_FULL' })
    assert.equal(ingest.offset, 0)
    free = 10 ** 6
    await ingest.expect(bytes.length)
    await ingest.append(bytes)
    await ingest.commit(digestOf(bytes))
  })

  it('refuses in the middle where it is not, keeps what came, and goes on from there', async () => {
    const ingest = await storage.blobs.ingest('upload')
    await ingest.append(bytes.subarray(0, 90_000))
    await assert.rejects(ingest.append(bytes.subarray(90_000, 200_000)), { code: 'DISK_FULL' })
    await ingest.close()
    free = 10 ** 6
    const again = await storage.blobs.ingest('upload')
    assert.equal(again.offset, 90_000)
    await again.append(bytes.subarray(90_000))
    await again.commit(digestOf(bytes))
  })
})

describe('storage on a disk that is really full', function () {
  this.timeout(20_000)
  let folder: string
  let mount: string
  let mounted = false

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'causeway-full-'))
    mount = join(folder, 'mount')
    await mkdir(mount)
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount])
      mounted = true
    } catch {
      console.log('      skipped: mounting a small tmpfs needs root')
      this.skip()
    }
  })
  after(async () => {
    if (mounted) await run('umount', [mount])
    await rm(folder, { recursive: true })
  })

  it('keeps serving, refuses what does not fit, loses nothing, and recovers by itself', async () => {
    const changed = new EventEmitter()
    const storage = await openStorage({
      folder: join(mount, 'data'),
      disk: {
        reserveBytes: 4 * mebibyte,
        measuredForMs: 0,
        lookEveryMs: 20,
        onChange: (news) => changed.emit(news.full ? 'full' : 'room')
      }
    })
    try {
      const app = parseRepository('app')
      const kept = await pushImage(storage, app, { tag: '1', layers: [randomBytes(8 * mebibyte)] })
      const ballast = join(mount, 'another program')
      await writeFile(ballast, Buffer.alloc(8 * mebibyte))
      const isFull = once(changed, 'full')
      const partial = await storage.blobs.ingest('upload')
      const bytes = randomBytes(5 * mebibyte)
      await partial.append(bytes.subarray(0, mebibyte))
      await assert.rejects(
        async () => {
          for (let at = mebibyte; at < bytes.length; at += mebibyte)
            await partial.append(bytes.subarray(at, at + mebibyte))
        },
        { code: 'DISK_FULL' }
      )
      await isFull
      assert.ok(storage.disk.isFull)
      // The reserve is what the index lives on: reading and deleting go on.
      assert.equal(digestOf(await storage.blobs.bytes(kept.layers[0]!)), kept.layers[0])
      await storage.index.apply([{ kind: 'setTag', repository: app, tag: parseTag('2'), digest: kept.record.digest }])
      // And with not even that left.
      await writeFile(join(mount, 'more'), Buffer.alloc(24 * mebibyte)).catch(() => undefined)
      storage.disk.reserveBytes = 0
      await assert.rejects(putBlob(storage, randomBytes(mebibyte)), { code: 'DISK_FULL' })
      assert.equal(digestOf(await storage.blobs.bytes(kept.layers[0]!)), kept.layers[0])
      assert.equal(await storage.index.tag(app, parseTag('2')), kept.record.digest)
      const hasRoom = once(changed, 'room')
      await rm(join(mount, 'more'))
      await rm(ballast)
      await hasRoom
      await partial.append(bytes.subarray(partial.offset))
      await partial.commit(digestOf(bytes))
      await storage.close()
      const again = await openStorage({ folder: join(mount, 'data') })
      assert.equal(digestOf(await again.blobs.bytes(digestOf(bytes))), digestOf(bytes))
      assert.equal(await again.index.tag(app, parseTag('2')), kept.record.digest)
      await again.close()
    } finally {
      await storage.close()
    }
  })
})
