import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { deploymentManifestCases, manifestOf, oddManifestCases } from '../../test/cases/deployment-manifests.ts'
import { DeploymentError } from './deployment.ts'
import { parseHubConfiguration } from './hub-config.ts'
import { parseDeployment } from './parse.ts'
import { RouteCompilationError } from './route.ts'

type Manifest = ReturnType<typeof manifestOf>

/** The codes that a device would report in its two twins. */
function statuses(manifest: Manifest): Record<'$edgeAgent' | '$edgeHub', number | 'not compiled'> {
  const desired = (section: string): Readonly<Record<string, unknown>> =>
    manifest.modulesContent[section]?.['properties.desired'] ?? {}
  return {
    $edgeAgent: statusOf(() => parseDeployment(desired('$edgeAgent'), 'parent.example')),
    $edgeHub: statusOf(() => parseHubConfiguration(desired('$edgeHub')))
  }
}

function statusOf(parse: () => unknown): number | 'not compiled' {
  try {
    parse()
    return 200
  } catch (error) {
    if (error instanceof DeploymentError) return error.status
    if (error instanceof RouteCompilationError) return 'not compiled'
    throw error
  }
}

describe('what a device takes', () => {
  it('has no two rows of one name', () => {
    const names = deploymentManifestCases.map(({ name }) => name)
    assert.equal(new Set(names).size, names.length)
  })

  for (const row of [...deploymentManifestCases, ...oddManifestCases])
    it(`${row.section}: ${row.name} → ${row.status} (${row.fact})`, () => {
      assert.equal(row.accepted, row.status === 200)
      const other = row.section === '$edgeAgent' ? '$edgeHub' : '$edgeAgent'
      assert.deepEqual(statuses(manifestOf(row)), { [row.section]: row.status, [other]: 200 })
    })

  it('resolves $upstream, adds the latest tag and joins chunks', () => {
    const { modules, credentials } = parseDeployment(
      {
        schemaVersion: '1.1',
        runtime: {
          type: 'docker',
          settings: { registryCredentials: { up: { address: '$upstream:8000', username: 'u', password: 'p' } } }
        },
        systemModules: {},
        modules: {
          m: {
            type: 'docker',
            status: 'Running',
            env: { A: {}, B: { value: 1 } },
            settings: { image: '$upstream:8000/acr/connected-registry', createOptions: '{"a"', createOptions01: ':1}' }
          }
        }
      },
      'parent.example'
    )
    assert.equal(credentials[0]?.address, 'parent.example:8000')
    const [module] = modules
    assert.equal(module?.image, 'parent.example:8000/acr/connected-registry:latest')
    assert.deepEqual(module.createOptions, { a: 1 })
    assert.deepEqual(module.env, { A: '', B: '1' })
    assert.deepEqual([module.status, module.restartPolicy, module.startupOrder], ['running', 'always', 4_294_967_295])
  })

  it('says where a refused deployment is wrong', () => {
    const row = deploymentManifestCases.find(({ name }) => name === 'a blank password')!
    const desired = manifestOf(row).modulesContent['$edgeAgent']!['properties.desired']
    assert.throws(() => parseDeployment(desired, 'x'), /runtime\.settings\.registryCredentials\.cloud\.password/)
  })
})

const reference = fileURLToPath(new URL('../../../shared/reference/', import.meta.url))

describe('published deployment manifests', () => {
  const refused: ReadonlySet<string> = new Set(['preview-lower-layer.json'])
  const files = [
    'e2e-middle-layer-pull-through.json',
    'e2e-top-layer-pull-through.json',
    'preview-lower-layer.json',
    'preview-top-layer.json',
    'quickstart-top-layer.json',
    'tutorial-lower-layer.json'
  ]

  before(function () {
    if (existsSync(reference)) return
    console.log('      skipped: the folder of published deployment manifests is not beside this project')
    this.skip()
  })

  for (const file of files)
    it(`${file} is ${refused.has(file) ? 'refused' : 'taken'}`, () => {
      // Placeholders stand in angle brackets; whoever follows the page puts a value there.
      const text = readFileSync(`${reference}${file}`, 'utf8').replace(/<([\w.]+)>/g, 'value')
      const expected = { $edgeAgent: refused.has(file) ? 400 : 200, $edgeHub: 200 }
      assert.deepEqual(statuses(JSON.parse(text) as Manifest), expected)
    })

  it('refuses the private preview of the lower layer for its create options alone', function () {
    const text = readFileSync(`${reference}preview-lower-layer.json`, 'utf8').replaceAll(
      /\$upstream(?=[/"])/g,
      '$$upstream:443'
    )
    const desired = (JSON.parse(text) as Manifest).modulesContent['$edgeAgent']!['properties.desired']
    assert.throws(() => parseDeployment(desired, 'parent.example'), /createOptions is not JSON/)
  })
})
