import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { LineLog } from '../../log/log.ts'
import { digestOf, hexOf, type Digest } from '../../oci/digest.ts'
import { mediaTypes } from '../../oci/media-types.ts'
import { parseRepository, parseTag, type Repository } from '../../oci/name.ts'
import { Allowance } from '../allowance.ts'
import { createSync } from '../sync.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { fault, FakeParent } from '../testing/fake-parent.ts'
import { MemoryContent } from '../testing/memory-content.ts'
import { besideTag } from './deliver.ts'
import { UpwardQueue } from './queue.ts'
import { recordDeeds } from './recording.ts'
import { Upward, type UpwardConfiguration } from './upward.ts'

const app = parseRepository('plant/app')
const other = parseRepository('plant/other')
const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const lines: string[] = []
const log = new LineLog((line) => lines.push(line))

describe('the way up', () => {
  let clock: FakeClock
  let parent: FakeParent
  let content: MemoryContent
  let queue: UpwardQueue
  let upward: Upward
  let mode: 'ReadWrite' | 'ReadOnly'
  let record: ReturnType<typeof recordDeeds>
  /** The ids that the parent was asked with. */
  const asked: (string | undefined)[] = []

  beforeEach(async () => {
    clock = new FakeClock('2026-11-21T10:00:00Z')
    parent = new FakeParent()
    content = new MemoryContent()
    mode = 'ReadWrite'
    lines.length = asked.length = 0
    await open()
  })
  afterEach(async () => upward.stop())

  /** As after a start: with nothing but what was written down. */
  async function open(configuration: UpwardConfiguration = { timeToLive: 2 * day }): Promise<void> {
    queue = await UpwardQueue.open(content.index, log, clock)
    record = recordDeeds(content, queue, () => mode === 'ReadWrite')
    const allowance = new Allowance(clock, content.index)
    const target = (correlationId?: string): FakeParent => {
      asked.push(correlationId)
      return parent
    }
    upward = new Upward({ queue, content, parent: target, allowance, log, clock, random: () => 0.5 })
    upward.configure(configuration)
  }

  function hold(bytes: Buffer): Digest {
    content.held.set(digestOf(bytes), bytes)
    return digestOf(bytes)
  }

  function manifestOf(...layers: readonly Buffer[]): Buffer {
    const describe = (bytes: Buffer) => ({ mediaType: 'application/x', digest: hold(bytes), size: bytes.length })
    const config = Buffer.from(JSON.stringify({ noise: randomBytes(8).toString('hex') }))
    return Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: describe(config),
        layers: layers.map(describe)
      })
    )
  }

  /** What a client's push comes to. */
  async function push(name: string, layers: readonly Buffer[] = [randomBytes(5000)]): Promise<Digest> {
    const [repository, tag] = name.split(':') as [Repository, string | undefined]
    const bytes = manifestOf(...layers)
    const digest = hold(bytes)
    const { config, layers: described } = JSON.parse(bytes.toString()) as {
      config: { digest: Digest }
      layers: { digest: Digest }[]
    }
    await record([
      ...[config, ...described].map((blob) => ({ kind: 'linkBlob' as const, repository, digest: blob.digest })),
      { kind: 'putManifest', repository, digest, mediaType: mediaTypes.ociManifest, size: bytes.length },
      ...(tag === undefined ? [] : [{ kind: 'setTag' as const, repository, tag: parseTag(tag), digest }])
    ])
    return digest
  }

  const remove = (repository: Repository, tag: string): Promise<void> =>
    record([{ kind: 'removeTag', repository, tag: parseTag(tag) }])
  const there = (repository: Repository, tag: string): Digest | undefined =>
    parent.tagsOf.get(repository)?.get(parseTag(tag))
  const troubles = (): string[] => queue.history.troubles.map(({ kind, what }) => `${kind} ${what}`)

  async function goUp(milliseconds = minute): Promise<void> {
    upward.start()
    await clock.advance(milliseconds)
  }

  it('takes a push up: blobs, then the manifest, then nothing waits', async () => {
    const digest = await push('plant/app:1')
    assert.equal(queue.size, 1)
    await goUp()
    assert.equal(there(app, '1'), digest)
    assert.deepEqual([queue.size, queue.history.counts.delivered], [0, 1])
    assert.deepEqual(await content.index.states('keep/'), [], 'garbage collection may have its way again')
    assert.deepEqual(await content.index.states('upward/upload/'), [])
  })

  it('gives each delivery an id: to the parent, and in the log', async () => {
    await push('plant/app:1')
    await push('plant/app:2')
    await goUp()
    const told = lines.map((line) => / upwards: delivered .* correlationId=([0-9a-f-]{36})\n/.exec(line)?.[1])
    assert.equal(new Set(told).size, 2)
    assert.ok(told.every((id) => id !== undefined && asked.includes(id)))
  })

  it('has a push in the queue as soon as it is acknowledged, and its bytes spared, also after a start', async () => {
    const digest = await push('plant/app:1')
    const [[, kept] = []] = await content.index.states('keep/upward/')
    assert.deepEqual(kept, { digest, at: clock.now(), lasting: true })
    await open()
    assert.equal(queue.size, 1)
    await goUp()
    assert.equal(there(app, '1'), digest)
  })

  it('queues nothing of a push that is refused', async () => {
    const digest = digestOf('not here')
    await assert.rejects(
      record([
        { kind: 'putManifest', repository: app, digest, mediaType: mediaTypes.ociManifest, size: 1 },
        { kind: 'setTag', repository: app, tag: parseTag('1'), digest }
      ])
    )
    assert.deepEqual([queue.size, queue.pushes.isWaiting(app, parseTag('1'))], [0, false])
  })

  it('queues nothing where it may not, and goes on with what waits', async () => {
    const digest = await push('plant/app:1')
    mode = 'ReadOnly'
    await push('plant/app:2')
    await goUp()
    assert.deepEqual([there(app, '1'), there(app, '2')], [digest, undefined])
  })

  it('sends only what the parent lacks', async () => {
    const shared = randomBytes(50_000)
    parent.add(shared)
    await push('plant/app:1', [shared, randomBytes(1000)])
    await goUp()
    assert.ok(parent.received < 1200, String(parent.received))
  })

  it('keeps the order: each push of a tag, children before their index, deletes where they were made', async () => {
    const first = await push('plant/app:1')
    const child = await push('plant/app')
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
        manifests: [{ mediaType: mediaTypes.ociManifest, digest: child, size: content.held.get(child)!.byteLength }]
      })
    )
    const digest = hold(index)
    await record([
      { kind: 'putManifest', repository: app, digest, mediaType: mediaTypes.ociIndex, size: index.length },
      { kind: 'setTag', repository: app, tag: parseTag('multi'), digest }
    ])
    const second = await push('plant/app:1')
    await remove(app, '1')
    await goUp()
    assert.deepEqual(parent.pushed, ['plant/app:1', `plant/app:${child}`, 'plant/app:multi', 'plant/app:1'])
    assert.equal(parent.requests.at(-1), 'DELETE plant/app:1')
    assert.ok(parent.content.has(first) && parent.content.has(second), 'both were delivered')
    assert.deepEqual([troubles(), there(app, '1'), there(app, 'multi')], [[], undefined, digest])
  })

  describe('where the parent changed meanwhile', () => {
    /** As if sync had brought it. */
    async function bring(name: string): Promise<Digest> {
      const [repository = '', tag = ''] = name.split(':')
      const layer = randomBytes(100)
      const digest = parent.put(name, [layer])
      const bytes = parent.content.get(digest)!
      const { config } = JSON.parse(bytes.toString()) as { config: { digest: Digest } }
      for (const each of [bytes, layer, parent.content.get(config.digest)!]) hold(each)
      await content.index.apply([
        ...[config.digest, digestOf(layer)].map((blob) => ({
          kind: 'linkBlob' as const,
          repository: parseRepository(repository),
          digest: blob
        })),
        {
          kind: 'putManifest',
          repository: parseRepository(repository),
          digest,
          mediaType: mediaTypes.ociManifest,
          size: bytes.length
        },
        { kind: 'setTag', repository: parseRepository(repository), tag: parseTag(tag), digest }
      ])
      return digest
    }

    it('replaces what was known here to be there', async () => {
      await bring('plant/app:1')
      const [first, second] = [await push('plant/app:1'), await push('plant/app:1')]
      await goUp()
      assert.notEqual(first, second)
      assert.deepEqual([there(app, '1'), troubles()], [second, []])
    })

    it('leaves a tag that has moved above, and puts the image beside it', async () => {
      await bring('plant/app:1')
      const mine = await push('plant/app:1')
      const theirs = parent.put('plant/app:1', [10])
      await goUp()
      assert.equal(there(app, '1'), theirs)
      assert.equal(there(app, besideTag(parseTag('1'), mine)), mine)
      assert.deepEqual(troubles(), ['conflict push plant/app:1'])
      assert.match(queue.history.troubles[0]?.reason ?? '', /there as plant\/app:conflict-[0-9a-f]{12}-1$/)
    })

    it('leaves a tag that both pushed, and knows of it from then on', async () => {
      const theirs = parent.put('plant/app:1', [10])
      const mine = await push('plant/app:1')
      await goUp()
      assert.deepEqual([there(app, '1'), troubles()], [theirs, ['conflict push plant/app:1']])
      await upward.stop()
      await open()
      const knowing = await push('plant/app:1')
      await goUp()
      assert.equal(there(app, '1'), knowing, 'whoever pushes again after that was told means it')
      assert.ok(parent.content.has(mine))
    })

    it('is content where both pushed the same', async () => {
      const mine = await push('plant/app:1')
      parent.add(Buffer.from(content.held.get(mine)!))
      parent.tagsOf.set(app, new Map([[parseTag('1'), mine]]))
      await goUp()
      assert.deepEqual([troubles(), queue.history.counts.delivered, parent.pushed], [[], 1, []])
    })

    it('looks again after a long upload', async () => {
      const mine = await push('plant/app:1')
      let theirs: Digest | undefined
      parent.onReceive = () => void (theirs ??= parent.put('plant/app:1', [10]))
      await goUp()
      assert.ok(theirs !== undefined)
      assert.deepEqual([there(app, '1'), there(app, besideTag(parseTag('1'), mine))], [theirs, mine])
    })

    it('does not delete what was pushed above since', async () => {
      await bring('plant/app:1')
      await remove(app, '1')
      const theirs = parent.put('plant/app:1', [10])
      await goUp()
      assert.deepEqual([there(app, '1'), troubles()], [theirs, ['conflict delete plant/app:1']])
    })

    it('does not delete a digest that a tag names which was not known here', async () => {
      const digest = await bring('plant/app:1')
      await record([{ kind: 'removeManifest', repository: app, digest }])
      parent.tagsOf.get(app)?.set(parseTag('stable'), digest)
      await goUp()
      assert.deepEqual([there(app, 'stable'), troubles()], [digest, [`conflict delete plant/app@${digest}`]])
      parent.tagsOf.get(app)?.delete(parseTag('stable'))
      await bring('plant/app:2')
      const second = there(app, '2')!
      await record([{ kind: 'removeManifest', repository: app, digest: second }])
      await clock.advance(minute)
      assert.equal(there(app, '2'), undefined)
      assert.equal(queue.size, 0)
    })

    it('deletes a digest where the parent has no list for a repository that never had a tag', async () => {
      const digest = await push('plant/app')
      await goUp()
      assert.equal(parent.content.has(digest), true)
      parent.trouble = (request) => (request === 'TAGS plant/app' ? fault('PARENT_NOT_FOUND') : undefined)
      await record([{ kind: 'removeManifest', repository: app, digest }])
      await clock.advance(minute)
      assert.deepEqual([parent.content.has(digest), queue.size, troubles()], [false, 0, []])
    })

    it('gives the way down nothing to undo: what waits stays as it was pushed or deleted here', async () => {
      await bring('plant/app:1')
      await bring('plant/app:2')
      const mine = await push('plant/app:1')
      const fresh = await push('plant/app:new')
      await remove(app, '2')
      const sync = createSync({
        content,
        parent: () => parent,
        pushes: queue.pushes,
        observer: () => undefined,
        log,
        clock,
        random: () => 0.5
      })
      sync.configure({
        imageSets: { all: { repositories: ['plant/app'], priority: 1, deletions: 'mirror' } },
        intervalMinutes: 15
      })
      sync.start()
      await clock.advance(hour)
      const here = (tag: string) => content.index.tag(app, parseTag(tag))
      assert.deepEqual([await here('1'), await here('2'), await here('new')], [mine, undefined, fresh])
      await goUp(hour)
      assert.deepEqual([await here('1'), await here('2'), await here('new')], [mine, undefined, fresh])
      assert.deepEqual([there(app, '1'), there(app, '2'), there(app, 'new')], [mine, undefined, fresh])
      const theirs = parent.put('plant/app:1', [10])
      await clock.advance(hour)
      assert.equal(await here('1'), theirs, 'and then follows the parent again')
      await sync.stop()
    })

    it('gives a pass nothing to remove that went up while it ran, though its list of tags lacks it', async () => {
      await bring('plant/app:old')
      const mine = await push('plant/app:mine')
      const slow = parent.put('plant/app:2', [5000])
      parent.tagsOf.get(app)?.delete(parseTag('old'))
      // The way up begins when the parent has answered, as it does after a time offline.
      parent.onPiece = async (_digest, _offset, piece, signal) => {
        upward.start()
        await clock.delay(minute, signal)
        return piece
      }
      const sync = createSync({
        content,
        parent: () => parent,
        pushes: queue.pushes,
        observer: () => undefined,
        log,
        clock
      })
      sync.configure({
        imageSets: { all: { repositories: ['plant/app'], priority: 1, deletions: 'mirror', referrers: false } },
        intervalMinutes: 15
      })
      sync.start()
      await clock.advance(14 * minute)
      const here = (tag: string) => content.index.tag(app, parseTag(tag))
      assert.deepEqual([await here('2'), await here('old'), queue.size], [slow, undefined, 0])
      assert.deepEqual([there(app, 'mine'), await here('mine')], [mine, mine])
      parent.tagsOf.get(app)?.delete(parseTag('mine'))
      await clock.advance(hour)
      assert.equal(await here('mine'), undefined, 'and then follows the parent again')
      await sync.stop()
    })

    it('does not set a signature’s tag back that went up while its image was on its way down', async () => {
      const image = parent.put('plant/app:1', [5000])
      const signature = `sha256-${hexOf(image)}.sig`
      await bring(`plant/app:${signature}`)
      let mine: Promise<Digest> | undefined
      parent.onPiece = async (_digest, _offset, piece, signal) => {
        if (mine !== undefined) return piece
        await (mine = push(`plant/app:${signature}`))
        upward.start()
        await clock.delay(minute, signal)
        assert.equal(queue.size, 0)
        return piece
      }
      const sync = createSync({
        content,
        parent: () => parent,
        pushes: queue.pushes,
        observer: () => undefined,
        log,
        clock
      })
      sync.configure({ imageSets: { all: { repositories: ['plant/app:1'], priority: 1 } }, intervalMinutes: 15 })
      sync.start()
      await clock.advance(10 * minute)
      assert.equal(await content.index.tag(app, parseTag('1')), image)
      const pushed = await mine
      assert.deepEqual([await content.index.tag(app, parseTag(signature)), there(app, signature)], [pushed, pushed])
      await sync.stop()
    })
  })

  it('keeps a repository that no image set names any more until what was pushed to it is above', async () => {
    parent.put('plant/app:1', [1000])
    const sync = createSync({
      content,
      parent: () => parent,
      pushes: queue.pushes,
      observer: () => undefined,
      log,
      clock
    })
    const configure = (imageSets: Parameters<typeof sync.configure>[0]['imageSets']): void =>
      sync.configure({ imageSets, intervalMinutes: 15, cleanUp: true })
    configure({ all: { repositories: ['plant/app'], priority: 1 } })
    sync.start()
    await clock.advance(minute)
    const mine = await push('plant/app:2')
    configure({})
    await clock.advance(hour)
    assert.equal(await content.index.tag(app, parseTag('2')), mine)
    await goUp(hour)
    assert.deepEqual([there(app, '2'), await content.index.tags(app)], [mine, undefined])
    await sync.stop()
  })

  it('keeps a repository that something is pushed to in the moment before it is removed', async () => {
    parent.put('plant/app:1', [1000])
    const sync = createSync({
      content,
      parent: () => parent,
      pushes: queue.pushes,
      observer: () => undefined,
      log,
      clock
    })
    const configure = (imageSets: Parameters<typeof sync.configure>[0]['imageSets']): void =>
      sync.configure({ imageSets, intervalMinutes: 15, cleanUp: true })
    configure({ all: { repositories: ['plant/app:1'], priority: 1, referrers: false } })
    sync.start()
    await clock.advance(minute)
    const { tag } = content.index
    let mine: Digest | undefined
    content.index.tag = async (repository, name) => {
      content.index.tag = tag
      mine = await push('plant/app:2')
      return tag(repository, name)
    }
    configure({})
    await clock.advance(hour)
    assert.deepEqual([queue.size, await content.index.tag(app, parseTag('2'))], [1, mine])
    assert.notEqual(mine, undefined)
    await sync.stop()
  })

  it('reports what expires, once, and forgets it', async () => {
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    const digest = await push('plant/app:1')
    await clock.advance(day)
    await remove(other, 'old')
    await goUp(day + hour)
    assert.deepEqual(troubles(), ['expired push plant/app:1'])
    assert.deepEqual([queue.size, queue.history.counts.expired], [1, 1])
    assert.deepEqual(await content.index.states('keep/'), [])
    await upward.stop()
    await open()
    assert.deepEqual([troubles(), queue.history.counts.expired], [['expired push plant/app:1'], 1])
    assert.equal(queue.history.troubles[0]?.digest, digest)
    parent.trouble = () => undefined
    parent.put('plant/app:1', [10])
    const again = await push('plant/app:1')
    await goUp(hour)
    assert.notEqual(there(app, '1'), again, 'an expired push taught nobody what the parent has')
  })

  it('waits for a disk that takes nothing, and goes on when it does', async () => {
    await push('plant/app:1')
    const { apply } = content.index
    let refused = 0
    content.index.apply = () => {
      refused += 1
      return Promise.reject(Object.assign(new Error('no space left'), { name: 'StorageError', code: 'DISK_FULL' }))
    }
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    await goUp(3 * day)
    assert.ok(refused > 0 && refused < 300, `${refused} tries to write that it has expired`)
    content.index.apply = apply
    await clock.advance(hour)
    assert.deepEqual([queue.size, troubles()], [0, ['expired push plant/app:1']])
  })

  it('forgets an upload that was begun for what has expired', async () => {
    parent.onReceive = () => {
      throw fault('PARENT_UNREACHABLE')
    }
    await push('plant/app:1')
    await goUp(hour)
    assert.equal((await content.index.states('upward/upload/')).length, 2, 'layer and config')
    await clock.advance(2 * day)
    assert.deepEqual([queue.size, await content.index.states('upward/upload/')], [0, []])
  })

  it('lets nothing expire that was pushed before the clock was set', async () => {
    clock.jump('1970-01-01T00:10:00Z')
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    await push('plant/app:1')
    await goUp(minute)
    clock.jump('2026-11-21T10:00:00Z')
    await clock.advance(day)
    assert.deepEqual([queue.size, troubles()], [1, []])
    await clock.advance(day + hour)
    assert.deepEqual([queue.size, troubles()], [0, ['expired push plant/app:1']])
  })

  it('lets a push wait as long as it may, whatever the clock is set to meanwhile', async () => {
    for (const wrong of ['2026-10-31T00:00:00Z', '2027-11-22T00:00:00Z']) {
      clock.jump(wrong)
      await open()
      parent.trouble = () => fault('PARENT_UNREACHABLE')
      await push('plant/app:1')
      await goUp(hour)
      clock.jump('2026-11-22T07:00:00Z')
      const tried = parent.requests.length
      await clock.advance(day)
      assert.deepEqual([queue.size, troubles()], [1, []], wrong)
      assert.ok(parent.requests.length > tried + 20, `it was tried ${parent.requests.length - tried} times in a day`)
      assert.ok(Math.abs(queue.items()[0]!.at - Date.parse('2026-11-22T06:00:00Z')) < minute)
      await upward.stop()
      await open()
      await goUp(day - 2 * hour)
      assert.deepEqual([queue.size, troubles()], [1, []], 'also after a start')
      await clock.advance(2 * hour)
      assert.deepEqual([queue.size, troubles().length], [0, 1], wrong)
      await upward.stop()
      content = new MemoryContent()
    }
  })

  it('begins anew with what an earlier process seems to have pushed in the future, and with nothing else', async () => {
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    await push('plant/app:1')
    clock.jump('2027-11-21T10:00:00Z')
    // A start by a clock that is ahead, and a push by it.
    await open({ timeToLive: 2 * 365 * day })
    await push('plant/app:2')
    clock.jump('2026-11-20T10:00:00Z')
    // A start by a clock that was restored from before, and is set right soon.
    await open()
    await goUp(minute)
    clock.jump('2026-11-22T10:00:00Z')
    await clock.advance(day - hour)
    assert.equal(queue.size, 2)
    await clock.advance(2 * hour)
    assert.deepEqual([queue.size, troubles()], [1, ['expired push plant/app:1']])
    await clock.advance(day)
    assert.equal(queue.size, 0)
  })

  it('names what a push waited behind where that is why it did not go up', async () => {
    await push('plant/app:1')
    await goUp(minute)
    parent.trouble = (request) => (request.startsWith('DELETE') ? fault('PARENT_REFUSED') : undefined)
    await remove(app, '1')
    await push('plant/app:1')
    await clock.advance(hour)
    upward.configure({ timeToLive: minute })
    await clock.advance(minute)
    assert.deepEqual(
      queue.history.troubles.map(({ what, reason }) => [what, reason]),
      [
        ['push plant/app:1', 'it waited behind delete plant/app:1: fault PARENT_REFUSED'],
        ['delete plant/app:1', 'fault PARENT_REFUSED']
      ]
    )
  })

  describe('where the parent refuses', () => {
    for (const code of ['PARENT_DENIED', 'PARENT_REFUSED', 'PARENT_PROTOCOL'])
      it(`parks what it does not take (${code}), and lets the others by`, async () => {
        parent.trouble = (request) => (request === 'PUT plant/app:1' ? fault(code) : undefined)
        await push('plant/app:1')
        const later = await push('plant/app:1')
        const fine = await push('plant/other:1')
        await goUp(10 * minute)
        assert.deepEqual([there(app, '1'), there(other, '1')], [undefined, fine])
        const [parked] = queue.items()
        assert.deepEqual([queue.size, queue.setback(parked!)?.parked], [2, true])
        assert.equal(queue.setback(queue.items()[1]!), undefined, 'what comes after it on the same tag was not tried')
        parent.trouble = () => undefined
        upward.sendNow()
        await clock.advance(minute)
        assert.deepEqual([there(app, '1'), queue.size], [later, 0])
      })

    it('tries what it parked again by itself, seldom', async () => {
      parent.trouble = (request) => (request.startsWith('PUT') ? fault('PARENT_DENIED') : undefined)
      await push('plant/app:1')
      await goUp(day)
      const tried = parent.requests.filter((request) => request.startsWith('PUT')).length
      assert.ok(tried >= 3 && tried <= 8, String(tried))
    })

    it('tries what it parked again also where the clock is set back meanwhile', async () => {
      parent.trouble = (request) => (request.startsWith('PUT') ? fault('PARENT_DENIED') : undefined)
      await push('plant/app:1')
      await goUp(minute)
      clock.jump('2025-11-21T10:00:00Z')
      parent.trouble = () => undefined
      await clock.advance(2 * hour)
      assert.equal(queue.size, 0)
    })

    it('sends nothing round in a circle, and says why', async () => {
      parent.trouble = () => fault('PARENT_LOOP')
      await push('plant/app:1')
      await push('plant/other:1')
      await goUp(hour)
      assert.ok(parent.requests.length < 15, String(parent.requests.length))
      assert.deepEqual(
        [queue.size, queue.setback(queue.items()[0]!), upward.state.reason],
        [2, undefined, 'fault PARENT_LOOP']
      )
    })

    it('waits for as long as it asks to (429)', async () => {
      parent.trouble = () => fault('PARENT_THROTTLED', { retryAfterSeconds: 1800 })
      await push('plant/app:1')
      await goUp(29 * minute)
      assert.equal(parent.requests.length, 1)
      parent.trouble = () => undefined
      await clock.advance(2 * minute)
      assert.equal(queue.size, 0)
    })

    it('leaves the others alone while one fails, and the parent alone while it is in trouble (5xx)', async () => {
      parent.trouble = (request) => (request.includes('plant/app') ? fault('PARENT_FAILED') : undefined)
      await push('plant/app:1')
      const fine = await push('plant/other:1')
      await goUp(10 * minute)
      assert.equal(there(other, '1'), fine)
      parent.trouble = () => fault('PARENT_FAILED')
      for (const tag of ['2', '3', '4', '5', '6']) await push(`plant/app:${tag}`)
      const before = parent.requests.length
      await clock.advance(hour)
      assert.ok(parent.requests.length - before < 150, String(parent.requests.length - before))
      parent.trouble = () => undefined
      await clock.advance(2 * hour)
      assert.equal(queue.size, 0)
    })

    it('has it wait for room (507) without a look at the others', async () => {
      parent.trouble = (request) =>
        request.startsWith('BEGIN') ? Object.assign(fault('PARENT_FAILED'), { status: 507 }) : undefined
      await push('plant/app:1')
      await push('plant/app:2')
      await goUp(4000)
      assert.equal(parent.requests.filter((request) => request.endsWith(':2')).length, 0)
    })
  })

  describe('over a bad link', () => {
    it('goes on by byte where a cut left it, also after a start', async () => {
      let left = 700_000
      parent.onReceive = (piece) => {
        left -= piece.byteLength
        if (left > 0) return
        left = 700_000
        throw fault('PARENT_UNREACHABLE')
      }
      const bytes = randomBytes(5_000_000)
      await push('plant/app:1', [bytes])
      await goUp(1500)
      await upward.stop()
      await open()
      await goUp(hour)
      assert.equal(queue.size, 0)
      // What a cut takes with it of a request has not been counted as received.
      assert.ok(parent.received <= 5_000_000 * 1.02, String(parent.received))
      assert.equal(parent.requests.filter((request) => request.startsWith('BEGIN')).length, 2, 'layer and config')
    })

    it('begins that blob anew where the parent has lost the upload, and only that', async () => {
      const [first, second] = [randomBytes(3_000_000), randomBytes(100)]
      let lost = false
      parent.onReceive = () => {
        const [begun] = [...parent.uploads].find(([, held]) => held.byteLength > 1_000_000) ?? []
        if (lost || begun === undefined) return
        lost = true
        parent.uploads.delete(begun)
        throw fault('PARENT_UNREACHABLE')
      }
      await push('plant/app:1', [first, second])
      await goUp(hour)
      assert.ok(lost)
      assert.equal(queue.size, 0)
      assert.equal(parent.requests.filter((request) => request.startsWith('BEGIN')).length, 4)
    })

    it('gives up for a while, but not for good, where every upload is lost', async () => {
      parent.onReceive = () => {
        parent.uploads.clear()
        throw fault('PARENT_FAILED')
      }
      await push('plant/app:1')
      await goUp(hour)
      const begun = parent.requests.filter((request) => request.startsWith('BEGIN')).length
      assert.ok(begun > 4 && begun < 150, String(begun))
      parent.onReceive = () => undefined
      await clock.advance(2 * hour)
      assert.equal(queue.size, 0)
    })
  })

  it('sends nothing while the window is closed, or sync is paused, unless somebody asks', async () => {
    upward.configure({ timeToLive: 2 * day, schedule: '0 12 * * *', window: 'PT1H' })
    await push('plant/app:1')
    await goUp(hour / 4)
    assert.deepEqual([parent.requests, upward.state.reason], [[], 'the sync window is closed'])
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    upward.sendNow()
    await clock.advance(30 * minute)
    assert.equal(parent.requests.length, 1, 'once, and then by the window again')
    parent.trouble = () => undefined
    upward.sendNow()
    await clock.advance(minute)
    assert.equal(queue.size, 0)
    upward.setPaused(true)
    await push('plant/app:2')
    await clock.advance(3 * hour)
    assert.equal(queue.size, 1)
    upward.setPaused(false)
    await clock.advance(minute)
    assert.equal(queue.size, 1, 'the window has ended meanwhile')
    await clock.advance(day)
    assert.equal(queue.size, 0)
  })

  it('ends in the middle of a blob with the window, and goes on from there with the next', async () => {
    upward.configure({ timeToLive: 7 * day, schedule: '0 10 * * *', window: 'PT1H' })
    parent.onReceive = (piece) => clock.delay(piece.byteLength / 100, new AbortController().signal)
    await push('plant/app:1', [randomBytes(500_000)])
    clock.jump('2026-11-21T10:59:58Z')
    await goUp(2 * minute)
    const sent = parent.received
    assert.ok(sent > 100_000 && sent < 400_000, String(sent))
    await clock.advance(day)
    assert.equal(queue.size, 0)
    assert.ok(parent.received < 510_000 + 64 * 1024, String(parent.received))
  })

  it('keeps to the budget and the ceiling that the way down has', async () => {
    const allowance = new Allowance(clock, content.index)
    allowance.configure({ bytesPerSecond: 10_000 }, { bytesPerDay: 1_000_000 })
    const target = (correlationId?: string): FakeParent => {
      asked.push(correlationId)
      return parent
    }
    upward = new Upward({ queue, content, parent: target, allowance, log, clock, random: () => 0.5 })
    await push('plant/app:1', [randomBytes(1_500_000)])
    await goUp(50_000)
    assert.ok(parent.received > 400_000 && parent.received <= 580_000, String(parent.received))
    await clock.advance(10 * minute)
    assert.ok(parent.received >= 1_000_000 && parent.received < 1_070_000, String(parent.received))
    assert.match(upward.state.reason ?? '', /budget/)
    await clock.advance(day)
    assert.equal(queue.size, 0)
  })
})
