import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { writeNewFiles, type NewFile } from './new-files.ts'

describe('files that a person may have', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-new-files-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const file = (name: string, content = 'new', mode: NewFile['mode'] = 0o644): NewFile => ({
    path: join(folder, name),
    content,
    mode
  })
  const write = (files: readonly NewFile[], replace = false, signal = new AbortController().signal) =>
    writeNewFiles(files, { replace, instead: 'take another folder', signal })
  const refused = (code: string) => (error: unknown) => error instanceof GeneratorError && error.code === code

  it('are written in folders that are not there yet, for all or for their owner alone', async () => {
    const files = [file('a/b', 'one'), file('c', 'two', 0o600)]
    assert.deepEqual(
      await write(files),
      files.map(({ path }) => path)
    )
    assert.equal(await readFile(join(folder, 'a/b'), 'utf8'), 'one')
    assert.equal((await stat(join(folder, 'c'))).mode & 0o777, 0o600)
    assert.deepEqual((await readdir(folder)).sort(), ['a', 'c'])
  })

  it('are all left alone where one is there and says something else', async () => {
    await writeFile(join(folder, 'second'), 'old')
    await assert.rejects(write([file('first'), file('second')]), refused('OUTPUT_EXISTS'))
    assert.deepEqual(await readdir(folder), ['second'])
    await write([file('first'), file('second')], true)
    assert.equal(await readFile(join(folder, 'second'), 'utf8'), 'new')
  })

  it('are not written again where they say the same, and are closed to others all the same', async () => {
    await writeFile(join(folder, 'same'), 'new')
    await chmod(join(folder, 'same'), 0o644)
    assert.deepEqual(await write([file('same', 'new', 0o600)]), [])
    assert.equal((await stat(join(folder, 'same'))).mode & 0o777, 0o600)
  })

  it('are all left out where one cannot be written, or after Ctrl-C', async () => {
    await writeFile(join(folder, 'no-folder'), '')
    await assert.rejects(write([file('first'), file('no-folder/second')]), refused('OUTPUT_UNWRITABLE'))
    await assert.rejects(write([file('first')], false, AbortSignal.abort()), refused('CANCELLED'))
    assert.deepEqual(await readdir(folder), ['no-folder'])
  })

  it('are taken back where another came there meanwhile', async () => {
    // Both names lead to one place: the second finds what the first has put there.
    await assert.rejects(
      write([file('place'), { ...file('place', 'other'), path: `${folder}//place` }]),
      refused('OUTPUT_EXISTS')
    )
    assert.deepEqual(await readdir(folder), [])
  })
})
