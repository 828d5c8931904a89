import assert from 'node:assert/strict'
import { digestOf } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { WrongBlobs } from './wrong-blobs.ts'

describe('sync: blobs that came wrong', () => {
  const layer = { digest: digestOf('layer'), size: 5 }
  const hours = 3_600_000
  const invalid = new OciError('DIGEST_INVALID', 'the 5 bytes received are others')

  it('are left alone for longer each time, for a day at the most', () => {
    let now = 0
    const wrong = new WrongBlobs(() => now)
    wrong.check(layer)
    for (const wait of [1, 2, 4, 8, 16, 24, 24]) {
      const error = wrong.add(layer, invalid)
      assert.match(error.message, new RegExp(`received are others: .* after ${wait} h`))
      now += wait * hours - 1
      assert.throws(
        () => wrong.check(layer),
        (thrown) => thrown === error
      )
      wrong.check({ ...layer, digest: digestOf('another') })
      wrong.check({ ...layer, size: 6 })
      now += 1
      wrong.check(layer)
      assert.equal(wrong.has(layer), true)
    }
  })

  it('are forgotten where they came right, and where somebody may have mended them', () => {
    for (const mend of ['remove', 'clear'] as const) {
      const wrong = new WrongBlobs(() => 0)
      wrong.add(layer, invalid)
      wrong[mend](layer)
      wrong.check(layer)
      assert.equal(wrong.has(layer), false)
      assert.match(wrong.add(layer, invalid).message, /after 1 h/)
    }
  })
})
