import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once, EventEmitter } from 'node:events'
import type { SettingsError } from './errors.ts'
import { followSettingsFile, parseSettings } from './file.ts'
import { LastGoodFile } from './last-good.ts'

describe('settings on disk', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-settings-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('keeps the last good settings, readable by their owner only', async () => {
    const file = new LastGoodFile(join(folder, 'data'))
    assert.equal(await file.load(), undefined)
    await file.save({ version: 3, document: { schemaVersion: '1.0' } })
    await file.save({ version: 4, document: { schemaVersion: '1.1' } })
    assert.deepEqual(await file.load(), { version: 4, document: { schemaVersion: '1.1' } })
    assert.equal((await stat(join(folder, 'data', 'settings.json'))).mode & 0o777, 0o600)
  })

  it('takes a damaged file for none', async () => {
    await writeFile(join(folder, 'settings.json'), '{"version":')
    assert.equal(await new LastGoodFile(folder).load(), undefined)
    await rm(join(folder, 'settings.json'), { force: true })
    await mkdir(join(folder, 'settings.json'))
    await assert.rejects(new LastGoodFile(folder).load(), {
      code: 'SETTINGS_FILE_UNREADABLE',
      message: /settings\.json cannot be read: EISDIR/
    })
  })

  it('follows a settings file through a change, a mistake and its mending', async () => {
    const path = join(folder, 'given.json')
    const seen = new EventEmitter<{ document: [unknown, number]; mistake: [SettingsError] }>()
    const stop = new AbortController()
    await writeFile(path, '{"a":1}')
    let next = once(seen, 'document')
    void followSettingsFile(
      path,
      (document, version) => void seen.emit('document', document, version),
      (error) => seen.emit('mistake', error),
      stop.signal
    )
    assert.deepEqual(await next, [{ a: 1 }, 1])
    const mistake = once(seen, 'mistake')
    await writeFile(path, '{"a":')
    const [error] = (await mistake) as [SettingsError]
    assert.equal(error.code, 'SETTINGS_FILE_UNREADABLE')
    assert.match(error.message, /given\.json.*not JSON/)
    next = once(seen, 'document')
    await writeFile(path, '{"a":1}')
    assert.deepEqual(await next, [{ a: 1 }, 2], 'the mistake taken back')
    next = once(seen, 'document')
    await writeFile(path, '{"a":2 }')
    assert.deepEqual(await next, [{ a: 2 }, 3])
    stop.abort()
  })

  for (const [text, reason] of [
    ['', 'it is empty, and must be a JSON object'],
    ['[]', 'it must be a JSON object: { … }'],
    ['{', 'it is not JSON (line 1 column 2)'],
    ['{"a": tru}', 'it is not JSON (line 1 column 10)'],
    ['{\n  "a": True\n}', 'it is not JSON (line 2 column 8)'],
    ['{\r\n  "a": NaN }', 'it is not JSON (line 2 column 8)'],
    ["{'a': 1}", 'it is not JSON (line 1 column 2)'],
    ['{"a": 1,\n}', 'it is not JSON (line 2 column 1)'],
    ['{"a": 1\n"b": 2}', 'it is not JSON (line 2 column 1)'],
    ['{"a": 01}', 'it is not JSON (line 1 column 8)'],
    ['{"a": "\\x"}', 'it is not JSON (line 1 column 9)'],
    ['{"a": "b', 'it is not JSON (line 1 column 9)'],
    ['{"a": 1} x', 'it is not JSON (line 1 column 10)']
  ] as const)
    it(`says where ${JSON.stringify(text)} is wrong`, () => {
      assert.throws(() => parseSettings('given.json', text), {
        code: 'SETTINGS_FILE_UNREADABLE',
        message: `given.json cannot be read: ${reason}`
      })
    })

  it('takes a byte order mark for none of the content', () => {
    assert.deepEqual(parseSettings('given.json', '\uFEFF{"schemaVersion":"1.0"}'), { schemaVersion: '1.0' })
    assert.throws(() => parseSettings('given.json', '\uFEFF{"a" 1}'), /\(line 1 column 6\)/)
  })
})
