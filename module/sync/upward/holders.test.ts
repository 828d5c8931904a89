import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { LineLog } from '../../log/log.ts'
import { digestOf, type Digest } from '../../oci/digest.ts'
import { mediaTypes } from '../../oci/media-types.ts'
import { parseRepository, type Repository } from '../../oci/name.ts'
import { Allowance } from '../allowance.ts'
import { Patience } from '../patience.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { FakeParent } from '../testing/fake-parent.ts'
import { MemoryContent } from '../testing/memory-content.ts'
import { ChunkSize } from './chunks.ts'
import { deliver } from './deliver.ts'
import type { Item } from './item.ts'
import { UpwardQueue } from './queue.ts'
import { recordDeeds } from './recording.ts'

const alices = parseRepository('alice/app')
const bobs = parseRepository('bob/app')
const log = new LineLog(() => undefined)

describe('what goes up for a repository', () => {
  const clock = new FakeClock('2026-11-21T10:00:00Z')
  let parent: FakeParent
  let content: MemoryContent
  let queue: UpwardQueue
  let record: ReturnType<typeof recordDeeds>

  beforeEach(async () => {
    parent = new FakeParent()
    content = new MemoryContent()
    await open()
  })

  async function open(): Promise<void> {
    queue = await UpwardQueue.open(content.index, log, clock)
    record = recordDeeds(content, queue, () => true)
  }

  function hold(bytes: Buffer): Digest {
    content.held.set(digestOf(bytes), bytes)
    return digestOf(bytes)
  }

  const describeBytes = (bytes: Buffer, mediaType = 'application/x') => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length
  })

  /** What a client's push of a manifest comes to; what it names was pushed by `linked` before, or not at all. */
  async function push(repository: Repository, document: object, linked: readonly Buffer[] = []): Promise<Buffer> {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
    const { mediaType } = document as { mediaType: string }
    const digest = hold(bytes)
    await record([
      ...linked.map((blob) => ({ kind: 'linkBlob' as const, repository, digest: hold(blob) })),
      { kind: 'putManifest', repository, digest, mediaType, size: bytes.length }
    ])
    return bytes
  }

  const image = (config: Buffer, layer: Buffer) => ({
    mediaType: mediaTypes.ociManifest,
    config: describeBytes(config),
    layers: [describeBytes(layer)]
  })
  const index = (child: Buffer) => ({
    mediaType: mediaTypes.ociIndex,
    manifests: [describeBytes(child, mediaTypes.ociManifest)]
  })

  const last = (): Item => queue.items().at(-1) ?? assert.fail('nothing waits')
  const send = (item: Item): ReturnType<typeof deliver> => {
    const { signal } = new AbortController()
    return deliver(item, {
      content,
      parent,
      patience: new Patience(
        clock,
        () => 0.5,
        signal,
        () => undefined
      ),
      allowance: new Allowance(clock, content.index),
      chunks: new ChunkSize(),
      clock,
      signal,
      onSent: () => undefined
    })
  }

  it('is never a blob that only another repository holds', async () => {
    const secret = randomBytes(2000)
    await push(bobs, image(randomBytes(50), secret), [secret])
    const mine = randomBytes(50)
    await push(alices, image(mine, secret), [mine])
    await assert.rejects(send(last()), { code: 'BLOB_UNKNOWN', message: /neither here nor in the parent's alice\/app/ })
    assert.equal(parent.content.has(digestOf(secret)), false)
    parent.add(secret)
    assert.deepEqual(await send(last()), { kind: 'delivered' }, 'the parent decides by what it has there')
    assert.equal(parent.requests.filter((request) => request === `BEGIN alice/app@${digestOf(secret)}`).length, 0)
  })

  it('is never a manifest that only another repository holds, nor what that one names', async () => {
    const [config, secret] = [randomBytes(50), randomBytes(2000)]
    const child = await push(bobs, image(config, secret), [config, secret])
    await push(alices, index(child))
    await assert.rejects(send(last()), /which it names/, 'as the parent of this test minds')
    assert.deepEqual([...parent.content.keys()], [])
  })

  it('is what the repository held when it was pushed, also when that was taken out of it since', async () => {
    const [config, layer] = [randomBytes(50), randomBytes(2000)]
    const child = await push(alices, image(config, layer), [config, layer])
    const [first] = queue.items()
    const whole = await push(alices, index(child))
    await content.index.apply([
      ...[config, layer].map((blob) => ({ kind: 'unlinkBlob' as const, repository: alices, digest: digestOf(blob) })),
      { kind: 'removeManifest', repository: alices, digest: digestOf(child) }
    ])
    await open()
    for (const item of [first!, last()]) assert.equal((await send(item)).kind, 'delivered')
    assert.deepEqual(
      parent.pushed,
      [child, whole].map((bytes) => `alice/app:${digestOf(bytes)}`)
    )
  })

  it('is what the repository has got since, where the manifest came first', async () => {
    const [config, layer] = [randomBytes(50), randomBytes(2000)]
    await push(alices, image(config, layer), [config])
    await content.index.apply([{ kind: 'linkBlob', repository: alices, digest: hold(layer) }])
    assert.equal((await send(last())).kind, 'delivered')
  })

  it('is what the repository holds now, where an earlier release wrote the queue', async () => {
    const [config, layer, secret] = [randomBytes(50), randomBytes(2000), randomBytes(2000)]
    await push(bobs, image(config, secret), [config, secret])
    await push(alices, image(config, layer), [config, layer])
    const honest = last()
    await push(alices, image(config, secret))
    for (const [key, value] of await content.index.states('upward/queue/'))
      await content.index.apply([{ kind: 'setState', key, value: { ...(value as object), missing: undefined } }])
    await open()
    const item = queue.items().find(({ number }) => number === honest.number) ?? assert.fail('it is gone')
    assert.equal((await send(item)).kind, 'delivered')
    await assert.rejects(send(last()), { code: 'BLOB_UNKNOWN' })
  })
})
