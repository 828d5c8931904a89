import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { goodManifest } from '../../test/cases/deployment-manifests.ts'
import { GeneratorError } from '../errors.ts'
import { parseSite } from '../site-file/read.ts'
import { runCommand, siteText } from '../testing.ts'
import { generateManifest } from './generate.ts'
import { readTemplate, type Template } from './template.ts'

const now = new Date('2026-11-21T00:00:00Z')
const cloud = 'mycontainerregistry001.azurecr.io'

/** Registry, relay, registry. */
const layers = (lower = ''): string => `  gateway:
    connectedRegistry: { name: plantgateway }
    settings: { registry: { challenge: Basic } }
  lower: { connectedRegistry: { name: plantlower }, parent: cabinet${lower} }`
const relays = 'relays: { cabinet: { parent: gateway } }\n'

describe('an ordinary template on a device below another', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-above-'))
  })
  after(() => rm(folder, { recursive: true }))

  /** The good manifest of the shared cases, with these images. */
  const textWith = (images: Readonly<Record<string, string>>): string => {
    const content = structuredClone(goodManifest.modulesContent)
    const { systemModules, modules } = content['$edgeAgent']!['properties.desired'] as unknown as Desired
    for (const [name, image] of Object.entries(images))
      (Object.hasOwn(systemModules, name) ? systemModules : modules)[name] = {
        type: 'docker',
        status: 'running',
        restartPolicy: 'always',
        settings: { image }
      }
    return JSON.stringify({ modulesContent: content })
  }
  interface Desired {
    readonly systemModules: Record<string, object>
    readonly modules: Record<string, object>
  }
  const templateWith = async (images: Readonly<Record<string, string>>): Promise<Template> => {
    await writeFile(join(folder, 't.json'), textWith(images))
    return readTemplate('t.json', folder)
  }
  const imagesOf = (
    template: Template,
    { device = 'lower', lower = '', rest = '' } = {}
  ): Readonly<Record<string, string>> => {
    const site = parseSite(siteText(layers(lower), `${rest}${relays}`), 'site.yaml')
    const named = site.devices[device] ?? site.relays[device] ?? assert.fail(device)
    const manifest = generateManifest(site, named, template, { now })
    const { systemModules, modules } = manifest.modulesContent['$edgeAgent']?.['properties.desired'] as Record<
      string,
      Record<string, { readonly settings: { readonly image: string } }>
    >
    return Object.fromEntries(
      Object.entries({ ...systemModules, ...modules }).map(([name, { settings }]) => [name, settings.image])
    )
  }
  const runtime = {
    edgeAgent: 'mcr.microsoft.com/azureiotedge-agent:1.5',
    edgeHub: `${cloud}/azureiotedge-hub:1.5`,
    IoTEdgeAPIProxy: 'mcr.microsoft.com/azureiotedge-api-proxy:1.1'
  }
  const fromAbove = {
    edgeAgent: '$upstream:8000/azureiotedge-agent:1.6.1',
    edgeHub: '$upstream:8000/azureiotedge-hub:1.6.1',
    IoTEdgeAPIProxy: '$upstream:8000/azureiotedge-api-proxy:1.1.27'
  }

  it('has its runtime and workloads come from above, and the runtime as the registries there hold it', async () => {
    const template = await templateWith({ ...runtime, m: 'MyContainerRegistry001.azurecr.io/hello-world:v1' })
    assert.deepEqual(imagesOf(template), {
      ...fromAbove,
      m: '127.0.0.1:8080/hello-world:v1',
      'connected-registry': '$upstream:8000/acr/connected-registry:causeway-0.1.0'
    })
    assert.deepEqual(imagesOf(template, { lower: ', workloads: { fromOwnRegistry: false }' }), {
      ...fromAbove,
      m: '$upstream:8000/hello-world:v1',
      'connected-registry': '$upstream:8000/acr/connected-registry:causeway-0.1.0'
    })
    assert.deepEqual(imagesOf(template, { device: 'cabinet' }), fromAbove)
  })

  it('stays as it is on the top layer', async () => {
    const images = imagesOf(await templateWith({ ...runtime, m: 'docker.io/library/nginx:1' }), { device: 'gateway' })
    assert.deepEqual({ ...images, ...runtime }, images)
  })

  it('has another version of the runtime where an image set has that, and by digest too', async () => {
    const digest = `sha256:${'a'.repeat(64)}`
    const template = await templateWith({
      edgeAgent: `${cloud}/azureiotedge-agent:1.5`,
      edgeHub: `mcr.microsoft.com/azureiotedge-hub@${digest}`,
      m: `${cloud}/hello-world@${digest}`
    })
    const { edgeAgent, edgeHub, m } = imagesOf(template)
    assert.equal(edgeAgent, fromAbove.edgeAgent)
    assert.equal(edgeHub, fromAbove.edgeHub)
    assert.equal(m, `127.0.0.1:8080/hello-world@${digest}`)
    const own = siteText(layers(), relays).replace('["hello-world:v*"]', '["hello-world:v*", "azureiotedge-agent"]')
    const site = parseSite(own, 'site.yaml')
    const manifest = JSON.stringify(generateManifest(site, site.devices['lower']!, template, { now }))
    assert.ok(manifest.includes('"$upstream:8000/azureiotedge-agent:1.5"'))
  })

  it('is refused at an image that nobody above would give to it, with its place', async () => {
    const off = { lower: ', workloads: { fromOwnRegistry: false }' }
    const cases = [
      [{ m: `${cloud}/other:v1` }, off, /below gateway and pulls other:v1 from there, .*: add it to imageSets$/],
      [{ m: '$upstream:8000/hello-world:w1' }, off, /below gateway and pulls hello-world:w1/],
      [{ edgeHub: `${cloud}/my-hub:1` }, {}, /below gateway and pulls my-hub:1/],
      [{ IoTEdgeAPIProxy: `${cloud}/api-proxy:1` }, { device: 'cabinet' }, /pulls api-proxy:1 .* the runtime only/],
      [{ m: `${cloud}/other:v1` }, {}, /pulls its workloads from its own registry, and none of its image sets has/]
    ] as const
    for (const [images, options, message] of cases) {
      const template = await templateWith(images)
      assert.throws(
        () => imagesOf(template, options),
        (error: unknown) => {
          assert.ok(error instanceof GeneratorError)
          assert.equal(error.code, 'TEMPLATE_INVALID')
          assert.match(error.message, /^t\.json:1:\d+: /)
          assert.match(error.message, message)
          return true
        }
      )
    }
  })

  it('has images that are elsewhere in the cloud named, with code and place, where the device has no way of its own', async () => {
    const images = {
      ...runtime,
      m: `${cloud}/hello-world:v1`,
      sensor: 'mcr.microsoft.com/azureiotedge-simulated-temperature-sensor:1.5',
      web: 'nginx:1',
      near: 'registry:5000/near:1',
      local: '10.0.0.1:5000/local:1',
      constructor: 'mcr.microsoft.com/constructor:1'
    }
    await writeFile(join(folder, 'deployment.template.json'), textWith(images))
    const named = async (device: string, lower = ''): Promise<readonly string[]> => {
      await writeFile(join(folder, 'site.yaml'), siteText(layers(lower), relays))
      const args = ['generate', '--device', device, '--without-secrets', '--output', 'config/x.json']
      const { code, stderr } = await runCommand(args, { folder })
      assert.equal(code, 0, stderr)
      return [...stderr.matchAll(/^config\/x\.json:\d+:\d+: warning M097 \S+\.modules\.(\w+)\..* at (\S+)$/gm)].map(
        ([, module, host]) => `${module} ${host}`
      )
    }
    assert.deepEqual(await named('lower'), [
      'sensor mcr.microsoft.com',
      'web docker.io',
      'constructor mcr.microsoft.com'
    ])
    assert.deepEqual(await named('lower', ', network: { httpsProxy: "http://proxy:3128" }'), [])
    assert.deepEqual(await named('gateway'), [])
    assert.deepEqual(await named('cabinet'), [])
  })
})
