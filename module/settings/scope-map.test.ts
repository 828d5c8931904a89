import assert from 'node:assert/strict'
import { covers, readScopeMap } from './scope-map.ts'

describe("ACR's scope-map grammar", () => {
  it('reads repositories, folders and everything, lower-cased, and passes over gateway actions', () => {
    const reading = readScopeMap([
      'repositories/Samples/Hello-World/Content/Read',
      'repositories/samples/*/metadata/read',
      'repositories/*/content/delete',
      'gateway/plant/config/read'
    ])
    assert.deepEqual(reading.problems, [])
    assert.deepEqual(reading.permissions, [
      { pattern: 'samples/hello-world', action: 'content/read' },
      { pattern: 'samples/*', action: 'metadata/read' },
      { pattern: '*', action: 'content/delete' }
    ])
  })

  for (const action of [
    'repositories/hello/content/pull',
    'repositories/hello',
    'repositories//content/read',
    'repositories/a/*/b/content/read',
    'repositories/team*/content/read',
    'repositories/*/*/content/read',
    'gateway/plant/read',
    'registry/catalog/read',
    ''
  ])
    it(`refuses ${JSON.stringify(action)}`, () => {
      const { permissions, problems } = readScopeMap(['repositories/ok/content/read', action])
      assert.equal(permissions.length, 1)
      assert.equal(problems[0]?.index, 1)
    })

  it('holds 500 actions and no more', () => {
    const actions = (count: number) => Array.from({ length: count }, (_, n) => `repositories/r${n}/content/read`)
    assert.deepEqual(readScopeMap(actions(500)).problems, [])
    assert.match(readScopeMap(actions(501)).problems[0]?.reason ?? '', /at most 500/)
  })

  it('covers what is below a folder, not the folder or its neighbour', () => {
    assert.ok(covers('samples/*', 'samples/a/b'))
    assert.ok(!covers('samples/*', 'samples'))
    assert.ok(!covers('samples/*', 'samples2/a'))
    assert.ok(covers('*', 'anything'))
    assert.ok(!covers('a', 'a/b'))
  })
})
