import Ajv from 'ajv'
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { deploymentManifestCases, manifestOf } from '../../test/cases/deployment-manifests.ts'
import { testSite } from '../testing.ts'
import { layer, whole } from '../validate/testing.ts'
import { deploymentEditorSchema, templateEditorSchema } from './editor-schema.ts'
import { formatManifest, generateManifest } from './generate.ts'
import { parseTemplate } from './template.ts'

const root = join(import.meta.dirname, '../..')
const reference = join(root, '../shared/reference')
const now = new Date('2026-11-21T00:00:00Z')
type Json = Record<string, unknown>

/** What an editor would underline, by a validator that is not ours. */
function findingsBy(schema: object): (document: unknown) => readonly string[] {
  const validate = new Ajv({ allErrors: true }).compile(schema)
  return (document) => {
    void validate(document)
    return (validate.errors ?? []).map(({ dataPath, message = '' }) => `${dataPath} ${message}`)
  }
}

describe('the JSON Schemas of deployment manifests and their templates', () => {
  const ofDeployment = findingsBy(deploymentEditorSchema())
  const ofTemplate = findingsBy(templateEditorSchema())
  const read = (...path: string[]): Json => JSON.parse(readFileSync(join(...path), 'utf8')) as Json
  const shipped = readFileSync(join(root, 'deployment.template.json'), 'utf8')

  it('take what generate makes and the template that comes with Causeway', () => {
    assert.deepEqual(ofTemplate(JSON.parse(shipped)), [])
    assert.deepEqual(ofDeployment(read(root, 'manifests/deployment.gateway.json')), [])
    const site = testSite(
      `  gateway: { connectedRegistry: { name: plantgateway }, settings: { registry: { challenge: Basic } } }
  lower: { connectedRegistry: { name: plantlower }, parent: cabinet }`,
      'relays: { cabinet: { parent: gateway } }\n'
    )
    const template = parseTemplate(shipped, 'deployment.template.json')
    for (const device of [...Object.values(site.devices), ...Object.values(site.relays)])
      assert.deepEqual(ofDeployment(JSON.parse(formatManifest(generateManifest(site, device, template, { now })))), [])
  })

  it('take templates and layers as people have them, and what generate makes of those', () => {
    const site = testSite()
    const variables = { REGISTRY: 'theirs.azurecr.io', USER: 'somebody', TTL: '60', LABEL: 'x', setting_a: '1' }
    const environment = { variables, images: { 'MODULES.camera': 'theirs.azurecr.io/camera:1.0-amd64' } }
    const { modulesContent } = parseTemplate(shipped, 'deployment.template.json')
    fc.assert(
      fc.property(fc.oneof(whole, layer), fc.boolean(), (content, inner) => {
        const text = JSON.stringify(inner ? { content: { modulesContent: content } } : { modulesContent: content })
        assert.deepEqual(ofTemplate(JSON.parse(text.replace('"@TTL@"', '60'))), [])
        const template = parseTemplate(text.replace('"@TTL@"', '${TTL}'), 'deployment.template.json', true)
        const filled = { ...template, environment, shipped: modulesContent }
        const made = formatManifest(generateManifest(site, Object.values(site.devices)[0]!, filled, { now }))
        assert.deepEqual(ofDeployment(JSON.parse(made)), [])
      }),
      { numRuns: 100 }
    )
  }).timeout(30_000)

  it('take every published manifest that a device takes', function () {
    if (!existsSync(reference)) {
      console.log('    skipped: the published manifests (../shared/reference) are not here')
      this.skip()
    }
    for (const line of readFileSync(join(reference, 'README.md'), 'utf8').split('\n')) {
      const [, file, verdict = ''] = /^\| `([^`]+\.json)` \|.*\| (accepts|refuses) it/.exec(line) ?? []
      if (file === undefined || verdict !== 'accepts') continue
      assert.deepEqual(ofDeployment(read(reference, file)), [], file)
      assert.deepEqual(ofTemplate(read(reference, file)), [], file)
    }
  })

  it('take every manifest of the shared cases that a device takes', () => {
    for (const row of deploymentManifestCases.filter(({ accepted }) => accepted))
      assert.deepEqual(ofDeployment(manifestOf(row)), [], row.name)
  })

  it('refuse gross mistakes, where they are', () => {
    const desired = ".modulesContent.$edgeAgent['properties.desired']"
    const refused: readonly (readonly [patch: Json, where: string])[] = [
      [{ modules: [] }, `${desired}.modules`],
      [{ modules: { m: 'text' } }, `${desired}.modules['m']`],
      [{ modules: { m: { settings: null } } }, `${desired}.modules['m']`],
      [{ modules: { m: { status: 'runing' } } }, `${desired}.modules['m'].status`],
      [{ modules: { m: { env: { LEVEL: 'debug' } } } }, `${desired}.modules['m'].env['LEVEL']`],
      [{ modules: { m: { startupOrder: -1 } } }, `${desired}.modules['m'].startupOrder`],
      [{ schemaVersion: '2.0' }, `${desired}.schemaVersion`],
      [
        { runtime: { settings: { registryCredentials: { a: { address: 'x' } } } } },
        `${desired}.runtime.settings.registryCredentials['a']`
      ],
      [{ systemModules: null }, desired]
    ]
    for (const [patch, where] of refused) {
      const row = { name: where, fact: '', section: '$edgeAgent', accepted: false, status: 400 } as const
      const document = manifestOf({ ...row, fragment: patch })
      for (const find of [ofDeployment, ofTemplate]) {
        const found = find(document)
        assert.ok(
          found.some((each) => each.startsWith(`${where} `)),
          `${JSON.stringify(patch)}: ${found.join('; ')}`
        )
      }
    }
    for (const document of [
      {},
      { modules: {} },
      { content: {} },
      { modulesContent: { $edgeHub: { 'properties.desired': { schemaVersion: '1.1', routes: {} } } } },
      { modulesContent: { $edgeHub: { 'properties.desired.routes.r': 'no route' } } },
      { modulesContent: { $edgeAgent: { 'properties.desired.modules.m': 'text' } } },
      { modulesContent: { $edgeAgent: { 'properties.desired.systemModules.edgeHub': {} } } },
      { content: { modulesContent: { $edgeAgent: { modules: {} } } } },
      { modulesContent: { m: ['text'] } }
    ]) {
      assert.notDeepEqual(ofDeployment(document), [], JSON.stringify(document))
      assert.notDeepEqual(ofTemplate(document), [], JSON.stringify(document))
    }
  })

  it('tell a template from what a device is given', () => {
    const document = JSON.parse(shipped) as Json
    assert.notDeepEqual(ofDeployment(document), [], 'settings that are yet to be filled in')
    const commented = shipped.replace('"routes": {', '"routes": { "_comment": ["why"],').replace('7200', '"${TTL}"')
    assert.deepEqual(ofTemplate({ '$schema-template': '4.0.0', ...(JSON.parse(commented) as Json) }), [])
  })
})
