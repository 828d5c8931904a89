import assert from 'node:assert/strict'
import { parseImageFilter, wantsTag } from './image-filter.ts'
import type { SettingsInput } from './document.ts'
import { hasSettings, readSettings } from './validate.ts'

const hash = `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const good: SettingsInput = {
  schemaVersion: '1.0',
  imageSets: { workloads: { repositories: ['hello-world', 'app:1.*'] } },
  scopeMaps: { readers: { actions: ['repositories/hello-world/content/read'] } },
  tokens: { reader: { scopeMap: 'readers', passwords: { password1: { hash } } } }
}

describe('readSettings', () => {
  it('fills in defaults', () => {
    const reading = readSettings(good)
    assert.ok(reading.ok)
    assert.equal(reading.settings.mode, 'ReadOnly')
    assert.equal(reading.settings.sync.intervalMinutes, 15)
    assert.equal(reading.settings.tokens['reader']?.status, 'enabled')
    assert.deepEqual(reading.warnings, [])
  })

  it('leaves out what it does not know, at any depth, and says so', () => {
    const document = {
      ...good,
      novelty: 1,
      imageSets: { workloads: { repositories: ['hello-world'], colour: 'blue' } }
    }
    const reading = readSettings(document)
    assert.ok(reading.ok)
    assert.deepEqual(reading.warnings.map((warning) => warning.path).sort(), ['imageSets.workloads.colour', 'novelty'])
    assert.equal(document.imageSets.workloads.colour, 'blue', 'the document given is not touched')
  })

  for (const [what, change, path] of [
    ['another major version', { schemaVersion: '2.0' }, 'schemaVersion'],
    ['no version', { schemaVersion: undefined }, 'schemaVersion'],
    ['a bad action', { scopeMaps: { readers: { actions: ['repositories/x/push'] } } }, 'scopeMaps.readers.actions.0'],
    ['a repository with a capital', { imageSets: { a: { repositories: ['Hello'] } } }, 'imageSets.a.repositories.0'],
    ['a token without a scope map', { scopeMaps: {} }, 'tokens.reader.scopeMap'],
    [
      'a plain password in place of a hash',
      { tokens: { reader: { scopeMap: 'readers', passwords: { password1: { hash: 'hunter2' } } } } },
      'tokens.reader.passwords.password1.hash'
    ],
    [
      'a token without a password',
      { tokens: { reader: { scopeMap: 'readers', passwords: {} } } },
      'tokens.reader.passwords'
    ],
    ['a name with a dot', { imageSets: { 'a.b': { repositories: ['x'] } } }, 'imageSets.a.b'],
    ...['host:99999', 'https://host', 'user@host', 'a b'].map(
      (endpoint) =>
        ['a parent at ' + endpoint, { parent: { endpoint, tokenName: 't', password: 'p' } }, 'parent.endpoint'] as const
    ),
    ['a schedule of six fields', { storage: { scrub: { schedule: '0 0 5 * * *' } } }, 'storage.scrub.schedule'],
    [
      'a schedule that never comes',
      { storage: { garbageCollection: { schedule: '0 0 31 2 *' } } },
      'storage.garbageCollection.schedule'
    ],
    [
      'anonymous pull by no scope map',
      { anonymousPull: { enabled: true, scopeMap: 'nobody' } },
      'anonymousPull.scopeMap'
    ],
    ['an interval of nothing', { sync: { intervalMinutes: 0 } }, 'sync.intervalMinutes'],
    ['a mode of its own', { mode: 'readonly' }, 'mode']
  ] as const)
    it(`refuses ${what}, with path and reason and without the value`, () => {
      const reading = readSettings({ ...good, ...change, extra: true })
      assert.ok(!reading.ok)
      assert.deepEqual(
        reading.errors.map((error) => error.path),
        [path]
      )
      assert.ok(reading.errors.every((error) => error.reason !== '' && !error.reason.includes('hunter2')))
    })

  for (const nothing of [null, [], 'text', 7])
    it(`refuses ${JSON.stringify(nothing)}`, () => assert.equal(readSettings(nothing).ok, false))

  it('knows a fresh twin from settings', () => {
    assert.equal(hasSettings({}), false)
    assert.equal(hasSettings({ otherTool: 1 }), false)
    assert.equal(hasSettings({ schemaVersion: '1.0' }), true)
  })
})

describe('image filters', () => {
  for (const [text, tag, wanted] of [
    ['app', 'anything', true],
    ['app:1.0', '1.0', true],
    ['app:1.0', '1x0', false],
    ['app:1.*', '1.9.2', true],
    ['app:1.*', '11', false],
    ['app:*-amd64', '1.0-amd64', true],
    ['team/app:v*', 'v2', true]
  ] as const)
    it(`${text} ${wanted ? 'wants' : 'does not want'} ${tag}`, () => {
      const filter = parseImageFilter(text)
      assert.ok(filter)
      assert.equal(wantsTag(filter, tag), wanted)
    })

  for (const text of ['', 'App', 'app:', 'app:a b', 'app@sha256:x', 'host:5000/app'])
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseImageFilter(text), undefined))
})
