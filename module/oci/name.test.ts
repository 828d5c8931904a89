import assert from 'node:assert/strict'
import { isRepository, isTag, parseRepository, parseTag } from './name.ts'

describe('repository names and tags', () => {
  for (const name of ['hello-world', 'acr/connected-registry', 'a.b_c__d/e---f', '0/1', 'a'.repeat(255)])
    it(`takes the repository ${name.slice(0, 40)}`, () => assert.equal(parseRepository(name), name))

  for (const name of ['', 'Hello', 'a//b', '/a', 'a/', 'a..b', 'a___b', '../etc', 'a b', 'a:b', 'a'.repeat(256)])
    it(`refuses the repository ${JSON.stringify(name.slice(0, 40))}`, () => {
      assert.equal(isRepository(name), false)
      assert.throws(() => parseRepository(name), { code: 'NAME_INVALID' })
    })

  for (const tag of ['latest', '1.0', '_x', 'A-b_c.d', 'x'.repeat(128)])
    it(`takes the tag ${tag.slice(0, 20)}`, () => assert.equal(parseTag(tag), tag))

  for (const tag of ['', '.hidden', '-x', 'a/b', 'a:b', 'x'.repeat(129)])
    it(`refuses the tag ${JSON.stringify(tag.slice(0, 20))}`, () => {
      assert.equal(isTag(tag), false)
      assert.throws(() => parseTag(tag), { code: 'TAG_INVALID' })
    })
})
