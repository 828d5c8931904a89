import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { digestOf } from '../oci/digest.ts'
import { ByteCache } from './byte-cache.ts'

describe('byte cache', () => {
  const limits = { most: 1000, largest: 400 } as const

  function counting(bytes: Buffer): { read: () => Promise<Buffer>; reads: () => number } {
    let reads = 0
    return {
      read: () => {
        reads += 1
        return Promise.resolve(bytes)
      },
      reads: () => reads
    }
  }

  it('reads once', async () => {
    const cache = new ByteCache(limits)
    const bytes = randomBytes(100)
    const { read, reads } = counting(bytes)
    assert.equal(cache.size(digestOf(bytes)), undefined)
    for (let turn = 0; turn < 3; turn += 1) assert.ok((await cache.get(digestOf(bytes), read)).equals(bytes))
    assert.equal(reads(), 1)
    assert.equal(cache.size(digestOf(bytes)), 100)
  })

  it('lets go of what was used longest ago, and never holds what is large', async () => {
    const cache = new ByteCache(limits)
    const [first, second, third, large] = [400, 400, 400, 401].map((size) => randomBytes(size)) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer
    ]
    for (const bytes of [first, second, first, third, large])
      await cache.get(digestOf(bytes), () => Promise.resolve(bytes))
    assert.deepEqual(
      [first, second, third, large].map((bytes) => cache.size(digestOf(bytes))),
      [400, undefined, 400, undefined]
    )
  })

  it('neither gives out nor keeps what is damaged', async () => {
    const cache = new ByteCache(limits)
    const bytes = randomBytes(100)
    const digest = digestOf(bytes)
    const damaged = Buffer.from(bytes)
    damaged[0] = (damaged[0] ?? 0) ^ 1
    await assert.rejects(
      cache.get(digest, () => Promise.resolve(damaged)),
      { code: 'BLOB_UNKNOWN' }
    )
    assert.equal(cache.size(digest), undefined)
    assert.ok((await cache.get(digest, () => Promise.resolve(bytes))).equals(bytes))
  })

  it('knows digests of either algorithm', async () => {
    const cache = new ByteCache(limits)
    const bytes = randomBytes(10)
    const digest = digestOf(bytes, 'sha512')
    assert.ok((await cache.get(digest, () => Promise.resolve(bytes))).equals(bytes))
  })
})
