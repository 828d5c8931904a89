import assert from 'node:assert/strict'
import { digestOf } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { WrongBlobs } from './wrong-blobs.ts'

describe('sync: blobs that came wrong', () => {
  const digest = digestOf('layer')
  const hours = 3_600_000
  const invalid = new OciError('DIGEST_INVALID', 'the 5 bytes received are others')

  it('are left alone for longer each time, for a day at the most', () => {
    let now = 0
    const wrong = new WrongBlobs(() => now)
    wrong.check(digest)
    for (const wait of [1, 2, 4, 8, 16, 24, 24]) {
      const error = wrong.add(digest, invalid)
      assert.match(error.message, new RegExp(`received are others: .* after ${wait} h`))
      now += wait * hours - 1
      assert.throws(
        () => wrong.check(digest),
        (thrown) => thrown === error
      )
      wrong.check(digestOf('another'))
      now += 1
      wrong.check(digest)
      assert.equal(wrong.has(digest), true)
    }
  })

  it('are forgotten where they came right, and where somebody may have mended them', () => {
    for (const mend of ['remove', 'clear'] as const) {
      const wrong = new WrongBlobs(() => 0)
      wrong.add(digest, invalid)
      wrong[mend](digest)
      wrong.check(digest)
      assert.equal(wrong.has(digest), false)
      assert.match(wrong.add(digest, invalid).message, /after 1 h/)
    }
  })
})
