import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')

/**
 * Who may import whom (README, "Rooms"). Rooms never reach sideways: a room declares the small interface it needs, and
 * `module/main.ts` supplies it. `*.test.ts` may import anything and are not looked at.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'module/oci': [],
  'module/log': [],
  'module/libc': [],
  'module/settings': ['module/oci', 'module/log'],
  'module/parent': ['module/oci', 'module/log'],
  'module/storage': ['module/oci', 'module/log', 'module/libc'],
  'module/access': ['module/oci', 'module/log', 'module/settings'],
  'module/registry': ['module/oci', 'module/log', 'module/libc'],
  'module/sync': ['module/oci', 'module/log', 'module/settings'],
  'module/status': ['module/oci', 'module/log', 'module/settings'],
  'module/twin': ['module/log', 'module/settings'],
  'module/doctor': [],
  'module/page': ['module/oci', 'module/log', 'module/settings'],
  'module/notifications': ['module/oci', 'module/log', 'module/settings'],
  module: ['module/*'],
  generator: ['module/oci', 'module/settings'],
  simulator: ['module/oci', 'module/storage'],
  bench: ['generator', 'module/oci', 'module/settings', 'module/storage', 'packaging'],
  demo: [],
  docs: ['module/settings', 'generator'],
  packaging: [],
  test: ['*']
}

/** The deepest room that a file stands in: `module/sync/plan.ts` in `module/sync`, `module/main.ts` in `module`. */
function roomOf(file: string): string {
  const folders = dirname(file).split('/')
  const nested = folders.slice(0, 2).join('/')
  return Object.hasOwn(allowed, nested) ? nested : (folders[0] ?? '')
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true
  return (allowed[from] ?? []).some(
    (rule) => rule === '*' || rule === to || (rule.endsWith('/*') && to.startsWith(rule.slice(0, -1)))
  )
}

interface Arrow {
  readonly file: string
  readonly imported: string
}

function arrows(): Arrow[] {
  const files = globSync('{module,generator,simulator,bench,demo,docs,packaging,test}/**/*.ts', { cwd: root }).filter(
    (file) => !file.endsWith('.test.ts')
  )
  return files.flatMap((file) =>
    ts
      .preProcessFile(readFileSync(join(root, file), 'utf8'), true, true)
      .importedFiles.map(({ fileName }) => fileName)
      .filter((name) => name.startsWith('.') && name.endsWith('.ts'))
      .map((name) => ({ file, imported: normalize(join(dirname(file), name)) }))
  )
}

describe('import directions', () => {
  it('has a rule for every folder of code', () => {
    const rooms = new Set(globSync('module/*/*.ts', { cwd: root }).map((file) => dirname(file)))
    assert.deepEqual(
      [...rooms].filter((room) => !Object.hasOwn(allowed, room)),
      []
    )
  })

  it('go the way the rooms table says', () => {
    const found = arrows()
    assert.ok(found.length > 50, 'the test reads the code')
    assert.deepEqual(
      found.filter(({ file, imported }) => !mayImport(roomOf(file), roomOf(imported))),
      []
    )
  })

  it('never leave the repository, nor reach into a test', () => {
    const strange = arrows().filter(
      ({ imported }) => relative(root, join(root, imported)).startsWith('..') || imported.endsWith('.test.ts')
    )
    assert.deepEqual(strange, [])
  })

  it('sees a wrong arrow', () => {
    assert.equal(mayImport('module/sync', 'module/storage'), false)
    assert.equal(mayImport('generator', 'module'), false)
    assert.equal(mayImport('simulator', 'module/access'), false)
    assert.equal(mayImport('module', 'simulator'), false)
  })
})
