import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { parseHubConfiguration } from '../../simulator/edge-agent/hub-config.ts'
import { parseDeployment } from '../../simulator/edge-agent/parse.ts'
import type { Configuration } from '../../simulator/hub/configurations.ts'
import { readDeploymentContent } from '../../simulator/hub/deployment-content.ts'
import { desiredOf, effectiveOf } from '../../simulator/hub/layers.ts'
import { formatManifest, generateManifest } from '../deployment/generate.ts'
import { mergeLayers, type Sections } from '../deployment/merge-layers.ts'
import { parseTemplate, type Template } from '../deployment/template.ts'
import type { Device, Relay } from '../site-file/site.ts'
import { deviceNamed, testSite } from '../testing.ts'
import { checkLayers } from './layers.ts'
import { examine, validateManifest } from './manifest.ts'
import { layer, whole, type Json } from './testing.ts'

const now = new Date('2026-11-21T00:00:00Z')
const site = testSite(
  `  gateway:
    connectedRegistry: { name: plantgateway }
    settings: { registry: { challenge: Basic } }
  lower: { connectedRegistry: { name: plantlower }, parent: cabinet }`,
  'relays: { cabinet: { parent: gateway } }\n'
)
const withRegistry = [deviceNamed(site, 'gateway'), deviceNamed(site, 'lower')]
const anyDevice = fc.constantFrom(...withRegistry, ...Object.values(site.relays))
const shipped = parseTemplate(
  readFileSync(join(import.meta.dirname, '../../deployment.template.json'), 'utf8'),
  'deployment.template.json'
).modulesContent

const variables = { REGISTRY: 'theirs.azurecr.io', USER: 'somebody', TTL: '60', LABEL: 'a "b" \\c', setting_a: '1' }
const images = { 'MODULES.camera': 'theirs.azurecr.io/camera:1.0-amd64' }

const envelope = fc.record({
  content: fc.boolean(),
  schemaTemplate: fc.boolean(),
  tabs: fc.boolean()
})

function templateOf(content: Json, form: typeof envelope extends fc.Arbitrary<infer Form> ? Form : never): Template {
  const inner = { modulesContent: content }
  const document = {
    ...(form.schemaTemplate ? { '$schema-template': '4.0.0' } : {}),
    ...(form.content ? { id: 'x', content: inner } : inner)
  }
  const written = JSON.stringify(document, undefined, form.tabs ? '\t' : 2).replace('"@TTL@"', '${TTL}')
  return { ...parseTemplate(written, 'deployment.template.json', true), environment: { variables, images }, shipped }
}

/** What the simulator's edgeAgent and edgeHub read, or throw at. */
function take(desired: ReadonlyMap<string, unknown>): void {
  parseDeployment((desired.get('$edgeAgent') ?? {}) as Json, 'parent.example')
  parseHubConfiguration((desired.get('$edgeHub') ?? {}) as Json)
}

function configuration(id: string, priority: number, modulesContent: Sections): Configuration {
  const kept: Pick<Configuration, 'id' | 'priority' | 'content' | 'createdTimeUtc'> = {
    ...{ id, priority, content: { modulesContent } },
    createdTimeUtc: '2026-11-21T00:00:00Z'
  }
  return kept as Configuration
}

describe('whatever generate makes of templates as people have them', () => {
  const make = (template: Template, device: Device | Relay): ReturnType<typeof generateManifest> =>
    generateManifest(site, device, template, { now })

  it('of devices at every layer has no error, is the same twice, and is taken by IoT Hub, edgeAgent and edgeHub of the simulator', () => {
    fc.assert(
      fc.property(whole, envelope, anyDevice, (content, form, device) => {
        const manifest = make(templateOf(content, form), device)
        const made = formatManifest(manifest)
        assert.equal(formatManifest(make(templateOf(content, form), device)), made)
        const { findings, kind } = validateManifest(made, 'deployment.json')
        assert.deepEqual(
          findings.filter(({ severity }) => severity === 'error'),
          []
        )
        assert.equal(kind, 'deployment')
        take(readDeploymentContent(JSON.parse(made)))
        assert.ok(!made.includes('"why"'), 'comments are left out')
        if (device.parent !== undefined)
          assert.ok(!/mcr[^"]*azureiotedge-(?:agent|hub)/.test(made), 'it comes from above')
      }),
      { numRuns: 150 }
    )
  }).timeout(60_000)

  it('goes on a base as a layer: validate takes both, and merged they are what the hub of the simulator makes of them', () => {
    fc.assert(
      fc.property(whole, layer, envelope, fc.constantFrom(...withRegistry), (bottom, top, form, device) => {
        const base = make(templateOf(bottom, form), device).modulesContent
        const above = make(templateOf(top, form), device).modulesContent
        const examined = [base, above].map((content, priority) =>
          examine(JSON.stringify({ priority, content: { modulesContent: content } }), `${priority}.json`)
        )
        checkLayers(examined.map(({ deployment }) => deployment))
        const reports = examined.map((each) => each.toReport())
        assert.deepEqual(
          reports.map(({ kind }) => kind),
          ['deployment', 'layered']
        )
        assert.deepEqual(
          reports.flatMap(({ findings }) => findings.filter(({ severity }) => severity === 'error')),
          []
        )
        const effective = effectiveOf('device', [configuration('base', 0, base), configuration('layer', 1, above)])
        assert.ok(effective)
        const desired = desiredOf(effective, () => undefined)
        assert.deepEqual(mergeLayers([base, above]), Object.fromEntries(desired))
        // Routes that are objects need another version than 1.0, which is the base's to say.
        const version = (base['$edgeHub']?.['properties.desired'] as Json)['schemaVersion']
        if (version !== '1.0') take(desired)
      }),
      { numRuns: 150 }
    )
  }).timeout(60_000)
})
