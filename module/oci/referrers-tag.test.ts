import assert from 'node:assert/strict'
import { parseDigest } from './digest.ts'
import { isReferrersTag, referrersTag } from './referrers-tag.ts'

const a64 = 'a'.repeat(64)

describe("the referrers' tag", () => {
  // The two of the specification's examples whose algorithms are registered.
  for (const [digest, tag] of [
    [`sha256:${a64}`, `sha256-${a64}`],
    [`sha512:${a64}${a64}`, `sha512-${a64}`]
  ] as const)
    it(`of ${digest.slice(0, 6)} has 64 characters of the digest`, () => {
      assert.equal(referrersTag(parseDigest(digest)), tag)
      assert.ok(isReferrersTag(tag))
    })

  it("is told from other tags, cosign's being of its kind", () => {
    assert.ok(isReferrersTag(`sha256-${a64}.sig`))
    for (const tag of ['1.0', `sha256-${a64}b`, `sha256-${'a'.repeat(63)}`, `sha1-${a64}`, `sha256-${a64}.`])
      assert.equal(isReferrersTag(tag), false, tag)
  })
})
