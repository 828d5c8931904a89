import assert from 'node:assert/strict'
import { plain, plainJson, plainly } from './plain.ts'

describe('what others wrote', () => {
  for (const [what, text, expected] of [
    ['stays as it is', 'hello-world:latest failed: 404 # not found, sha256:0a::b', undefined],
    ['stays on its line', 'x\r\ny\u0085z\u2028.', 'x y z .'],
    ['moves no cursor', '\u001b[2J\u001b]0;title\u0007pwned\u009b1m', ' [2J ]0;title pwned 1m'],
    ['gives Azure DevOps no command', 'a ##vso[task.complete]', 'a # #vso[task.complete]'],
    ['gives none where there is one sign more', '###vso[task.complete]', '# # #vso[task.complete]'],
    ['gives GitHub no command of the old form', 'a ##[add-mask]b', 'a # #[add-mask]b'],
    ['gives GitHub no command', ' ::error::pwned', ' : :error::pwned'],
    ['gives none where there is one sign more', ':::error::', ': ::error::'],
    ['gives none that begins on a line of its own', '\n::error::pwned', ' : :error::pwned']
  ] as const)
    it(what, () => {
      assert.equal(plain(text), expected ?? text)
    })

  it('is the same document as JSON, without commands', () => {
    const document = { '##[a': ['###vso[b]'] }
    const json = plainJson(JSON.stringify(document))
    assert.doesNotMatch(json, /##/)
    assert.deepEqual(JSON.parse(json), document)
  })

  it('is plain in the depth of a document, names included, and nothing else is changed', () => {
    assert.deepEqual(plainly({ 'a\n': [{ b: 'c\n##[d' }, 1, null, true] }), { 'a ': [{ b: 'c # #[d' }, 1, null, true] })
  })
})
