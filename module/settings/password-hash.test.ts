import assert from 'node:assert/strict'
import { hashPassword, isPasswordHash, verifyPassword } from './password-hash.ts'

describe('password hash', () => {
  it('verifies the password and no other, and is salted', async () => {
    const [first, second] = await Promise.all([hashPassword('s3cret='), hashPassword('s3cret=')])
    assert.notEqual(first, second)
    assert.ok(isPasswordHash(first))
    assert.equal(await verifyPassword('s3cret=', first), true)
    assert.equal(await verifyPassword('s3cret', first), false)
  })

  for (const [what, text] of [
    ['plain text', 'hunter2'],
    ['too dear a hash', `$scrypt$ln=30,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
    ['too cheap a hash', `$scrypt$ln=4,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
    ['a cut hash', `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(40)}`]
  ] as const)
    it(`refuses ${what}`, async () => {
      assert.equal(isPasswordHash(text), false)
      await assert.rejects(verifyPassword('x', text), { code: 'PASSWORD_HASH_INVALID' })
    })
})
