import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { digestOf, type Digest } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import type { ImageStatus } from './events.ts'
import { runPass, type PassOutcome } from './pass.ts'
import { fault, FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'
import { passOptions } from './testing/pass-options.ts'

describe('sync: what several repositories name', () => {
  let parent: FakeParent
  let content: MemoryContent
  let statuses: Map<string, ImageStatus>
  const layer = randomBytes(5000)

  beforeEach(() => {
    parent = new FakeParent()
    content = new MemoryContent()
    statuses = new Map()
  })

  function pass(...repositories: readonly string[]): Promise<PassOutcome> {
    return runPass(
      passOptions({
        content,
        parent,
        imageSets: { all: { repositories, priority: 1, referrers: false } },
        clock: { now: () => 0, elapsed: () => 0, delay: () => Promise.resolve() },
        observer: (event) => {
          if (event.kind === 'image') statuses.set(event.image.image, event.image)
        }
      })
    )
  }

  const tagged = (name: string): Digest | undefined => {
    const [repository = '', tag = ''] = name.split(':')
    return content.repositories.get(parseRepository(repository))?.tags.get(parseTag(tag))
  }
  const asked = (pattern: RegExp): string[] => parent.requests.filter((request) => pattern.test(request))
  /** Puts an image whose manifest says something else of the layer's size. */
  function putWrong(name: string, size: number): Digest {
    const right = parent.put(name, [layer])
    const manifest = JSON.parse(parent.content.get(right)!.toString()) as { layers: { size: number }[] }
    manifest.layers[0]!.size = size
    const wrong = parent.add(Buffer.from(JSON.stringify(manifest)))
    const [repository = '', tag = ''] = name.split(':')
    parent.tagsOf.get(parseRepository(repository))!.set(parseTag(tag), digestOf(wrong))
    return digestOf(wrong)
  }

  for (const [what, wrong] of [
    ['too few', 1234],
    ['too many', 9999]
  ] as const)
    it(`comes for whoever says its size rightly, where another says ${what} bytes`, async () => {
      putWrong('alice/app:1', wrong)
      const right = parent.put('bob/app:1', [layer])
      assert.equal((await pass('alice/app:1', 'bob/app:1')).succeeded, false)
      assert.deepEqual([tagged('alice/app:1'), tagged('bob/app:1')], [undefined, right])
      assert.match(statuses.get('alice/app:1')?.reason ?? '', new RegExp(`whose manifest says ${wrong}`))
      const served = parent.served.get(digestOf(layer)) ?? 0
      assert.ok(served <= layer.length + parent.pieceBytes, `${served}: as many as come before a look at the size`)
    })

  it('comes for whoever says its size rightly, where the parent says none', async () => {
    parent.tellsSize = false
    putWrong('alice/app:1', 1234)
    const right = parent.put('bob/app:1', [layer])
    await pass('alice/app:1', 'bob/app:1')
    assert.deepEqual([tagged('alice/app:1'), tagged('bob/app:1')], [undefined, right])
    assert.match(statuses.get('alice/app:1')?.reason ?? '', /more than the 1234 bytes/)
  })

  it('keeps what came of it, where another says fewer bytes than that', async () => {
    const right = parent.put('bob/app:1', [layer])
    parent.onPiece = (digest, offset, piece) => {
      if (digest === digestOf(layer) && offset >= 3000) throw fault('PARENT_UNREACHABLE')
      return piece
    }
    await pass('bob/app:1')
    assert.equal(content.partial.get(digestOf(layer))?.byteLength, 3000)
    parent.onPiece = (_digest, _offset, piece) => piece
    putWrong('alice/app:1', 1234)
    await pass('alice/app:1')
    assert.match(statuses.get('alice/app:1')?.reason ?? '', /has 5000 bytes for .* manifest says 1234/)
    assert.equal(content.partial.get(digestOf(layer))?.byteLength, 3000)
    await pass('bob/app:1')
    assert.equal(tagged('bob/app:1'), right)
  })

  for (const code of ['PARENT_NOT_FOUND', 'PARENT_DENIED', 'PARENT_PROTOCOL', 'PARENT_REFUSED', 'PARENT_FAILED'])
    it(`comes for whoever may have it, where another that asked first may not (${code})`, async () => {
      parent.put('alice/app:1', [layer])
      const right = parent.put('bob/app:1', [layer])
      parent.trouble = (request) => (/^(BLOB|PROVE) alice/.test(request) ? fault(code) : undefined)
      const { succeeded } = await pass('alice/app:1', 'bob/app:1')
      assert.deepEqual([succeeded, tagged('alice/app:1'), tagged('bob/app:1')], [false, undefined, right])
      assert.match(statuses.get('alice/app:1')?.reason ?? '', new RegExp(code))
    })

  it('comes as a manifest for whoever may have it, where another that asked first may not', async () => {
    const child = parent.put('bob/app:child', [layer])
    parent.putIndex('alice/app:1', [child])
    parent.putIndex('bob/app:1', [child], () => ({ annotations: { of: 'bob' } }))
    // Both have asked before the first has an answer.
    const both = Promise.withResolvers<undefined>()
    const manifest = parent.manifest.bind(parent)
    let indexes = 0
    parent.manifest = async (repository, reference) => {
      const found = await manifest(repository, reference)
      if (reference !== child && (indexes += 1) === 2) both.resolve(undefined)
      if (reference === child && repository === 'alice/app') {
        await both.promise
        await new Promise(setImmediate)
        throw fault('PARENT_DENIED')
      }
      return found
    }
    await pass('alice/app:1', 'bob/app:1')
    assert.deepEqual([tagged('alice/app:1'), tagged('bob/app:1') !== undefined], [undefined, true])
    assert.equal(statuses.get('bob/app:1')?.state, 'ready')
  })

  it('is linked by a question each, and not a byte more', async () => {
    const [more, child] = [randomBytes(3000), parent.put('bob/app:amd64', [layer])]
    const digests = [parent.putIndex('bob/app:1', [child]), parent.put('bob/app:2', [layer, more])]
    await pass('bob/app:1', 'bob/app:2')
    assert.equal(asked(/^PROVE/).length, 0, 'what came for one image of a repository is there for the next')
    for (const [tag, digest] of digests.entries())
      parent.tagsOf.set(
        parseRepository('alice/app'),
        new Map(parent.tagsOf.get(parseRepository('alice/app'))).set(parseTag(`${tag}`), digest)
      )
    parent.requests.length = 0
    parent.served.clear()
    const { succeeded } = await pass('alice/app:0', 'alice/app:1')
    assert.ok(succeeded)
    assert.deepEqual([tagged('alice/app:0'), tagged('alice/app:1')], digests)
    // Two layers and two configs; two tags, and the child of the index.
    assert.deepEqual([asked(/^PROVE alice/).length, asked(/^HEAD alice/).length, parent.requests.length], [4, 3, 7])
    assert.equal(parent.totalServed(), 0)
    parent.requests.length = 0
    await pass('alice/app:0', 'alice/app:1')
    assert.equal(parent.requests.length, 2, 'and once')
  })

  it('is asked about four at a time', async () => {
    const layers = Array.from({ length: 20 }, () => randomBytes(10))
    parent.put('bob/app:1', layers)
    parent.put('alice/app:1', layers)
    await pass('bob/app:1')
    let [now, most] = [0, 0]
    const checkBlob = parent.checkBlob.bind(parent)
    parent.checkBlob = async (repository, digest) => {
      most = Math.max(most, (now += 1))
      await new Promise(setImmediate)
      await checkBlob(repository, digest)
      now -= 1
    }
    assert.ok((await pass('alice/app:1')).succeeded)
    assert.deepEqual([asked(/^PROVE alice/).length, most], [20, 4])
  })

  it('is not linked for whoever does not have it in the parent: a blob, a manifest', async () => {
    const child = parent.put('bob/app:amd64', [layer])
    const others = parent.putIndex('bob/app:1', [child])
    await pass('bob/app:1')
    parent.put('alice/app:layer', [layer])
    const mine = parent.put('alice/app:mine', [100])
    const index = parent.putIndex('alice/app:index', [mine, child])
    parent.trouble = (request) =>
      ['PROVE', 'BLOB'].some((what) => request.startsWith(`${what} alice/app@${digestOf(layer)}`)) ||
      ['HEAD ', 'MANIFEST '].some(
        (what) => request.startsWith(what) && request.endsWith(child) && request.includes('alice')
      )
        ? fault('PARENT_NOT_FOUND')
        : undefined
    const { succeeded } = await pass('bob/app:1', 'alice/app:layer', 'alice/app:index')
    assert.equal(succeeded, false)
    assert.deepEqual(
      [tagged('bob/app:1'), tagged('alice/app:layer'), tagged('alice/app:index')],
      [others, undefined, index]
    )
    const { blobs, manifests } = content.repositories.get(parseRepository('alice/app'))!
    assert.deepEqual([blobs.has(digestOf(layer)), manifests.has(child), manifests.has(mine)], [false, false, true])
  })

  it('is asked about where all of it came for another, and was not yet named when the process ended', async () => {
    parent.put('alice/app:1', [layer])
    content.partial.set(digestOf(layer), layer)
    parent.trouble = (request) => (request.startsWith('PROVE') ? fault('PARENT_NOT_FOUND') : undefined)
    await pass('alice/app:1')
    assert.deepEqual([tagged('alice/app:1'), asked(/^PROVE/).length], [undefined, 1])
  })

  it('is asked for once where its bytes are wrong, whoever names it', async () => {
    for (const name of ['alice/app:1', 'bob/app:1', 'carol/app:1']) parent.put(name, [layer])
    parent.onPiece = (digest, _offset, piece) => (digest === digestOf(layer) ? Buffer.alloc(piece.length) : piece)
    await pass('alice/app:1', 'bob/app:1', 'carol/app:1')
    assert.equal(parent.served.get(digestOf(layer)), 2 * layer.length, 'twice, as for one repository')
    for (const { reason } of statuses.values()) assert.match(reason ?? '', /are not sha256:/)
  })

  it('ends the pass for all where the disk takes nothing', async () => {
    for (const name of ['alice/app:1', 'bob/app:1']) parent.put(name, [layer])
    parent.onPiece = (_digest, _offset, piece) => {
      content.failure = Object.assign(new Error('no space left'), { code: 'DISK_FULL' })
      return piece
    }
    const { contentWorks } = await pass('alice/app:1', 'bob/app:1')
    assert.equal(contentWorks, false)
    assert.equal(asked(new RegExp(`^BLOB .*${digestOf(layer)}`)).length, 1)
  })
})
