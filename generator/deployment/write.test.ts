import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GeneratorError } from '../errors.ts'
import { readManifest } from './read-manifest.ts'
import { writeOpenFile, writeSecretFile } from './write.ts'

describe('files with passwords', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-write-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const git = (...words: string[]): void => void execFileSync('git', ['-C', folder, ...words], { stdio: 'ignore' })

  it('are for their owner only, over an older one too', async () => {
    const path = join(folder, 'config', 'deployment.json')
    await writeOpenFile(path, 'older')
    await writeSecretFile(path, 'text', false)
    assert.equal(await readFile(path, 'utf8'), 'text')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
  })

  it('are not written where git would take them', async () => {
    git('init')
    const path = join(folder, 'deployment.json')
    await assert.rejects(
      writeSecretFile(path, 'text', false),
      (error: GeneratorError) => error.code === 'OUTPUT_IN_GIT' && error.message.includes('--without-secrets')
    )
    await assert.rejects(stat(path), { code: 'ENOENT' })
    await writeSecretFile(path, 'text', true)
  })

  it('are written where git ignores them, in folders that are not there yet too', async () => {
    git('init')
    await writeFile(join(folder, '.gitignore'), '/config/\n')
    await writeSecretFile(join(folder, 'config', 'sub', 'deployment.json'), 'text', false)
  })

  it('are not written over one that git tracks, ignored or not', async () => {
    git('init')
    const path = join(folder, 'config', 'deployment.json')
    await writeOpenFile(path, '{}')
    git('add', '.')
    await writeFile(join(folder, '.gitignore'), '/config/\n')
    await assert.rejects(writeSecretFile(path, 'text', false), { code: 'OUTPUT_IN_GIT' })
  })

  it('are not half there where they cannot be written', async () => {
    const path = join(folder, 'deployment.json')
    await mkdir(path)
    await assert.rejects(writeSecretFile(path, 'text', false), { code: 'OUTPUT_UNWRITABLE' })
  })
})

describe('deployment manifests from files', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-manifest-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const content = { $edgeAgent: { 'properties.desired': { schemaVersion: '1.1' } } }

  it('come in either envelope', async () => {
    for (const text of [{ modulesContent: content }, { content: { modulesContent: content } }]) {
      await writeFile(join(folder, 'm.json'), JSON.stringify(text))
      assert.deepEqual(await readManifest('m.json', folder), { modulesContent: content })
    }
  })

  for (const [what, text, code] of [
    ['what is not JSON, without quoting it', '{"password": "hunter2hunter2"', 'MANIFEST_INVALID'],
    ['what is no manifest', '{"modulesContent": {"$edgeHub": {}}}', 'MANIFEST_INVALID'],
    [
      'what still waits for a value',
      JSON.stringify({ modulesContent: { ...content, m: { 'properties.desired': { a: ['${X}'] } } } }),
      'MANIFEST_HAS_REFERENCES'
    ]
  ] as const)
    it(`are refused for ${what}`, async () => {
      await writeFile(join(folder, 'm.json'), text)
      await assert.rejects(readManifest('m.json', folder), (error: GeneratorError) => {
        assert.ok(!error.message.includes('hunter2'))
        return error.code === code && error.exitCode === 3
      })
    })

  it('are missed by name', async () => {
    await assert.rejects(readManifest('nowhere.json', folder), { code: 'MANIFEST_UNREADABLE' })
  })
})
