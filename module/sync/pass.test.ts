import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { gzipSync } from 'node:zlib'
import { LineLog } from '../log/log.ts'
import { digestOf, type Digest } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { Allowance } from './allowance.ts'
import type { ImageStatus, SyncEvent } from './events.ts'
import { runPass, type PassOptions, type PassOutcome } from './pass.ts'
import type { Clock } from './ports.ts'
import { fault, FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'
import { WaitedFor } from './waited-for.ts'

const app = parseRepository('samples/app')

describe('sync: a pass', () => {
  let parent: FakeParent
  let content: MemoryContent
  let events: SyncEvent[]
  let delays: number[]
  const standingStill: Clock = {
    now: () => 0,
    elapsed: () => 0,
    delay: (milliseconds, signal) => {
      delays.push(milliseconds)
      return signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve()
    }
  }

  beforeEach(() => {
    parent = new FakeParent()
    content = new MemoryContent()
    events = []
    delays = []
  })

  function pass(repositories: readonly string[], more: Partial<PassOptions> = {}): Promise<PassOutcome> {
    return runPass({
      content,
      parent,
      imageSets: { all: { repositories: [...repositories], priority: 100 } },
      observer: (event) => events.push(event),
      correlationId: 'pass-0001',
      log: new LineLog(() => undefined),
      clock: standingStill,
      random: () => 0.5,
      signal: new AbortController().signal,
      announce: true,
      absent: new Set(),
      allowance: new Allowance(standingStill, content.index),
      waitedFor: new WaitedFor(),
      looksForReferrers: () => false,
      cleanUp: false,
      ...more
    })
  }

  const tagged = (name: string): Digest | undefined => {
    const [repository = '', tag = ''] = name.split(':')
    return content.repositories.get(parseRepository(repository))?.tags.get(parseTag(tag))
  }
  const statuses = (name: string): ImageStatus[] =>
    events.flatMap((event) => (event.kind === 'image' && event.image.image === name ? [event.image] : []))
  const states = (name: string): string[] => statuses(name).map(({ state }) => state)
  const blobRequests = (): string[] => parent.requests.filter((request) => request.startsWith('BLOB'))

  for (const code of ['PARENT_FAILED', 'PARENT_DENIED', 'PARENT_PROTOCOL'])
    it(`tells of a parent that answers nothing else than ${code}, and again once it answers`, async () => {
      parent.put('samples/app:1.0', [100])
      const told = (): unknown[] =>
        events.flatMap((event) => (event.kind === 'parent' ? [event.answers || [event.code, event.correlationId]] : []))
      parent.trouble = () => fault(code)
      for (const wanted of [['samples/app:1.0', 'samples/app:2.0'], ['samples/app'], []]) {
        events = []
        await pass(wanted)
        assert.deepEqual(told(), [[code, 'pass-0001']], `for ${JSON.stringify(wanted)}`)
      }
      events = []
      parent.trouble = (request) => (request.includes(':2.0') ? fault(code) : undefined)
      await pass(['samples/app:1.0', 'samples/app:2.0'])
      assert.deepEqual(told(), [true], 'one image that cannot be had is no trouble of the parent')
    })

  it('takes the answer that something is not there for one', async () => {
    await pass(['samples/app:1.0'])
    assert.ok(events.some((event) => event.kind === 'parent' && event.answers))
    assert.ok(!events.some((event) => event.kind === 'parent' && !event.answers))
  })

  it('brings an image and needs no tag list for it', async () => {
    const digest = parent.put('samples/app:1.0', [5000, 3000])
    const outcome = await pass(['samples/app:1.0'])
    const bytes = parent.blobBytes(digest)
    assert.deepEqual(outcome, { succeeded: true, contentWorks: true, bytesFetched: bytes })
    assert.equal(tagged('samples/app:1.0'), digest)
    assert.ok(!parent.requests.some((request) => request.startsWith('TAGS')))
    assert.deepEqual(statuses('samples/app:1.0').at(-1), {
      image: 'samples/app:1.0',
      state: 'ready',
      digest,
      bytesDone: bytes,
      bytesTotal: bytes
    })
    assert.deepEqual(events.at(0), {
      kind: 'planned',
      images: [{ image: 'samples/app:1.0', imageSets: ['all'], state: 'pending' }]
    })
    assert.ok(events.some((event) => event.kind === 'parent' && event.answers))
  })

  it('brings every platform of an index, children before it and the tag last', async () => {
    const children = [parent.put('samples/app', [4000], { os: 'a' }), parent.put('samples/app', [4000], { os: 'b' })]
    const index = parent.putIndex('samples/app:multi', children)
    assert.equal((await pass(['samples/app:multi'])).succeeded, true)
    const kinds = content.changes.map((change) => change.kind).filter((kind) => kind !== 'setState')
    assert.deepEqual(kinds.slice(kinds.indexOf('putManifest')), ['putManifest', 'putManifest', 'putManifest', 'setTag'])
    const order = content.changes.flatMap((change) => (change.kind === 'putManifest' ? [change.digest] : []))
    assert.deepEqual(order, [...children, index])
    assert.equal(parent.totalServed(), parent.blobBytes(...children))
  })

  it('asks once per tag where nothing changed', async () => {
    parent.put('samples/app:1.0', [5000])
    parent.put('samples/app:2.0', [5000])
    await pass(['samples/app:1.0', 'samples/app:2.0'])
    parent.requests.length = 0
    events.length = 0
    const outcome = await pass(['samples/app:1.0', 'samples/app:2.0'], { announce: false })
    assert.deepEqual(outcome, { succeeded: true, contentWorks: true, bytesFetched: 0 })
    assert.deepEqual(parent.requests.sort(), ['HEAD samples/app:1.0', 'HEAD samples/app:2.0'])
    assert.deepEqual(states('samples/app:1.0'), ['ready'])
  })

  it('fetches a layer that images share once, across repositories too', async () => {
    const shared = Buffer.alloc(20_000, 'shared')
    const digests = ['samples/app:1.0', 'samples/app:2.0', 'other/tool:1'].map((name) =>
      parent.put(name, [shared, 1000])
    )
    const outcome = await pass(['samples/app:1.0', 'samples/app:2.0', 'other/tool:1'])
    assert.equal(outcome.succeeded, true)
    assert.equal(parent.totalServed(), parent.blobBytes(...digests))
    parent.put('third/one:1', [shared])
    parent.served.clear()
    await pass(['third/one:1'])
    assert.equal(parent.served.get(digestOf(shared)), undefined)
    assert.equal(tagged('third/one:1') !== undefined, true)
  })

  it('goes on at the byte where an answer was cut, for as long as each try gets further', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    const digest = parent.put('samples/app:1.0', [layer])
    let cuts = 0
    parent.onPiece = (blob, offset, piece) => {
      if (blob === digestOf(layer) && offset >= (cuts + 1) * 5000 && cuts < 9) {
        cuts += 1
        throw fault('PARENT_UNREACHABLE')
      }
      return piece
    }
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
    assert.equal(cuts, 9)
    assert.equal(parent.totalServed(), parent.blobBytes(digest))
    assert.equal(delays.length, 9)
    assert.ok(delays.every((delay) => delay === 1000))
  })

  it('goes on at the byte in the next pass, and in the next process', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    const digest = parent.put('samples/app:1.0', [layer])
    parent.onPiece = (_blob, offset, piece) => {
      if (offset >= 30_000) throw fault('PARENT_UNREACHABLE')
      return piece
    }
    const first = await pass(['samples/app:1.0'])
    assert.deepEqual(first.retry, { soon: true })
    assert.deepEqual(states('samples/app:1.0').at(-1), 'pending')
    assert.equal(content.partial.get(digestOf(layer))?.byteLength, 30_000)
    parent.onPiece = (_blob, _offset, piece) => piece
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
    assert.equal(parent.totalServed(), parent.blobBytes(digest))
    assert.ok(blobRequests().some((request) => request.endsWith(' 30000')))
  })

  it('takes a body that ends early without an error for a cut', async () => {
    const layer = Buffer.alloc(5000, 'x')
    const digest = parent.put('samples/app:1.0', [layer])
    parent.pieceBytes = 3000
    let short = true
    parent.onPiece = (blob, offset, piece) => {
      if (blob !== digestOf(layer) || offset !== 3000 || !short) return piece
      short = false
      return piece.subarray(0, 0)
    }
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
    assert.equal(tagged('samples/app:1.0'), digest)
    assert.equal(parent.totalServed(), parent.blobBytes(digest))
  })

  it('gives up nothing that it has of a blob for what has another size', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    const digest = parent.put('samples/app:1.0', [layer])
    parent.onPiece = (_blob, offset, piece) => {
      if (offset >= 30_000) throw fault('PARENT_UNREACHABLE')
      return piece
    }
    await pass(['samples/app:1.0'])
    parent.onPiece = (_blob, _offset, piece) => piece
    parent.inItsPlace = Buffer.from('{"login":"required"}')
    await pass(['samples/app:1.0'])
    assert.match(statuses('samples/app:1.0').at(-1)?.reason ?? '', /has 20 bytes for sha256:.* manifest says 50000/)
    assert.equal(content.partial.get(digestOf(layer))?.byteLength, 30_000)
    parent.inItsPlace = undefined
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
    assert.equal(parent.totalServed(), parent.blobBytes(digest) + 20)
  })

  it('keeps what is here where the answer begins before that, and where that ends before it', async () => {
    const layer = randomBytes(50_000)
    const image = parent.put('samples/app:1.0', [layer])
    const cut = (at: number) => (_blob: Digest, offset: number, piece: Buffer) => {
      if (offset >= at) throw fault('PARENT_UNREACHABLE')
      return piece
    }
    const wanted = (): Promise<unknown> => pass(['samples/app:1.0'])
    const here = (): Buffer | undefined => content.partial.get(digestOf(layer))
    parent.onPiece = cut(30_000)
    await wanted()
    parent.onPiece = (_blob, _offset, piece) => piece
    parent.tellsSize = false
    parent.inItsPlace = Buffer.from('{"errors":[{"code":"UNKNOWN"}]}')
    await wanted()
    assert.deepEqual(here(), layer.subarray(0, 30_000))
    parent.inItsPlace = undefined
    parent.resumes = false
    parent.onPiece = cut(40_000)
    await wanted()
    assert.deepEqual(here(), layer.subarray(0, 40_000))
    parent.resumes = true
    parent.resumesAt = 4096
    parent.onPiece = (_blob, _offset, piece) => piece
    parent.served.clear()
    await wanted()
    assert.equal(tagged('samples/app:1.0'), image)
    assert.equal(parent.served.get(digestOf(layer)), 50_000 - 9 * 4096)
  })

  it('goes on after any number of cuts where the parent resumes at whole pieces', async () => {
    const layer = randomBytes(50_000)
    const image = parent.put('samples/app:1.0', [layer])
    parent.resumesAt = 4096
    let cuts = 0
    parent.onPiece = (_blob, offset, piece) => {
      if (offset < (cuts + 1) * 5000 || cuts === 9) return piece
      cuts += 1
      throw fault('PARENT_UNREACHABLE')
    }
    await pass(['samples/app:1.0'])
    assert.equal(cuts, 9)
    assert.equal(tagged('samples/app:1.0'), image)
  })

  it('begins anew where the parent cannot resume, and not for ever', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    parent.put('samples/app:1.0', [layer])
    parent.resumes = false
    let answers = 0
    parent.onPiece = (blob, offset, piece) => {
      if (blob !== digestOf(layer)) return piece
      if (offset === 0) answers += 1
      if (offset === 40_000) throw fault('PARENT_UNREACHABLE')
      return piece
    }
    const outcome = await pass(['samples/app:1.0'])
    assert.equal(outcome.succeeded, false)
    assert.equal(answers, 4)
    assert.match(statuses('samples/app:1.0').at(-1)?.reason ?? '', /cannot resume/)
    parent.onPiece = (_blob, _offset, piece) => piece
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
  })

  it('never makes a blob of wrong bytes: tries once more from the beginning, then says so', async () => {
    const layer = Buffer.alloc(5000, 'x')
    parent.put('samples/app:1.0', [layer])
    const good = parent.put('samples/app:2.0', [4000])
    parent.onPiece = (blob, offset, piece) =>
      blob === digestOf(layer) && offset === 2000 ? Buffer.alloc(piece.byteLength, 'y') : piece
    const outcome = await pass(['samples/app:1.0', 'samples/app:2.0'])
    assert.deepEqual([outcome.succeeded, outcome.retry], [false, undefined])
    assert.equal(parent.served.get(digestOf(layer)), 10_000)
    assert.equal(content.held.has(digestOf(layer)), false)
    assert.equal(content.partial.has(digestOf(layer)), false)
    assert.equal(tagged('samples/app:1.0'), undefined)
    assert.match(statuses('samples/app:1.0').at(-1)?.reason ?? '', /bytes received are not sha256/)
    assert.equal(tagged('samples/app:2.0'), good)
  })

  it('pays no second time for a layer that is damaged in the parent, until somebody may have mended it', async () => {
    const layer = randomBytes(5000)
    const image = parent.put('samples/app:1.0', [layer])
    const allowance = new Allowance(standingStill, content.index)
    const served = (): number => parent.served.get(digestOf(layer)) ?? 0
    parent.content.set(digestOf(layer), randomBytes(5000))
    const outcomes = [await pass(['samples/app:1.0'], { allowance }), await pass(['samples/app:1.0'], { allowance })]
    assert.deepEqual(
      outcomes.map(({ succeeded, retry }) => [succeeded, retry]),
      [
        [false, undefined],
        [false, undefined]
      ]
    )
    assert.equal(served(), 10_000)
    const reasons = statuses('samples/app:1.0').flatMap(({ state, reason }) => (state === 'failed' ? [reason] : []))
    assert.equal(reasons.length, 2)
    assert.match(reasons[0] ?? '', /bytes received are not sha256:.*push the image there again/)
    assert.equal(reasons[1], reasons[0], 'what does not change is not told to the hub again')
    parent.content.set(digestOf(layer), layer)
    allowance.wrongBlobs.clear()
    assert.equal((await pass(['samples/app:1.0'], { allowance })).succeeded, true)
    assert.equal(tagged('samples/app:1.0'), image)
  })

  it('gives up nothing that it has of a blob for one that is packed on the way', async () => {
    const layer = randomBytes(50_000)
    const image = parent.put('samples/app:1.0', [layer])
    parent.onPiece = (_blob, offset, piece) => {
      if (offset >= 10_000) throw fault('PARENT_UNREACHABLE')
      return piece
    }
    await pass(['samples/app:1.0'])
    parent.onPiece = (_blob, _offset, piece) => piece
    parent.encoding = 'gzip'
    parent.tellsSize = false
    parent.inItsPlace = gzipSync(layer)
    await pass(['samples/app:1.0'])
    assert.match(statuses('samples/app:1.0').at(-1)?.reason ?? '', /come packed \(Content-Encoding: gzip\)/)
    assert.deepEqual(content.partial.get(digestOf(layer)), layer.subarray(0, 10_000))
    parent.inItsPlace = undefined
    parent.tellsSize = true
    await pass(['samples/app:1.0'])
    assert.equal(tagged('samples/app:1.0'), image, 'the very bytes, called packed')
  })

  it('heals a blob that came wrong once', async () => {
    const layer = Buffer.alloc(5000, 'x')
    const digest = parent.put('samples/app:1.0', [layer])
    let wrong = true
    parent.onPiece = (blob, offset, piece) => {
      if (blob !== digestOf(layer) || offset !== 2000 || !wrong) return piece
      wrong = false
      return Buffer.alloc(piece.byteLength, 'y')
    }
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
    assert.equal(tagged('samples/app:1.0'), digest)
  })

  it('refuses more bytes than the manifest says', async () => {
    const layer = Buffer.alloc(5000, 'x')
    parent.put('samples/app:1.0', [layer])
    parent.content.set(digestOf(layer), Buffer.alloc(500_000, 'x'))
    assert.equal((await pass(['samples/app:1.0'])).succeeded, false)
    assert.ok((parent.served.get(digestOf(layer)) ?? 0) <= 12_000)
  })

  it('keeps the older image until the newer is all here', async () => {
    const old = parent.put('samples/app:latest', [5000])
    await pass(['samples/app:latest'])
    const layer = Buffer.alloc(5000, 'n')
    const next = parent.put('samples/app:latest', [layer])
    parent.onPiece = (blob, _offset, piece) => {
      if (blob === digestOf(layer)) throw fault('PARENT_DENIED')
      return piece
    }
    events.length = 0
    await pass(['samples/app:latest'])
    assert.equal(tagged('samples/app:latest'), old)
    assert.deepEqual(states('samples/app:latest').at(-1), 'failed')
    assert.match(statuses('samples/app:latest').at(-1)?.reason ?? '', new RegExp(`${old} is still served`))
    parent.onPiece = (_blob, _offset, piece) => piece
    await pass(['samples/app:latest'])
    assert.equal(tagged('samples/app:latest'), next)
  })

  it('asks for another try soon where an image failed for a passing reason', async () => {
    parent.put('samples/app:1.0', [100])
    parent.trouble = (request) => (request.startsWith('MANIFEST') ? fault('PARENT_FAILED') : undefined)
    const outcome = await pass(['samples/app:1.0'])
    assert.deepEqual([outcome.succeeded, outcome.retry, delays], [false, { soon: true }, [1000, 2000, 4000]])
    assert.deepEqual(states('samples/app:1.0').at(-1), 'failed')
  })

  it('brings the others where one image is not there', async () => {
    const digest = parent.put('samples/app:2.0', [1000])
    const outcome = await pass(['samples/app:1.0', 'samples/app:2.0'])
    assert.deepEqual([outcome.succeeded, outcome.retry], [false, undefined])
    assert.deepEqual(states('samples/app:1.0'), ['failed'])
    assert.equal(tagged('samples/app:2.0'), digest)
  })

  it('follows globs over the tags of the parent, one list per repository', async () => {
    for (const tag of ['1.0', '1.1', '2.0']) parent.put(`samples/app:${tag}`, [100])
    await pass(['samples/app:1.*', 'samples/app:2*'])
    assert.deepEqual(
      parent.requests.filter((request) => request.startsWith('TAGS')),
      ['TAGS samples/app']
    )
    assert.deepEqual([...(content.repositories.get(app)?.tags.keys() ?? [])].sort(), ['1.0', '1.1', '2.0'])
  })

  it('tells of a repository that cannot be listed and goes on with the rest and with what is here', async () => {
    parent.put('samples/app:1.0', [100])
    await pass(['samples/app'])
    const digest = parent.put('other/tool:1', [100])
    parent.trouble = (request) => (request === 'TAGS samples/app' ? fault('PARENT_DENIED') : undefined)
    events.length = 0
    const outcome = await pass(['samples/app', 'other/tool:1'], { announce: false })
    assert.equal(outcome.succeeded, false)
    assert.equal(tagged('other/tool:1'), digest)
    const planned = events.find((event) => event.kind === 'planned')
    assert.deepEqual(
      planned?.images.map(({ image, state }) => `${image} ${state}`),
      ['samples/app:1.0 ready', 'other/tool:1 pending', 'samples/app failed']
    )
  })

  it('waits as long as the parent asks, and stops for one that asks for much', async () => {
    const digest = parent.put('samples/app:1.0', [100])
    let left = 2
    parent.trouble = (request) =>
      request.startsWith('MANIFEST') && left-- > 0 ? fault('PARENT_THROTTLED', { retryAfterSeconds: 7 }) : undefined
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
    assert.deepEqual(delays, [7500, 7500])
    assert.equal(tagged('samples/app:1.0'), digest)
    parent.trouble = () => fault('PARENT_THROTTLED', { retryAfterSeconds: 600 })
    const outcome = await pass(['samples/app:1.0'])
    assert.deepEqual(outcome.retry, { soon: true, afterSeconds: 600 })
    assert.deepEqual(states('samples/app:1.0').at(-1), 'ready')
  })

  it('ends at once where the parent is not there, and says so', async () => {
    parent.trouble = () => fault('PARENT_UNREACHABLE')
    const outcome = await pass([
      'samples/app:1.0',
      'samples/app:2.0',
      'samples/app:3.0',
      'samples/app:4.0',
      'samples/app:5.0'
    ])
    assert.deepEqual(outcome.retry, { soon: true })
    assert.deepEqual(delays, [])
    assert.equal(parent.requests.length, 4)
    const told = events.filter((event) => event.kind === 'parent')
    assert.deepEqual(told, [
      {
        kind: 'parent',
        answers: false,
        code: 'PARENT_UNREACHABLE',
        message: 'fault PARENT_UNREACHABLE',
        correlationId: 'pass-0001'
      }
    ])
  })

  it('ends at once for refused credentials and for a missing parent', async () => {
    parent.trouble = () => fault('PARENT_UNAUTHORIZED')
    assert.deepEqual((await pass(['samples/app:1.0'])).retry, { soon: false })
    assert.deepEqual((await pass(['samples/app:1.0'], { parent: undefined })).retry, { soon: false })
    const codes = events.flatMap((event) => (event.kind === 'parent' && !event.answers ? [event.code] : []))
    assert.deepEqual(codes, ['PARENT_UNAUTHORIZED', 'PARENT_MISSING'])
  })

  it('asks whether the parent is there where no image is wanted', async () => {
    assert.equal((await pass([])).succeeded, true)
    assert.deepEqual(parent.requests, ['CHECK'])
  })

  it('ends for a disk that takes no bytes, and keeps what is ready', async () => {
    parent.put('samples/app:1.0', [5000])
    await pass(['samples/app:1.0'])
    parent.put('samples/app:2.0', [5000])
    content.failure = Object.assign(new Error('no space left'), { code: 'DISK_FULL' })
    const outcome = await pass(['samples/app:1.0', 'samples/app:2.0'])
    assert.deepEqual([outcome.succeeded, outcome.contentWorks, outcome.retry], [false, false, { soon: false }])
    assert.deepEqual(
      events.filter((event) => event.kind === 'content'),
      [{ kind: 'content', works: false, code: 'DISK_FULL', message: 'no space left', correlationId: 'pass-0001' }]
    )
    assert.deepEqual([states('samples/app:1.0').at(-1), states('samples/app:2.0')], ['ready', []])
  })

  it('brings what a mirror has of an index, and knows it for whole afterwards', async () => {
    const child = parent.put('samples/app', [1000])
    const index = parent.putIndex('samples/app:multi', [child, digestOf('not copied')])
    const absent = new Set<string>()
    assert.equal((await pass(['samples/app:multi'], { absent })).succeeded, true)
    assert.equal(tagged('samples/app:multi'), index)
    parent.requests.length = 0
    assert.equal((await pass(['samples/app:multi'], { absent })).succeeded, true)
    assert.deepEqual(parent.requests, ['HEAD samples/app:multi'])
    const none = parent.putIndex('samples/app:none', [digestOf('neither')])
    assert.equal((await pass(['samples/app:none'])).succeeded, false)
    assert.equal(content.repositories.get(app)?.manifests.has(none), false)
  })

  it('brings back what was lost, and no more', async () => {
    const layer = Buffer.alloc(5000, 'x')
    parent.put('samples/app:1.0', [layer, 4000])
    await pass(['samples/app:1.0'])
    content.held.delete(digestOf(layer))
    parent.served.clear()
    await pass(['samples/app:1.0'])
    assert.equal(parent.totalServed(), 5000)
    content.repositories.clear()
    parent.served.clear()
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
    assert.equal(parent.totalServed(), 0)
  })

  it('flushes what is on its way every few MiB', async () => {
    parent.put('samples/app:1.0', [20 * 1024 * 1024])
    parent.pieceBytes = 1024 * 1024
    await pass(['samples/app:1.0'])
    assert.equal(content.flushes, 2)
    const done = statuses('samples/app:1.0').map(({ bytesDone }) => bytesDone ?? 0)
    assert.ok(done.length > 10 && done.every((bytes, at) => at === 0 || bytes >= (done[at - 1] ?? 0)))
  })

  it('lets go of everything when it is given up, and keeps the bytes', async () => {
    const layer = Buffer.alloc(50_000, 'x')
    parent.put('samples/app:1.0', [layer])
    const controller = new AbortController()
    const reason = new Error('the settings changed')
    parent.onPiece = (_blob, offset, piece) => {
      if (offset >= 20_000) controller.abort(reason)
      return piece
    }
    await assert.rejects(pass(['samples/app:1.0'], { signal: controller.signal }), (error) => error === reason)
    const kept = content.partial.get(digestOf(layer))?.byteLength ?? 0
    assert.ok(kept >= 20_000 && kept < 50_000, String(kept))
    parent.onPiece = (_blob, _offset, piece) => piece
    assert.equal((await pass(['samples/app:1.0'])).succeeded, true)
  })

  it('gives the free places to the image that lacks least', async () => {
    const gate = new EventTarget()
    const opened = once(gate, 'open')
    parent.put('samples/app:2.0', [100, 100, 100, 100])
    parent.put('samples/app:1.0', [100, 100])
    parent.onPiece = async (_blob, _offset, piece) => {
      await opened
      return piece
    }
    const work = pass(['samples/app:2.0', 'samples/app:1.0'])
    await waitFor(() => parent.requests.filter((request) => request.startsWith('MANIFEST')).length === 2)
    await waitFor(() => blobRequests().length === 3)
    gate.dispatchEvent(new Event('open'))
    await work
    const first = content.changes.find((change) => change.kind === 'setTag')
    assert.equal(first?.kind === 'setTag' ? first.tag : '', '1.0')
  })
})

/** Lets the event loop turn until something holds; mocha's time-out is the limit. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
