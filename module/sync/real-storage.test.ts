import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once, EventEmitter } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { openStorage } from '../storage/open-storage.ts'
import type { Storage } from '../storage/storage.ts'
import type { PassResult, SyncEvent } from './events.ts'
import { runPass, type PassOptions } from './pass.ts'
import { createSync, type Sync } from './sync.ts'
import { systemClock } from './system-clock.ts'
import { fault, FakeParent } from './testing/fake-parent.ts'
import { passOptions } from './testing/pass-options.ts'

const app = parseRepository('samples/app')

describe('sync: into real storage', () => {
  let folder: string
  let storage: Storage
  let sync: Sync | undefined
  let parent: FakeParent
  let events: SyncEvent[]

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-sync-'))
    parent = new FakeParent()
    await open()
  })
  afterEach(async () => {
    await close()
    await rm(folder, { recursive: true, force: true })
  })

  async function open(): Promise<void> {
    storage = await openStorage({ folder, log: new LineLog(() => undefined) })
    events = []
  }
  async function close(): Promise<void> {
    await sync?.stop()
    await storage.close()
    sync = undefined
  }
  /** One pass of a fresh sync. */
  async function pass(...repositories: string[]): Promise<PassResult> {
    const told = new EventEmitter()
    const ended = once(told, 'ended') as Promise<[PassResult]>
    sync = createSync({
      content: storage,
      parent: () => parent,
      observer: (event) => {
        events.push(event)
        if (event.kind === 'passEnded') told.emit('ended', event.result)
      },
      log: new LineLog(() => undefined)
    })
    sync.configure({ imageSets: { all: { repositories, priority: 1 } }, intervalMinutes: 60 })
    sync.start()
    const [result] = await ended
    await sync.stop()
    return result
  }

  it('tells after a restart without a parent what is ready, globs and sparse indexes included', async () => {
    parent.put('samples/app:1.0', [5000])
    const child = parent.put('samples/app', [4000])
    const index = parent.putIndex('samples/app:multi', [child, digestOf('not copied')])
    assert.equal((await pass('samples/app')).state, 'Succeeded')
    await close()
    await open()
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    assert.equal((await pass('samples/app')).state, 'Failed')
    const planned = events.find((event) => event.kind === 'planned')
    assert.deepEqual(
      planned?.images.map(({ image, state }) => `${image} ${state}`),
      ['samples/app:1.0 ready', 'samples/app:multi ready']
    )
    assert.equal(await storage.index.tag(app, parseTag('multi')), index)
  })

  it('goes on from the partial file of the process before, and restarts it once where it holds wrong bytes', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    const image = parent.put('samples/app:1.0', [layer])
    const ingest = await storage.blobs.ingest(digestOf(layer))
    await ingest.append(Buffer.alloc(30_000, 'y'))
    await ingest.flush()
    await close()
    await open()
    assert.equal((await pass('samples/app:1.0')).state, 'Succeeded')
    assert.deepEqual(
      parent.requests
        .filter((request) => request.includes(digestOf(layer)))
        .map((request) => request.split(' ').at(-1)),
      ['30000', '0']
    )
    assert.deepEqual(await storage.blobs.bytes(digestOf(layer)), layer)
    assert.equal(await storage.index.tag(app, parseTag('1.0')), image)
  })

  it('keeps what refers to an image through a collection, as it keeps what came of the image itself', async () => {
    const [layer, small, sbom] = [50_000, 3000, 4000].map((size) => randomBytes(size))
    const image = parent.put('samples/app:1.0', [layer!, small!])
    parent.putReferrer('samples/app', image, sbom!, 'application/spdx+json')
    parent.trouble = (request) => (request.includes(`@${digestOf(layer!)}`) ? fault('PARENT_DENIED') : undefined)
    assert.equal((await pass('samples/app:1.0')).state, 'Failed')
    await close()
    await open()
    assert.equal((await storage.collectGarbage({ graceMs: 0 })).blobs, 0)
    parent.trouble = () => undefined
    assert.equal((await pass('samples/app:1.0')).state, 'Succeeded')
    for (const bytes of [small!, sbom!]) assert.equal(parent.served.get(digestOf(bytes)), bytes.byteLength)
    assert.equal(await storage.index.state('keep/sync/samples/app:1.0'), undefined)
  })

  it('keeps what is brought for an image that was here before, too', async () => {
    const options = (): PassOptions =>
      passOptions({
        content: storage,
        parent,
        imageSets: { all: { repositories: ['samples/app:1.0'], priority: 1 } },
        observer: () => undefined,
        clock: systemClock,
        looksForReferrers: () => true
      })
    const sbom = randomBytes(4000)
    const referrer = parent.putReferrer('samples/app', parent.put('samples/app:1.0', [1000]), sbom)
    const refused = digestOf(Buffer.from('{}'))
    parent.hasReferrers = false
    await runPass(options())
    parent.hasReferrers = true
    parent.trouble = (request) => (request.includes(`@${refused}`) ? fault('PARENT_DENIED') : undefined)
    assert.equal((await runPass(options())).succeeded, false)
    assert.equal((await storage.collectGarbage({ graceMs: 0 })).blobs, 0)
    parent.trouble = () => undefined
    assert.equal((await runPass(options())).succeeded, true)
    assert.equal(parent.served.get(digestOf(sbom)), sbom.byteLength)
    assert.notEqual(await storage.index.manifest(app, referrer), undefined)
    assert.equal(await storage.index.state('keep/sync/samples/app:1.0'), undefined)
  })
})
