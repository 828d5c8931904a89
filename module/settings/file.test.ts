import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once, EventEmitter } from 'node:events'
import type { SettingsError } from './errors.ts'
import { followSettingsFile } from './file.ts'
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
})
