import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  deploymentManifestCases,
  goodManifest,
  manifestOf,
  oddManifestCases
} from '../../test/cases/deployment-manifests.ts'
import type { FileReport } from './finding.ts'
import { validateManifest } from './manifest.ts'

const show = ({ findings }: FileReport): string => JSON.stringify(findings, undefined, 1)

describe('deployment manifests by the shared cases', () => {
  for (const row of [...deploymentManifestCases, ...oddManifestCases])
    it(`${row.section}: ${row.name} → ${row.accepted ? 'no error' : 'an error'} (${row.fact})`, () => {
      const report = validateManifest(JSON.stringify(manifestOf(row), undefined, 2), 'deployment.json')
      assert.equal(report.ok, row.accepted, show(report))
      if (row.accepted) return
      const errors = report.findings.filter(({ severity }) => severity === 'error')
      assert.ok(
        errors.every(({ path }) => path.startsWith(`modulesContent.${row.section}`)),
        show(report)
      )
    })

  it('find everything at once, in the order of the file', () => {
    const broken = {
      modulesContent: {
        $edgeAgent: { 'properties.desired': { schemaVersion: '2.0', runtime: { type: 'x' }, modules: { m: 'text' } } },
        $edgeHub: {
          'properties.desired': { schemaVersion: '1.1', routes: { a: 'garbage', b: { route: 'x', priority: 11 } } }
        }
      }
    }
    const { findings } = validateManifest(JSON.stringify(broken, undefined, 2), 'm.json')
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'error').map(({ code, line }) => [code, line]),
      [
        ['M012', 4],
        ['M010', 5],
        ['M011', 6],
        ['M011', 7],
        ['M080', 10],
        ['M025', 15],
        ['M020', 18],
        ['M020', 20],
        ['M023', 21]
      ]
    )
  })
})

describe('published deployment manifests', () => {
  const reference = join(import.meta.dirname, '../../../shared/reference')
  const read = (file: string): FileReport => validateManifest(readFileSync(join(reference, file), 'utf8'), file)

  before(function () {
    if (existsSync(reference)) return
    console.log('      skipped: the folder of published deployment manifests is not beside this project')
    this.skip()
  })

  for (const file of [
    'quickstart-top-layer.json',
    'tutorial-lower-layer.json',
    'preview-top-layer.json',
    'e2e-top-layer-pull-through.json',
    'e2e-middle-layer-pull-through.json'
  ])
    it(`${file} has no error, its placeholders taken as filled in`, () => {
      const report = read(file)
      assert.ok(report.ok, show(report))
      assert.equal(report.kind, 'deployment')
    })

  it('preview-lower-layer.json is refused for createOptions, and for $upstream without a port', () => {
    const report = read('preview-lower-layer.json')
    assert.equal(report.ok, false)
    const errors = report.findings.filter(({ severity }) => severity === 'error')
    assert.deepEqual([...new Set(errors.map(({ code }) => code))].sort(), ['M032', 'M040'])
    const broken = errors.find(({ code }) => code === 'M040')
    assert.match(broken?.path ?? '', /modules\.connected-registry\.settings\.createOptions$/)
    assert.equal(broken?.line, 9)
  })

  it('have the mistakes that are in them, and no others', () => {
    const warnings = (file: string): string[] =>
      read(file)
        .findings.filter(({ severity }) => severity === 'warning')
        .map(({ code }) => code)
    assert.deepEqual(warnings('quickstart-top-layer.json'), [])
    assert.deepEqual(warnings('preview-top-layer.json'), [])
    // Its API proxy has startupOrder 3, its registry none, and so the last.
    assert.deepEqual(warnings('tutorial-lower-layer.json'), ['M095'])
    assert.deepEqual(warnings('e2e-middle-layer-pull-through.json'), ['M021'])
    assert.deepEqual(warnings('e2e-top-layer-pull-through.json'), ['M026'])
    // CONNECTED_ACR_ROUTE_ADDRESS says connectedRegistry, the module is called connected-registry.
    assert.deepEqual(warnings('preview-lower-layer.json'), ['M093'])
  })
})

describe("the project's own documents", () => {
  for (const [file, kind] of [
    ['deployment.template.json', 'template'],
    ['manifests/deployment.gateway.json', 'deployment']
  ] as const)
    it(`${file} has neither errors nor warnings`, () => {
      const report = validateManifest(readFileSync(join(import.meta.dirname, '../..', file), 'utf8'), file)
      assert.deepEqual(
        report.findings.filter(({ severity }) => severity !== 'info'),
        []
      )
      assert.equal(report.kind, kind)
    })
})

describe('whatever is in a file', () => {
  it('gets a report with places, and never a failure', () => {
    const good = JSON.stringify(goodManifest, undefined, 2)
    fc.assert(
      fc.property(fc.nat(good.length), fc.nat(40), fc.string(), (at, length, text) => {
        const report = validateManifest(good.slice(0, at) + text + good.slice(at + length), 'm.json')
        for (const { line, column, message } of report.findings) {
          assert.ok(line >= 1 && column >= 1)
          assert.notEqual(message, '')
        }
      }),
      { numRuns: 500 }
    )
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom('$edgeAgent', '$edgeHub', 'm', 'properties.desired.modules.x'),
        (value, name) => {
          for (const content of [
            { [name]: value },
            { [name]: { 'properties.desired': value } },
            { $edgeAgent: { 'properties.desired.modules.m': value, 'properties.desired.runtime': value } },
            { $edgeAgent: { 'properties.desired': { runtime: value, systemModules: value, modules: { m: value } } } }
          ])
            validateManifest(JSON.stringify({ modulesContent: content }), 'm.json')
        }
      ),
      { numRuns: 300 }
    )
  })
})
