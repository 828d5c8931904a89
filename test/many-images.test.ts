import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LineLog } from '../module/log/log.ts'
import { readManifest } from '../module/oci/manifest.ts'
import { parseRepository, parseTag } from '../module/oci/name.ts'
import { createParent, type Parent } from '../module/parent/parent.ts'
import { openStorage } from '../module/storage/open-storage.ts'
import type { Storage } from '../module/storage/storage.ts'
import type { Clock } from '../module/sync/ports.ts'
import { createSync, type Sync } from '../module/sync/sync.ts'
import { CloudFixture } from '../simulator/cloud-fixture.ts'

const repositories = ['fleet/app0', 'fleet/app1', 'fleet/app2'].map(parseRepository)
const tags = Array.from({ length: 20 }, (_, number) => parseTag(`1.${number}`))
/** Every image has ten layers, and two of them are in all images of its repository. */
const layersOf = (repository: string, tag: string): { size: number; seed: string }[] =>
  Array.from({ length: 10 }, (_, layer) => ({
    size: 20_000,
    seed: layer < 2 ? `${repository} ${layer}` : `${repository} ${tag} ${layer}`
  }))

/** What `bench/sync.ts` measures with a thousand images, in small: bytes and requests, which no load changes. */
describe('many images that share layers, from the pretend ACR', function () {
  this.timeout(60_000)
  let folder: string
  let world: CloudFixture
  let parent: Parent
  let storage: Storage
  let sync: Sync
  /** Comes when the sync pauses between two passes, with what ends the pause. */
  let paused = Promise.withResolvers<() => void>()
  let ended = Promise.withResolvers<{ bytesFetched: number; state: string }>()
  let requests = 0
  /** Through the outbound proxy. */
  let connections = 0
  let bytes = 0
  const onRequest = (message: unknown): void => {
    if ((message as { request: { method: string } }).request.method === 'CONNECT') connections += 1
    else requests += 1
  }
  const onBytes = (message: unknown): void => void (bytes += (message as { chunk: Buffer }).chunk.length)

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-many-'))
    world = await CloudFixture.start()
    const cloud = world.cloud.registry('contoso')
    for (const repository of repositories)
      for (const tag of tags) await cloud.pushImage(repository, tag, { layers: layersOf(repository, tag) })
    const { username, password } = cloud.addToken('sync-token', [
      'repositories/*/content/read',
      'repositories/*/metadata/read'
    ])
    const log = new LineLog(() => undefined)
    parent = createParent({
      origin: 'https://contoso.azurecr.io',
      tokenName: username,
      password,
      environment: { https_proxy: world.network.proxyUrl },
      extraCertificates: await readFile(world.caFile, 'utf8'),
      userAgent: 'causeway-test',
      log
    })
    storage = await openStorage({ folder, log })
    /** Real, but for the pause between two passes, which is over when a test says so. */
    const clock: Clock = {
      now: Date.now,
      elapsed: () => performance.now(),
      delay: (milliseconds, signal) =>
        milliseconds < 60_000
          ? delay(milliseconds, undefined, { signal })
          : new Promise((resolve, reject) => {
              paused.resolve(resolve)
              signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
            })
    }
    sync = createSync({
      content: storage,
      parent: () => parent,
      observer: (event) => {
        if (event.kind === 'passEnded') ended.resolve({ bytesFetched: event.bytesFetched, state: event.result.state })
      },
      log,
      clock,
      random: () => 0.5
    })
    subscribe('undici:request:create', onRequest)
    subscribe('undici:request:bodyChunkReceived', onBytes)
  })
  after(async () => {
    unsubscribe('undici:request:create', onRequest)
    unsubscribe('undici:request:bodyChunkReceived', onBytes)
    await sync.stop()
    await parent.close()
    await storage.close()
    await world.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function pass(begin: () => void): Promise<{ bytesFetched: number; requests: number; bytes: number }> {
    requests = connections = bytes = 0
    paused = Promise.withResolvers()
    ended = Promise.withResolvers()
    begin()
    const { bytesFetched, state } = await ended.promise
    assert.equal(state, 'Succeeded')
    return { bytesFetched, requests, bytes }
  }

  it('come with each blob once, and nothing else to speak of', async () => {
    const { bytesFetched, bytes: all } = await pass(() => {
      sync.configure({
        imageSets: { all: { repositories: repositories.map((repository) => `${repository}:*`), priority: 1 } },
        intervalMinutes: 15
      })
      sync.start()
    })
    const blobs = new Map<string, number>()
    let manifests = 0
    for (const repository of repositories)
      for (const tag of tags) {
        const digest = (await storage.index.tag(repository, tag)) ?? assert.fail(`${repository}:${tag} is not here`)
        const manifest = await storage.blobs.bytes(digest)
        manifests += manifest.length
        for (const { digest: blob, size } of readManifest(manifest).blobs) blobs.set(blob, size)
      }
    assert.equal(blobs.size, 3 * (2 + 20 * (8 + 1)))
    const needed = [...blobs.values()].reduce((sum, size) => sum + size, 0)
    assert.equal(bytesFetched, needed)
    // Tag lists, tokens and the bodies of redirects come on top.
    const ratio = all / (needed + manifests)
    console.log(`      bytes of all answers ÷ bytes of blobs and manifests: ${ratio.toFixed(4)}`)
    assert.ok(ratio >= 1 && ratio < 1.02, String(ratio))
  })

  it('cost little more than one request each where nothing is new', async () => {
    const { bytesFetched, requests: asked } = await pass(await paused.promise)
    assert.equal(bytesFetched, 0)
    console.log(
      `      ${asked} requests for ${repositories.length * tags.length} tags, over ${connections} new connections`
    )
    assert.ok(asked >= 60 && asked <= 66, String(asked))
    // Of those that are asked for at once, and not one for each tag.
    assert.ok(connections <= 8, String(connections))
  })
})
