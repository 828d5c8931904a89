import assert from 'node:assert/strict'
import {
  describeEntry,
  isExact,
  parseImageFilter,
  wantedTags,
  wantsTag,
  type ImageFilterInput
} from './image-filter.ts'

const signature = `sha256-${'a'.repeat(64)}`

describe('image filters', () => {
  const filterOf = (entry: string | ImageFilterInput) => parseImageFilter(entry) ?? assert.fail()

  for (const [text, tag, wanted] of [
    ['app', 'anything', true],
    ['app:1.0', '1.0', true],
    ['app:1.0', '1x0', false],
    ['app:1.*', '1.9.2', true],
    ['app:1.*', '11', false],
    ['app:*-amd64', '1.0-amd64', true],
    ['team/app:v*', 'v2', true],
    ['app', signature, false],
    ['app', `${signature}.sig`, false],
    ['app:sha256-*', `${signature}.sig`, true],
    [`app:${signature}`, signature, true]
  ] as const)
    it(`${text} ${wanted ? 'wants' : 'does not want'} ${tag}`, () => {
      assert.equal(wantsTag(filterOf(text), tag), wanted)
    })

  for (const text of ['', 'App', 'app:', 'app:a b', 'app@sha256:x', 'host:5000/app'])
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseImageFilter(text), undefined))

  for (const entry of [
    { repository: 'App' },
    { repository: 'app', tags: ['a b'] },
    { repository: 'app', semver: '' },
    { repository: 'app', semver: '1.x.y.z' }
  ])
    it(`refuses ${JSON.stringify(entry)}`, () => assert.equal(parseImageFilter(entry), undefined))

  const tags = ['latest', '1', '1.2', 'v1.3.0', '1.10.1', '1.11.0-rc.1', '2.0.0', '2.0.0-alpine', 'nightly-7']
  for (const [what, entry, wanted] of [
    ['a range', { semver: '>=1.2 <2' }, ['1.2', 'v1.3.0', '1.10.1']],
    ['a range that names a candidate', { semver: '>=1.11.0-0 <1.12' }, ['1.11.0-rc.1']],
    ['the newest, by version and not by letter', { newest: 3 }, ['2.0.0', '1.10.1', 'v1.3.0']],
    ['the newest of a range', { semver: '1', newest: 1 }, ['1.10.1']],
    ['the newest of a glob, candidates included', { tags: ['1.1*'], newest: 1 }, ['1.11.0-rc.1']],
    ['several tags and globs', { tags: ['latest', 'nightly-*'] }, ['latest', 'nightly-7']]
  ] as const)
    it(`takes ${what}`, () => {
      assert.deepEqual(wantedTags(filterOf({ repository: 'app', ...entry }), tags), wanted)
    })

  it('knows which entries need no list of tags', () => {
    assert.equal(isExact(filterOf('app:1.0')), true)
    assert.equal(isExact(filterOf({ repository: 'app', tags: ['1.0', '2.0'] })), true)
    assert.equal(isExact(filterOf('app')), false)
    assert.equal(isExact(filterOf({ repository: 'app', tags: ['1.0'], newest: 1 })), false)
  })

  it('shows an entry as a person would say it', () => {
    assert.equal(describeEntry('app:1.*'), 'app:1.*')
    assert.equal(
      describeEntry({ repository: 'app', tags: ['v*', '1'], semver: '>=1 <2', newest: 3 }),
      'app:v*|1 semver >=1 <2 newest 3'
    )
  })
})
