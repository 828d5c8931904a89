import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { algorithmOf, digestOf, hexOf, isDigest, parseDigest } from './digest.ts'
import { OciError } from './errors.ts'

describe('digest', () => {
  const hex = createHash('sha256').update('causeway').digest('hex')

  it('takes sha256 and sha512 apart', () => {
    const digest = parseDigest(`sha256:${hex}`)
    assert.equal(algorithmOf(digest), 'sha256')
    assert.equal(hexOf(digest), hex)
    assert.equal(algorithmOf(digestOf('causeway', 'sha512')), 'sha512')
    assert.equal(digestOf('causeway'), digest)
  })

  for (const [what, text] of [
    ['an upper-case hex', `sha256:${hex.toUpperCase()}`],
    ['a short hex', `sha256:${hex.slice(1)}`],
    ['an unknown algorithm', `md5:${hex}`],
    ['a name of Object.prototype', `constructor:${hex}`],
    ['no algorithm', hex],
    ['a path', `sha256:../../${hex.slice(6)}`],
    ['nothing', '']
  ] as const)
    it(`refuses ${what}`, () => {
      assert.equal(isDigest(text), false)
      assert.throws(
        () => parseDigest(text),
        (error) => error instanceof OciError && error.code === 'DIGEST_INVALID' && error.status === 400
      )
    })
})
