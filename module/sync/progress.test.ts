import assert from 'node:assert/strict'
import fc from 'fast-check'
import { digestOf, type Digest } from '../oci/digest.ts'
import { Progress } from './progress.ts'

const digests = ['one', 'two', 'three', 'four'].map((text) => digestOf(Buffer.from(text)))
const sizeOf = (digest: Digest): number => 10 + digests.indexOf(digest)

describe('sync: progress', () => {
  it('counts a shared blob once over all, whatever came and went before', () => {
    const image = fc.constantFrom('a', 'b', 'c')
    const digest = fc.constantFrom(...digests)
    const step = fc.oneof(
      fc.record({ kind: fc.constant('expect' as const), image, digests: fc.uniqueArray(digest) }),
      fc.record({ kind: fc.constant('keepOnly' as const), images: fc.uniqueArray(image) }),
      fc.record({ kind: fc.constant('set' as const), digest, done: fc.nat(20) }),
      fc.record({ kind: fc.constant('complete' as const), digest })
    )
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const progress = new Progress()
        const images = new Map<'a' | 'b' | 'c', readonly Digest[]>()
        const done = new Map<Digest, number>()
        const wanted = (): Set<Digest> => new Set([...images.values()].flat())
        for (const each of steps) {
          if (each.kind === 'expect') {
            images.set(each.image, each.digests)
            progress.expect(each.image, new Map(each.digests.map((one) => [one, sizeOf(one)])))
          } else if (each.kind === 'keepOnly') {
            for (const name of images.keys()) if (!each.images.includes(name)) images.delete(name)
            progress.keepOnly(new Set(each.images))
          } else {
            const to = each.kind === 'set' ? Math.min(each.done, sizeOf(each.digest)) : sizeOf(each.digest)
            if (each.kind === 'set') progress.set(each.digest, each.done)
            else progress.complete(each.digest)
            if (wanted().has(each.digest)) done.set(each.digest, to)
          }
          for (const one of done.keys()) if (!wanted().has(one)) done.delete(one)
        }
        const sum = (of: Iterable<Digest>): { bytesDone: number; bytesTotal: number } => {
          const all = [...of]
          return {
            bytesDone: all.reduce((total, one) => total + (done.get(one) ?? 0), 0),
            bytesTotal: all.reduce((total, one) => total + sizeOf(one), 0)
          }
        }
        assert.deepEqual(progress.overall(), sum(wanted()))
        for (const [name, blobs] of images) assert.deepEqual(progress.ofImage(name), sum(blobs))
        for (const one of digests)
          assert.deepEqual(
            progress.imagesWith(one).sort(),
            [...images].flatMap(([name, blobs]) => (blobs.includes(one) ? [name] : [])).sort()
          )
      })
    )
  })
})
