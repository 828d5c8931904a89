import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { parseHubConfiguration } from '../../simulator/edge-agent/hub-config.ts'
import { parseDeployment } from '../../simulator/edge-agent/parse.ts'
import { readDeploymentContent } from '../../simulator/hub/deployment-content.ts'
import { azRefuses } from '../../test/az-set-modules.ts'
import { formatManifest, generateManifest } from '../deployment/generate.ts'
import { parseTemplate } from '../deployment/template.ts'
import type { Secrets } from '../secrets/store.ts'
import { parseSite } from '../site-file/read.ts'
import { validateManifest } from './manifest.ts'

const template = parseTemplate(
  readFileSync(join(import.meta.dirname, '../../deployment.template.json'), 'utf8'),
  'deployment.template.json'
)
const now = new Date('2026-11-21T00:00:00Z')

const letters = 'abcdefghijklmnopqrstuvwxyz'
const word = (least: number, most: number, more = ''): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...Array.from(letters)),
      fc.string({
        unit: fc.constantFrom(...Array.from(`${letters}0123456789${more}`)),
        minLength: least - 1,
        maxLength: most - 1
      })
    )
    .map(([first, rest]) => first + rest)
const repository = fc.array(word(1, 8), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const tag = word(1, 12, '._-')

/** Sites as people write them: a tree of devices, some tokens and image sets, and every setting that reaches a manifest. */
const site = fc
  .record({
    registry: fc.string({
      unit: fc.constantFrom(...Array.from(letters), 'A', 'Z', '0', '9'),
      minLength: 5,
      maxLength: 20
    }),
    region: fc.option(fc.constantFrom('westeurope', 'eastus2'), { nil: undefined }),
    cloud: fc.constantFrom('AzureCloud', 'AzureChinaCloud'),
    images: fc.record({ agent: fc.tuple(repository, tag), connectedRegistry: fc.tuple(repository, tag) }),
    repositories: fc.uniqueArray(repository, { minLength: 1, maxLength: 5 }),
    moduleName: fc.string({
      unit: fc.constantFrom(...Array.from(letters), 'A', '0', '_', '-'),
      minLength: 1,
      maxLength: 20
    }),
    tokens: fc.uniqueArray(word(5, 12), { maxLength: 4 }),
    devices: fc.array(
      fc.record({
        port: fc.integer({ min: 1, max: 65_535 }),
        folder: fc.string({
          unit: fc.constantFrom(...Array.from(letters), '/', ' ', '"', '\\', '$', 'é').filter((c) => c !== ' ')
        }),
        parent: fc.option(fc.nat(), { nil: undefined }),
        logLevel: fc.constantFrom('Information', 'Debug')
      }),
      { minLength: 1, maxLength: 5 }
    )
  })
  .map(({ registry, region, cloud, images, repositories, moduleName, tokens, devices }) => ({
    moduleName,
    text: JSON.stringify({
      schemaVersion: '1.0',
      azure: {
        cloud,
        subscription: '00000000-0000-0000-0000-000000000001',
        resourceGroup: 'demo',
        registry,
        hub: 'causeway-hub',
        ...(region === undefined ? {} : { region })
      },
      moduleName,
      images: { agent: images.agent.join(':'), connectedRegistry: images.connectedRegistry.join(':') },
      scopeMaps: { readers: { actions: repositories.map((name) => `repositories/${name}/content/read`) } },
      tokens: Object.fromEntries(tokens.map((name) => [`client-${name}`, { scopeMap: 'readers' }])),
      imageSets: { workloads: { repositories, priority: 10 } },
      devices: Object.fromEntries(
        devices.map(({ port, folder, parent, logLevel }, index) => [
          `device-${index}`,
          {
            connectedRegistry: { name: `registry${index}` },
            port,
            logLevel,
            dataFolder: `/data/${folder}`,
            ...(parent === undefined || index === 0 ? {} : { parent: `device-${parent % index}` })
          }
        ])
      )
    })
  }))

/** ACR's passwords are base64 and the like. */
const password = fc.string({
  unit: fc.constantFrom(...Array.from(letters), 'A', '0', '+', '/', '='),
  minLength: 32,
  maxLength: 52
})

describe('whatever generate makes', () => {
  it('has no error and no warning, and is taken by az, and by IoT Hub, edgeAgent and edgeHub of the simulator', () => {
    fc.assert(
      fc.property(site, password, fc.boolean(), ({ text, moduleName }, value, withSecrets) => {
        const parsed = parseSite(text, 'site.yaml')
        const secrets: Secrets = {
          slot: (_token, slot) =>
            slot === 'password1'
              ? {
                  state: 'stored',
                  value,
                  hash: `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`,
                  creationTime: '2026-01-01T00:00:00.000Z'
                }
              : undefined,
          values: () => [value]
        }
        const named = parseTemplate(
          JSON.stringify(template.document.value).replaceAll('connected-registry', moduleName),
          'deployment.template.json'
        )
        for (const device of Object.values(parsed.devices)) {
          const manifest = generateManifest(parsed, device, named, { now, ...(withSecrets ? { secrets } : {}) })
          const made = formatManifest(manifest)
          const { findings, kind } = validateManifest(made, 'deployment.json')
          assert.deepEqual(
            findings.filter(({ severity }) => severity !== 'info'),
            []
          )
          assert.equal(kind, 'deployment')
          assert.deepEqual(azRefuses(made), [])
          const desired = readDeploymentContent(JSON.parse(made))
          parseDeployment(desired.get('$edgeAgent') ?? {}, 'parent.example')
          parseHubConfiguration(desired.get('$edgeHub') ?? {})
        }
      }),
      { numRuns: 150 }
    )
  }).timeout(60_000)
})
