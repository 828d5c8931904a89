import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { parseSite } from '../site-file/read.ts'
import { deviceNamed, siteText } from '../testing.ts'
import { bootstrapToml } from './bootstrap.ts'
import { generateManifest } from './generate.ts'
import { parseTemplate } from './template.ts'

const text = readFileSync(join(import.meta.dirname, '../../deployment.template.json'), 'utf8')
const now = new Date('2026-11-21T00:00:00Z')
const top = '  top: { connectedRegistry: { name: topregistry }, hostName: top.plant.example }'
const low = '  low: { connectedRegistry: { name: lowregistry }, parent: top }'

interface Desired {
  readonly systemModules: Modules
  readonly modules: Modules
}
type Modules = Readonly<Record<string, { readonly env?: Readonly<Record<string, { readonly value: string }>> }>>

function generate(device: string, { devices = `${top}\n${low}`, rest = '', template = text } = {}): Desired {
  const site = parseSite(siteText(devices, rest), 'site.yaml')
  const manifest = generateManifest(site, deviceNamed(site, device), parseTemplate(template, 't.json'), { now })
  return manifest.modulesContent['$edgeAgent']?.['properties.desired'] as Desired
}

const environments = ({
  systemModules,
  modules
}: Desired): Readonly<Record<string, Readonly<Record<string, string>>>> =>
  Object.fromEntries(
    Object.entries({ ...systemModules, ...modules }).map(([name, { env = {} }]) => [
      name,
      Object.fromEntries(Object.entries(env).map(([key, { value }]) => [key, value]))
    ])
  )

describe('the way out of a device', () => {
  const rest = 'network: { httpsProxy: "http://proxy:3128", noProxy: localhost, upstreamProtocol: AmqpWs }\n'

  it('goes to the runtime and the connected registry at the top, and only by its protocol below', () => {
    const proxy = { https_proxy: 'http://proxy:3128', no_proxy: 'localhost' }
    const above = environments(generate('top', { rest }))
    assert.deepEqual(above['edgeAgent'], { ...proxy, UpstreamProtocol: 'AmqpWs' })
    assert.deepEqual(above['edgeHub'], above['edgeAgent'])
    assert.equal(above['connected-registry']?.['https_proxy'], 'http://proxy:3128')
    assert.equal(above['connected-registry']['UpstreamProtocol'], undefined)
    assert.equal(above['IoTEdgeAPIProxy']?.['https_proxy'], undefined)
    const below = environments(generate('low', { rest }))
    assert.deepEqual(below['edgeAgent'], { UpstreamProtocol: 'AmqpWs' })
    assert.equal(below['connected-registry']?.['https_proxy'], undefined)
  })

  it('is a lower device’s own where it stands there, and what the template says where that says something', () => {
    const own = low.replace('parent: top', 'parent: top, network: { httpsProxy: "http://cell:3128" }')
    assert.deepEqual(environments(generate('low', { devices: `${top}\n${own}`, rest }))['edgeAgent'], {
      https_proxy: 'http://cell:3128'
    })
    const template = text.replace(
      '"edgeAgent": {',
      '"edgeAgent": { "env": { "UpstreamProtocol": { "value": "MqttWs" } },'
    )
    assert.equal(environments(generate('top', { rest, template }))['edgeAgent']?.['UpstreamProtocol'], 'MqttWs')
    const wrong = text.replace('"edgeAgent": {', '"edgeAgent": { "env": ["UpstreamProtocol=MqttWs"],')
    assert.deepEqual(generate('top', { rest, template: wrong }).systemModules['edgeAgent']?.env, [
      'UpstreamProtocol=MqttWs'
    ])
  })

  it('holds no password', () => {
    assert.throws(
      () => parseSite(siteText(undefined, 'network: { httpsProxy: "http://me:secret@proxy:3128" }\n'), 'site.yaml'),
      (error: GeneratorError) =>
        error.details.some((detail) => /network\.httpsProxy: must hold no user/.test(detail)) &&
        !error.details.join().includes('secret@')
    )
  })
})

describe('the port of API proxies', () => {
  const rest = 'apiProxyPort: 8443\n'

  it('is the same at every hop: another than the template’s is refused, with its place', () => {
    for (const device of ['top', 'low'])
      assert.throws(
        () => generate(device, { rest }),
        (error: unknown) =>
          error instanceof GeneratorError &&
          /^t\.json:\d+:\d+: IoTEdgeAPIProxy listens on 8000, .* at port 8443/.test(error.message)
      )
  })

  it('is the one that lower layers look for', () => {
    const template = text.replaceAll('"8000"', '"8443"').replace('8000/tcp', '8443/tcp')
    const made = JSON.stringify(generate('low', { rest, template }))
    assert.match(made, /"\$upstream:8443\/azureiotedge-agent:/)
    assert.match(made, /ParentGatewayEndpoint=\$IOTEDGE_PARENTHOSTNAME:8443;/)
    assert.doesNotMatch(made, /:8000/)
  })

  it('matters to no device that stands alone', () => {
    assert.doesNotThrow(() => generate('top', { devices: top, rest }))
  })
})

describe('what a lower device needs in config.toml', () => {
  it('names its parent, its edgeAgent, and whom it pulls that as', () => {
    const site = parseSite(siteText(`${top}\n${low}`, 'network: { upstreamProtocol: AmqpWs }\n'), 'site.yaml')
    const toml = bootstrapToml(site, deviceNamed(site, 'low'), { now })
    assert.deepEqual(
      toml.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
      [
        'parent_hostname = "top.plant.example"',
        '[agent]',
        'name = "edgeAgent"',
        'type = "docker"',
        '[agent.config]',
        'image = "$upstream:8000/azureiotedge-agent:1.6.1"',
        '[agent.config.auth]',
        'serveraddress = "$upstream:8000"',
        'username = "lowregistry-sync-token"',
        'password = "${secret:lowregistry-sync-token/password1}"',
        '[agent.env]',
        'UpstreamProtocol = "AmqpWs"'
      ]
    )
    assert.match(toml, /^# hostname = .*hostName of the site file/m)
  })
})
