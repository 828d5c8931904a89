import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http, { type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isInstalled, Program, skip } from '../../test/real-tools.ts'
import { LineLog } from '../log/log.ts'
import { digestOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { createParent, type Parent } from '../parent/parent.ts'
import { openStorage } from '../storage/open-storage.ts'
import type { Storage } from '../storage/storage.ts'
import type { SyncEvent } from './events.ts'
import type { Clock } from './ports.ts'
import { createSync, type Sync } from './sync.ts'

const repository = parseRepository('samples/app')

describe('sync: from a real registry into real storage', () => {
  let folder: string
  let registry: Program | undefined
  let origin: string

  before(async function () {
    if (!isInstalled('docker-registry')) skip(this, "Debian's docker-registry is not installed")
    folder = await mkdtemp(join(tmpdir(), 'causeway-sync-'))
    const configuration = {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'parent') }, redirect: { disable: true } },
      http: { addr: '127.0.0.1:0' }
    }
    await writeFile(join(folder, 'registry.yml'), JSON.stringify(configuration))
    registry = new Program('docker-registry', ['serve', join(folder, 'registry.yml')], { OTEL_TRACES_EXPORTER: 'none' })
    const [, address = ''] = await registry.says(/listening on (127\.0\.0\.1:\d+)/)
    origin = `http://${address}`
  })

  after(async () => {
    await registry?.end('SIGKILL')
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true, force: true })
  })

  const cleanUps: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })

  async function openContent(name: string): Promise<Storage> {
    const storage = await openStorage({ folder: join(folder, name), log: new LineLog(() => undefined) })
    cleanUps.push(() => storage.close())
    return storage
  }

  function makeParent(at: string): Parent {
    const parent = createParent({ origin: at, userAgent: 'causeway-test', log: new LineLog(() => undefined) })
    cleanUps.push(() => parent.close())
    return parent
  }

  function start(
    storage: Storage,
    parent: Parent,
    repositories: readonly string[],
    clock?: Clock
  ): { sync: Sync; events: SyncEvent[] } {
    const events: SyncEvent[] = []
    const sync = createSync({
      content: storage,
      parent: () => parent,
      observer: (event) => events.push(event),
      log: new LineLog(() => undefined),
      ...(clock === undefined ? {} : { clock })
    })
    cleanUps.push(() => sync.stop())
    sync.configure({ imageSets: { all: { repositories: [...repositories], priority: 1 } }, intervalMinutes: 60 })
    sync.start()
    return { sync, events }
  }

  async function pushBlob(bytes: Buffer): Promise<{ mediaType: string; digest: Digest; size: number }> {
    const digest = digestOf(bytes)
    const begun = await fetch(`${origin}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    const place = new URL(begun.headers.get('location') ?? '', origin)
    place.searchParams.set('digest', digest)
    const ended = await fetch(place, { method: 'PUT', body: new Uint8Array(bytes) })
    assert.equal(ended.status, 201, await ended.text())
    return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: bytes.byteLength }
  }

  async function pushManifest(
    document: { schemaVersion: number; mediaType: string; [key: string]: unknown },
    reference?: string
  ) {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf(bytes)
    const answer = await fetch(`${origin}/v2/${repository}/manifests/${reference ?? digest}`, {
      method: 'PUT',
      headers: { 'content-type': document.mediaType },
      body: bytes
    })
    assert.equal(answer.status, 201, await answer.text())
    return { mediaType: document.mediaType, digest, size: bytes.byteLength }
  }

  async function pushImage(layers: readonly Buffer[], reference?: string) {
    const config = { ...(await pushBlob(randomBytes(200))), mediaType: 'application/vnd.oci.image.config.v1+json' }
    const descriptors = []
    for (const layer of layers) descriptors.push(await pushBlob(layer))
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: descriptors }
    return pushManifest(manifest, reference)
  }

  it('brings an index with two platforms, follows tags by glob, and moves a tag when it moves there', async () => {
    const shared = randomBytes(300_000)
    const children = [await pushImage([shared, randomBytes(1000)]), await pushImage([shared, randomBytes(1000)])]
    const index = await pushManifest(
      { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: children },
      'multi-1'
    )
    const single = await pushImage([shared], 'single-1')
    const storage = await openContent('index')
    const { sync, events } = start(storage, makeParent(origin), [`${repository}:multi-*`, `${repository}:single-1`])
    assert.equal((await sync.syncNow())?.state, 'Succeeded')
    assert.equal(await storage.index.tag(repository, parseTag('multi-1')), index.digest)
    assert.equal(await storage.index.tag(repository, parseTag('single-1')), single.digest)
    for (const { digest } of children)
      assert.equal((await storage.index.manifest(repository, digest))?.mediaType, mediaTypes.ociManifest)
    assert.deepEqual(await storage.blobs.bytes(digestOf(shared)), shared)
    assert.equal(await storage.index.hasBlob(repository, digestOf(shared)), true)
    const fetched = events.flatMap((event) => (event.kind === 'passEnded' ? [event.bytesFetched] : []))
    assert.deepEqual(fetched, [300_000 + 2 * 1000 + 3 * 200])
    const moved = await pushImage([shared, randomBytes(10)], 'single-1')
    assert.equal((await sync.syncNow())?.state, 'Succeeded')
    assert.equal(await storage.index.tag(repository, parseTag('single-1')), moved.digest)
  })

  it('pays for each byte once over cut links and a restart', async () => {
    const layer = randomBytes(6 * 1024 * 1024)
    const image = await pushImage([layer], 'large')
    const link = await cuttingLink(new URL(origin).port, 1024 * 1024)
    cleanUps.push(() => link.close())
    const partly = await openContent('resume')
    // A wait after a cut begins when all that arrived is on disk: the process "dies" in the second one.
    const firstClock = impatientClock(2)
    const first = start(partly, makeParent(link.origin), [`${repository}:large`], firstClock)
    await firstClock.reached
    await first.sync.stop()
    await partly.close()
    const storage = await openContent('resume')
    const { sync } = start(storage, makeParent(link.origin), [`${repository}:large`], impatientClock(100))
    assert.equal((await sync.syncNow())?.state, 'Succeeded')
    assert.equal(await storage.index.tag(repository, parseTag('large')), image.digest)
    assert.deepEqual(await storage.blobs.bytes(digestOf(layer)), layer)
    assert.equal(link.bodyBytes(), layer.byteLength)
  })
})

/** Waits in a pass end at once, but for the given one, and those between passes, which end by abortion only. */
function impatientClock(lastWait: number): Clock & { readonly reached: Promise<void> } {
  const { promise: reached, resolve: reach } = Promise.withResolvers<undefined>()
  let waits = 0
  return {
    reached: reached.then(() => undefined),
    now: () => Date.now(),
    elapsed: () => performance.now(),
    delay: async (milliseconds, signal) => {
      signal.throwIfAborted()
      waits += 1
      if (waits === lastWait) reach(undefined)
      if (waits < lastWait && milliseconds < 10_000) return
      await once(signal, 'abort')
      throw signal.reason as Error
    }
  }
}

/** Passes requests on, and breaks each answer to a large blob after so many bytes of it. */
async function cuttingLink(port: string, cutAfter: number) {
  let bodyBytes = 0
  const server: Server = http.createServer((request, response) => {
    const { method, url: path, headers } = request
    const upstream = http.request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      let sent = 0
      answer.on('data', (chunk: Buffer) => {
        const large = Number(answer.headers['content-length']) > 100_000
        const room = large ? cutAfter - sent : chunk.byteLength
        const piece = chunk.subarray(0, Math.max(0, room))
        sent += piece.byteLength
        if (large) bodyBytes += piece.byteLength
        const cut = large && sent >= cutAfter
        if (piece.byteLength === 0) return
        if (cut) answer.destroy()
        response.write(piece, () => {
          if (cut) response.destroy()
        })
      })
      answer.on('end', () => response.end())
      answer.on('error', () => undefined)
    })
    upstream.on('error', () => response.destroy())
    upstream.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodyBytes: () => bodyBytes,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}
