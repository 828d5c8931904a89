import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { deviceNamed, siteText } from '../testing.ts'
import { parseSite } from '../site-file/read.ts'
import { validateManifest } from '../validate/manifest.ts'
import { formatManifest, generateManifest } from './generate.ts'
import { parseTemplate, type Template } from './template.ts'

const text = readFileSync(join(import.meta.dirname, '../../deployment.template.json'), 'utf8')
const now = new Date('2026-11-21T00:00:00Z')

/** The template with a module beside the registry and the API proxy. */
function templateWith(image: string, change: (text: string) => string = (same) => same): Template {
  const module = { type: 'docker', status: 'running', restartPolicy: 'always', settings: { image } }
  return parseTemplate(change(text.replace('"modules": {', `"modules": { "app": ${JSON.stringify(module)},`)), 't.json')
}

interface Desired {
  readonly runtime: { readonly settings: { readonly registryCredentials: Readonly<Record<string, unknown>> } }
  readonly systemModules: Readonly<Record<string, { readonly settings: { readonly image: string } }>>
  readonly modules: Readonly<Record<string, { readonly settings: { readonly image: string } }>>
}

describe("a device's own workloads", () => {
  const two = [
    '  gateway: { connectedRegistry: { name: plantgateway }, port: 5000 }',
    '  below: { connectedRegistry: { name: plantbelow }, parent: gateway }'
  ].join('\n')

  function generate(template: Template, { device = 'gateway', devices = two, rest = '' } = {}): Desired {
    const site = parseSite(siteText(devices, rest), 'site.yaml')
    const manifest = generateManifest(site, deviceNamed(site, device), template, { now })
    return manifest.modulesContent['$edgeAgent']?.['properties.desired'] as Desired
  }

  function refuses(template: Template, message: RegExp, options: Parameters<typeof generate>[1] = {}): void {
    assert.throws(
      () => generate(template, options),
      (error: unknown) => {
        assert.ok(error instanceof GeneratorError)
        assert.equal(error.code, 'TEMPLATE_INVALID')
        assert.match(error.message, message)
        assert.match(error.message, /fromOwnRegistry: false/)
        return true
      }
    )
  }

  it('come from its own registry, with a client token; what has to be there before stays where it was', () => {
    const desired = generate(templateWith('${registry.address}/hello-world:v1'))
    assert.equal(desired.modules['app']?.settings.image, '127.0.0.1:5000/hello-world:v1')
    assert.deepEqual(desired.runtime.settings.registryCredentials['own-registry'], {
      address: '127.0.0.1:5000',
      username: 'plant-client',
      password: '${secret:plant-client/password1}'
    })
    const cloud = 'mycontainerregistry001.azurecr.io'
    for (const name of ['connected-registry', 'IoTEdgeAPIProxy'])
      assert.ok(desired.modules[name]?.settings.image.startsWith(`${cloud}/`), name)
    for (const { settings } of Object.values(desired.systemModules)) assert.ok(settings.image.startsWith(`${cloud}/`))
  })

  it('do so in lower layers too, in place of the registry above', () => {
    const desired = generate(templateWith('${registry.address}/hello-world:v1'), { device: 'below' })
    assert.equal(desired.modules['app']?.settings.image, '127.0.0.1:8080/hello-world:v1')
    assert.match(desired.modules['IoTEdgeAPIProxy']?.settings.image ?? '', /^\$upstream:8000\//)
  })

  it('are what validate takes', () => {
    const site = parseSite(siteText(two), 'site.yaml')
    const manifest = generateManifest(
      site,
      deviceNamed(site, 'gateway'),
      templateWith('${registry.address}/hello-world:v1'),
      { now }
    )
    const { findings } = validateManifest(formatManifest(manifest), 'deployment.json')
    assert.deepEqual(
      findings.filter(({ severity }) => severity !== 'info'),
      []
    )
  })

  it('stay at other registries, and where the site file says so for all or for one', () => {
    const elsewhere = 'mcr.microsoft.com/hello-world:v1'
    assert.equal(generate(templateWith(elsewhere)).modules['app']?.settings.image, elsewhere)
    const template = templateWith('${registry.address}/hello-world:v1')
    const stays = 'mycontainerregistry001.azurecr.io/hello-world:v1'
    const off = 'workloads: { fromOwnRegistry: false }'
    const all = generate(template, { rest: `${off}\n` })
    assert.equal(all.modules['app']?.settings.image, stays)
    assert.deepEqual(Object.keys(all.runtime.settings.registryCredentials), ['crimagepulltoken'])
    const devices = `  gateway: { connectedRegistry: { name: plantgateway }, ${off} }`
    assert.equal(generate(template, { devices }).modules['app']?.settings.image, stays)
    assert.deepEqual(Object.keys(generate(parseTemplate(text, 't.json')).runtime.settings.registryCredentials), [
      'crimagepulltoken'
    ])
  })

  it('are refused where the registry would never have them, with the place', () => {
    refuses(
      templateWith('${registry.address}/hello-world:w1'),
      /^t\.json:\d+:\d+: .*none of its image sets has hello-world:w1/
    )
    refuses(templateWith('${registry.address}/other:v1'), /none of its image sets has other:v1/)
    const devices = '  gateway: { connectedRegistry: { name: plantgateway }, tokens: [] }'
    refuses(templateWith('${registry.address}/hello-world:v1'), /none of its client tokens may read hello-world/, {
      devices
    })
  })

  it('need no token where everybody may pull them', () => {
    const devices =
      '  gateway: { connectedRegistry: { name: plantgateway }, tokens: [], settings: { anonymousPull: { enabled: true } } }'
    const desired = generate(templateWith('${registry.address}/hello-world:v1'), { devices })
    assert.deepEqual(Object.keys(desired.runtime.settings.registryCredentials), ['crimagepulltoken'])
  })

  it('are refused where the port is not on loopback alone: passwords go there without TLS', () => {
    const open = (same: string): string => same.replace('"HostIp": "127.0.0.1", ', '')
    refuses(templateWith('${registry.address}/hello-world:v1', open), /publish 8080\/tcp there .*and nowhere else/)
  })

  it('are pulled with the token that the site file names, which has to be one of the device', () => {
    const rest = 'workloads: { token: plant-cleint }\n'
    assert.throws(
      () => parseSite(siteText(undefined, rest), 'site.yaml'),
      (error: GeneratorError) =>
        error.details[0]?.includes('gateway has no client token plant-cleint; did you mean plant-client') === true
    )
  })
})
