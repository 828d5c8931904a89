import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once, EventEmitter } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../module/log/log.ts'
import { digestOf } from '../module/oci/digest.ts'
import { parseRepository, parseTag } from '../module/oci/name.ts'
import type { Authorizer, TokenIssuer } from '../module/registry/authorizer.ts'
import { createRegistry } from '../module/registry/registry.ts'
import { createHttpServer } from '../module/registry/server.ts'
import { commitGate } from '../module/storage/index-protocol.ts'
import { openStorage, type StorageOptions } from '../module/storage/open-storage.ts'
import { storagePaths } from '../module/storage/paths.ts'
import type { Storage } from '../module/storage/storage.ts'
import { pushImage } from '../module/storage/testing.ts'
import type { PassResult } from '../module/sync/events.ts'
import { createSync } from '../module/sync/sync.ts'
import { fault, FakeParent } from '../module/sync/testing/fake-parent.ts'

const app = parseRepository('samples/app')
const log = new LineLog(() => undefined)
const atOnce = { graceMs: 0, untaggedMs: () => 0, leftoverMs: 0 }

describe('content over the years', () => {
  let folder: string
  let storage: Storage
  let server: Server | undefined
  let origin: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-years-'))
    await start()
  })
  afterEach(async () => {
    await stop()
    await rm(folder, { recursive: true })
  })

  async function start(options: Omit<StorageOptions, 'folder'> = {}): Promise<void> {
    storage = await openStorage({ folder, log, ...options })
    const everybody: Authorizer & TokenIssuer = {
      authorize: () =>
        Promise.resolve({ kind: 'allowed', caller: { name: 'x', catalog: [{ prefix: '' }], may: () => true } }),
      issue: () => Promise.resolve({})
    }
    const registry = createRegistry({
      content: storage,
      authorizer: everybody,
      tokens: everybody,
      log,
      mode: () => 'ReadWrite'
    })
    server = createHttpServer([registry], log)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  async function stop(): Promise<void> {
    server?.close()
    server?.closeAllConnections()
    await storage.close()
  }
  async function restart(options?: Omit<StorageOptions, 'folder'>): Promise<void> {
    await stop()
    await start(options)
  }

  /** One pass of a fresh sync. */
  async function pass(parent: FakeParent, ...repositories: string[]): Promise<PassResult> {
    const told = new EventEmitter()
    const ended = once(told, 'ended') as Promise<[PassResult]>
    const sync = createSync({
      content: storage,
      parent: () => parent,
      observer: (event) => {
        if (event.kind === 'passEnded') told.emit('ended', event.result)
      },
      log
    })
    sync.configure({ imageSets: { all: { repositories, priority: 1 } }, intervalMinutes: 60 })
    sync.start()
    const [result] = await ended
    await sync.stop()
    return result
  }
  const get = (path: string, milliseconds = 20_000): Promise<Response> =>
    fetch(`${origin}/v2/${path}`, { signal: AbortSignal.timeout(milliseconds) })
  async function upload(repository: string, bytes: Buffer): Promise<Response> {
    const begun = await fetch(`${origin}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    await begun.arrayBuffer()
    if (begun.status !== 202) return begun
    const location = begun.headers.get('location') ?? ''
    const mark = location.includes('?') ? '&' : '?'
    return fetch(`${origin}${location}${mark}digest=${digestOf(bytes)}`, { method: 'PUT', body: new Uint8Array(bytes) })
  }

  it('a lost index costs no blob byte', async () => {
    const parent = new FakeParent()
    const digest = parent.put('samples/app:1.0', [200_000, 5000])
    assert.equal((await pass(parent, 'samples/app:1.0')).state, 'Succeeded')
    const paid = parent.totalServed()
    assert.equal(paid, parent.blobBytes(digest))
    await stop()
    for (const suffix of ['', '-wal', '-shm']) await rm(storagePaths(folder).index + suffix, { force: true })
    await start()
    assert.equal((await get('samples/app/manifests/1.0')).status, 404)
    assert.equal((await pass(parent, 'samples/app:1.0')).state, 'Succeeded')
    assert.equal(parent.totalServed(), paid)
    assert.equal((await get('samples/app/manifests/1.0')).headers.get('docker-content-digest'), digest)
  })

  it('a flipped bit is found, not served, and fetched again, alone', async () => {
    const parent = new FakeParent()
    const layer = randomBytes(300_000)
    parent.put('samples/app:1.0', [layer, 400_000])
    await pass(parent, 'samples/app:1.0')
    const paid = parent.totalServed()
    const file = await open(storagePaths(folder).blob(digestOf(layer)), 'r+')
    await file.write(Buffer.from([layer[7]! ^ 4]), 0, 1, 7)
    await file.close()
    assert.deepEqual((await storage.scrub({ bytesPerSecond: 1e12 })).damaged, [digestOf(layer)])
    assert.equal((await get(`samples/app/blobs/${digestOf(layer)}`)).status, 404)
    assert.equal((await pass(parent, 'samples/app:1.0')).state, 'Succeeded')
    assert.equal(parent.totalServed() - paid, layer.length)
    const served = await get(`samples/app/blobs/${digestOf(layer)}`)
    assert.ok(Buffer.from(await served.arrayBuffer()).equals(layer))
  })

  it('a sync that was cut off keeps what it paid for, whatever is collected meanwhile', async () => {
    const parent = new FakeParent()
    const digest = parent.put('samples/app:1.0', [100_000, 90_000, 80_000])
    let pieces = 0
    parent.onPiece = (_digest, _offset, piece) => {
      pieces += 1
      if (pieces > 150) throw fault('PARENT_UNAUTHORIZED')
      return piece
    }
    assert.equal((await pass(parent, 'samples/app:1.0')).state, 'Failed')
    const paid = parent.totalServed()
    assert.ok(paid > 100_000, String(paid))
    await restart()
    await storage.collectGarbage(atOnce)
    parent.onPiece = (_digest, _offset, piece) => piece
    assert.equal((await pass(parent, 'samples/app:1.0')).state, 'Succeeded')
    assert.equal(parent.totalServed(), parent.blobBytes(digest))
    await storage.collectGarbage(atOnce)
    assert.equal((await get('samples/app/manifests/1.0')).status, 200)
  })

  it('a tag that moved frees what only its old image needed', async () => {
    const parent = new FakeParent()
    const shared = randomBytes(50_000)
    parent.put('samples/app:1.0', [shared, 70_000])
    await pass(parent, 'samples/app:1.0')
    parent.put('samples/app:1.0', [shared, 60_000])
    await pass(parent, 'samples/app:1.0')
    assert.equal((await storage.collectGarbage()).bytes, 0, 'not within a day')
    const { blobs, bytes } = await storage.collectGarbage(atOnce)
    assert.equal(blobs, 2, 'a layer and a manifest')
    assert.ok(bytes > 70_000 && bytes < 80_000)
    assert.equal((await storage.scrub({ bytesPerSecond: 1e12 })).blobs, 4)
  })

  it('a blob is kept once for all repositories, and given out only by those that hold it', async () => {
    const layer = randomBytes(100_000)
    await pushImage(storage, app, { tag: '1', layers: [layer] })
    await pushImage(storage, parseRepository('samples/other'), { tag: '1', layers: [layer] })
    await pushImage(storage, parseRepository('private/app'), { tag: '1' })
    // The shared layer, three configs, three manifests, and the two layers of the third image.
    assert.equal((await storage.scrub({ bytesPerSecond: 1e12 })).blobs, 1 + 3 + 3 + 2)
    const path = `blobs/${digestOf(layer)}`
    for (const name of ['samples/app', 'samples/other']) assert.equal((await get(`${name}/${path}`)).status, 200)
    for (const name of ['private/app', 'nobody/knows']) assert.equal((await get(`${name}/${path}`)).status, 404)
    // Taken from one, it stays with the other.
    await fetch(`${origin}/v2/samples/app/${path}`, { method: 'DELETE' })
    assert.equal((await get(`samples/app/${path}`)).status, 404)
    await storage.collectGarbage(atOnce)
    assert.equal((await get(`samples/other/${path}`)).status, 200)
  })

  it('a full disk refuses pushes with 507 before the first byte, serves on, and takes them when there is room', async () => {
    let free = 10 ** 9
    await restart({
      disk: { reserveBytes: 10 ** 6, measuredForMs: 0, measure: () => Promise.resolve({ free, total: 10 ** 9 }) }
    })
    const { record } = await pushImage(storage, app, { tag: '1' })
    free = 1_050_000
    const bytes = randomBytes(100_000)
    const refused = await upload('samples/app', bytes)
    assert.equal(refused.status, 507)
    const { errors } = (await refused.json()) as { errors: { code: string; message: string }[] }
    assert.equal(errors[0]!.code, 'UNAVAILABLE')
    assert.match(errors[0]!.message, /full/)
    assert.ok(storage.disk.isFull)
    assert.equal((await get('samples/app/manifests/1')).headers.get('docker-content-digest'), record.digest)
    free = 10 ** 9
    assert.equal((await upload('samples/app', bytes)).status, 201)
  })

  it('a sync on a full disk pays for nothing that would not fit', async () => {
    let free = 1_100_000
    await restart({
      disk: { reserveBytes: 10 ** 6, measuredForMs: 0, measure: () => Promise.resolve({ free, total: 10 ** 9 }) }
    })
    const parent = new FakeParent()
    parent.put('samples/app:1.0', [300_000])
    assert.equal((await pass(parent, 'samples/app:1.0')).state, 'Failed')
    assert.ok(parent.totalServed() < 1000, 'but for the config')
    free = 10 ** 9
    assert.equal((await pass(parent, 'samples/app:1.0')).state, 'Succeeded')
  })

  it('pulls are answered while a sync and pushes wait for a disk that hangs', async function () {
    // Opening a pipe that nobody writes to takes one of the threads that Node has for files, as an fsync on a slow card does.
    const pipe = join(folder, 'pipe')
    if (spawnSync('mkfifo', [pipe]).status !== 0) this.skip()
    let hangs = false
    let hanging = 0
    const news = new EventEmitter()
    const beforeSync = async (): Promise<void> => {
      if (!hangs) return
      hanging += 1
      news.emit('hanging')
      await (await open(pipe, 'r')).close()
    }
    await restart({ durability: { beforeSync } })
    const { record, layers } = await pushImage(storage, app, { tag: '1' })
    const parent = new FakeParent()
    const wanted = parent.put('samples/other:1.0', [200_000, 300_000, 400_000])
    // Once the manifest is here, so that all of its blobs are on their way.
    parent.trouble = (request) => {
      hangs ||= request.startsWith('BLOB')
      return undefined
    }
    const hung = once(news, 'hanging')
    const syncing = pass(parent, 'samples/other:1.0')
    await hung
    const pushing = [1, 2, 3].map((size) => upload('samples/app', randomBytes(1000 * size)))
    let release: number | undefined
    try {
      for (let round = 0; round < 50; round += 1) {
        const manifest = await get('samples/app/manifests/1', 5000)
        assert.equal(manifest.headers.get('docker-content-digest'), record.digest)
        const blob = await get(`samples/app/blobs/${layers[0]!}`, 5000)
        assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), layers[0])
      }
      assert.ok(hanging >= 2, String(hanging))
      assert.equal(await storage.index.tag(parseRepository('samples/other'), parseTag('1.0')), undefined)
    } finally {
      // Without waiting, and by a call that needs no thread.
      hangs = false
      release = openSync(pipe, 'r+')
    }
    assert.deepEqual(await Promise.all(pushing.map(async (each) => (await each).status)), [201, 201, 201])
    assert.equal((await syncing).state, 'Succeeded')
    closeSync(release)
    assert.equal(await storage.index.tag(parseRepository('samples/other'), parseTag('1.0')), wanted)
  })

  it('pulls are answered while a push waits for a disk that takes its time', async () => {
    const gate = new SharedArrayBuffer(8)
    const view = new Int32Array(gate)
    await restart({ durability: { commitGate: gate } })
    const { record, layers } = await pushImage(storage, app, { tag: '1' })
    Atomics.store(view, commitGate.closed, 1)
    let isPushed = false
    const bytes = randomBytes(1000)
    const pushing = upload('samples/app', bytes).then((answer) => {
      isPushed = true
      return answer
    })
    for (let round = 0; round < 50; round += 1) {
      assert.equal((await get('samples/app/manifests/1')).headers.get('docker-content-digest'), record.digest)
      const blob = await get(`samples/app/blobs/${layers[0]!}`)
      assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), layers[0])
      assert.equal((await get(`samples/app/blobs/${digestOf(bytes)}`)).status, 404, 'not acknowledged, not there')
    }
    assert.equal(isPushed, false)
    Atomics.store(view, commitGate.closed, 0)
    Atomics.notify(view, commitGate.closed)
    assert.equal((await pushing).status, 201)
    assert.equal(await storage.index.hasBlob(app, digestOf(bytes)), true)
    assert.equal(await storage.index.tag(app, parseTag('1')), record.digest)
  })
})
