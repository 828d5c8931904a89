import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseConnectionString } from '../../module/settings/connection-string.ts'
import { readSettings } from '../../module/settings/validate.ts'
import type { GeneratorError } from '../errors.ts'
import { parseSite } from '../site-file/read.ts'
import type { Secrets, SlotRecord } from '../secrets/store.ts'
import { deviceNamed, testSite } from '../testing.ts'
import { chunkCreateOptions } from './create-options.ts'
import { formatManifest, generateManifest, generateSettings } from './generate.ts'
import { findPlaceholder } from './references.ts'
import { parseTemplate } from './template.ts'

const root = join(import.meta.dirname, '../..')
const templateText = readFileSync(join(root, 'deployment.template.json'), 'utf8')
const template = parseTemplate(templateText, 'deployment.template.json')
const now = new Date('2026-11-21T00:00:00Z')
// The form is what the module checks; scrypt has its own tests.
const hash = `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`

function stored(value: string, creationTime = '2026-01-01T00:00:00.000Z', expiry?: string): SlotRecord {
  return { state: 'stored', value, hash, creationTime, ...(expiry === undefined ? {} : { expiry }) }
}

function secretsOf(records: Readonly<Record<string, SlotRecord>>): Secrets {
  return { slot: (token, slot) => records[`${token.toLowerCase()}/${slot}`], values: () => [] }
}

const secrets = secretsOf({
  'crimagepulltoken/password1': stored('pull=+/1;'),
  'plant-client/password1': stored('client-1'),
  'plantgateway-sync-token/password1': stored('sync==1')
})

interface Desired {
  readonly runtime: { readonly settings: { readonly registryCredentials: Readonly<Record<string, unknown>> } }
  readonly systemModules: Readonly<Record<string, Module>>
  readonly modules: { readonly 'connected-registry': Module }
  readonly routes: Readonly<Record<string, unknown>>
}

interface Module {
  readonly settings: { readonly image: string; readonly createOptions: string }
  readonly env: { readonly ACR_REGISTRY_CONNECTION_STRING: { readonly value: string } }
}

function desiredOf(manifest: ReturnType<typeof generateManifest>, module = '$edgeAgent'): Desired {
  return manifest.modulesContent[module]?.['properties.desired'] as Desired
}

describe('deployment manifests', () => {
  it('tells devices when the last password of a token ran out, so that nobody gets in by it for ever', () => {
    const site = testSite()
    for (const slot of ['password1', 'password2'] as const) {
      const expired = secretsOf({
        [`plant-client/${slot}`]: stored('client-1', '2025-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')
      })
      const { tokens } = generateSettings(site, deviceNamed(site, 'gateway'), { secrets: expired, now })
      assert.deepEqual(tokens?.['plant-client']?.passwords, { [slot]: { hash, expiry: '2026-01-01T00:00:00.000Z' } })
    }
  })

  it('makes the worked example from its site file', () => {
    const site = parseSite(readFileSync(join(root, 'manifests/site.yaml'), 'utf8'), 'manifests/site.yaml')
    const made = formatManifest(generateManifest(site, deviceNamed(site, 'gateway'), template, { now }))
    assert.equal(
      made,
      readFileSync(join(root, 'manifests/deployment.gateway.json'), 'utf8'),
      'run: npm run causeway -- generate --site manifests/site.yaml --without-secrets --output manifests/deployment.gateway.json'
    )
  })

  it('puts passwords, hashes and settings in their places', () => {
    const site = testSite()
    const manifest = generateManifest(site, deviceNamed(site, 'gateway'), template, { secrets, now })
    assert.equal(findPlaceholder(manifest), undefined)
    const agent = desiredOf(manifest)
    assert.deepEqual(agent.runtime.settings.registryCredentials, {
      crimagepulltoken: {
        address: 'mycontainerregistry001.azurecr.io',
        username: 'crimagepulltoken',
        password: 'pull=+/1;'
      }
    })
    assert.equal(
      agent.modules['connected-registry'].settings.image,
      'mycontainerregistry001.azurecr.io/acr/connected-registry:causeway-0.1.0'
    )
    const connection = agent.modules['connected-registry'].env.ACR_REGISTRY_CONNECTION_STRING.value
    assert.equal(parseConnectionString(connection).syncTokenPassword, 'sync==1')
    const reading = readSettings(desiredOf(manifest, 'connected-registry'))
    assert.ok(reading.ok)
    assert.deepEqual(reading.settings.tokens['plant-client']?.passwords, { password1: { hash } })
    assert.ok(!JSON.stringify(manifest).includes('client-1'), 'a client password must not reach the device')
  })

  it('leaves what is the device’s own as it is', () => {
    const site = testSite()
    const manifest = generateManifest(site, deviceNamed(site, 'gateway'), template, { secrets, now })
    assert.equal(desiredOf(manifest, '$edgeHub').routes['route'], 'FROM /messages/* INTO $upstream')
  })

  it('binds the registry to loopback, and gives create options as text', () => {
    const site = testSite(
      '  gateway: { connectedRegistry: { name: plantgateway }, port: 5000, dataFolder: /data/registry }'
    )
    const { settings } = desiredOf(generateManifest(site, deviceNamed(site, 'gateway'), template, { now })).modules[
      'connected-registry'
    ]
    const options = JSON.parse(settings.createOptions) as { HostConfig: Record<string, unknown> }
    assert.deepEqual(options.HostConfig['PortBindings'], { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '5000' }] })
    assert.deepEqual(options.HostConfig['Binds'], ['/data/registry:/var/acr/data'])
  })

  it('writes the data endpoint where the region is known', () => {
    const site = testSite()
    const there = { ...site, azure: { ...site.azure, region: 'westeurope' } }
    const manifest = JSON.stringify(generateManifest(there, deviceNamed(site, 'gateway'), template, { now }))
    assert.match(manifest, /ParentGatewayEndpoint=mycontainerregistry001\.westeurope\.data\.azurecr\.io;/)
  })

  it('uses the newest password that has not run out, and tells the device all that work', () => {
    const site = testSite()
    const two = secretsOf({
      'crimagepulltoken/password1': stored('old-password', '2026-01-01T00:00:00.000Z'),
      'crimagepulltoken/password2': stored('new-password', '2026-02-01T00:00:00.000Z'),
      'plantgateway-sync-token/password1': stored('works', '2026-01-01T00:00:00.000Z'),
      'plantgateway-sync-token/password2': stored('ran-out', '2026-02-01T00:00:00.000Z', '2026-03-01T00:00:00.000Z'),
      'plant-client/password1': stored('one'),
      'plant-client/password2': stored('two', '2026-02-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z')
    })
    const text = JSON.stringify(generateManifest(site, deviceNamed(site, 'gateway'), template, { secrets: two, now }))
    assert.match(text, /new-password/)
    assert.doesNotMatch(text, /old-password|ran-out/)
    assert.deepEqual(
      generateSettings(site, deviceNamed(site, 'gateway'), { secrets: two, now }).tokens?.['plant-client']?.passwords,
      {
        password1: { hash },
        password2: { hash, expiry: '2027-01-01T00:00:00.000Z' }
      }
    )
  })

  it('names every password that is not kept', () => {
    const site = testSite()
    assert.throws(
      () => generateManifest(site, deviceNamed(site, 'gateway'), template, { secrets: secretsOf({}), now }),
      (error: GeneratorError) =>
        error.code === 'SECRET_MISSING' &&
        error.message.includes('crimagepulltoken/password1, plant-client/password1, plantgateway-sync-token/password1')
    )
  })

  it('gives a lower layer its images, credentials and parent through the device above', () => {
    const site = testSite(
      '  top: { connectedRegistry: { name: topregistry } }\n  low: { connectedRegistry: { name: lowregistry }, parent: top }'
    )
    const agent = desiredOf(generateManifest(site, deviceNamed(site, 'low'), template, { now }))
    assert.deepEqual(agent.runtime.settings.registryCredentials['crimagepulltoken'], {
      address: '$upstream:8000',
      username: 'lowregistry-sync-token',
      password: '${secret:lowregistry-sync-token/password1}'
    })
    assert.equal(agent.systemModules['edgeAgent']?.settings.image, '$upstream:8000/azureiotedge-agent:1.6.1')
    assert.match(
      agent.modules['connected-registry'].env.ACR_REGISTRY_CONNECTION_STRING.value,
      /;ParentGatewayEndpoint=\$IOTEDGE_PARENTHOSTNAME:8000;ParentEndpointProtocol=https$/
    )
  })
})

describe('deployment templates', () => {
  const site = testSite()
  const expand = (text: string): unknown =>
    generateManifest(site, deviceNamed(site, 'gateway'), parseTemplate(text, 't.json'), { now })

  for (const [what, text, expected] of [
    [
      'a variable that is none, with its place',
      templateText.replace('${registry.address}/${images.agent}', '${registry.address}/${images.agnet}'),
      /^t\.json:\d+:\d+: there is no variable \$\{images\.agnet\}; did you mean images\.agent\?$/
    ],
    [
      'settings inside a longer text',
      templateText.replace('"${settings}"', '"see ${settings}"'),
      /^t\.json:\d+:\d+: \$\{settings\} must stand alone/
    ],
    [
      'an environment variable, which is none of ours',
      templateText.replace('"1.1"', '"${SCHEMA}"'),
      /there is no variable \$\{SCHEMA\}/
    ],
    [
      'secrets in create options',
      templateText.replace('"max-size": "10m"', '"max-size": "${secret:plant-client}"'),
      /^t\.json:\d+:\d+: createOptions is no place for secrets; use env$/
    ],
    [
      'create options that are not JSON',
      templateText.replace(/"createOptions": \{[^]*?\n {14}\}/, '"createOptions": "{"'),
      /neither an object nor JSON/
    ],
    [
      'a template without our module',
      templateText.replaceAll('"connected-registry"', '"registry"'),
      /^t\.json:\d+:\d+: it has no module connected-registry/
    ],
    [
      'a layer',
      '{"modulesContent":{"$edgeAgent":{"properties.desired.modules.m":{}}}}',
      /^t\.json:1:\d+: .*whole deployments, not layers$/
    ],
    ['YAML', 'modulesContent: {}', /^t\.json:1:1: it is not JSON: expected a value$/],
    ['a trailing comma', '{"modulesContent": {},}', /^t\.json:1:23: it is not JSON: a comma before }$/],
    [
      'a key that is there twice',
      '{"modulesContent": {}, "modulesContent": {}}',
      /^t\.json:1:24: the key modulesContent is there twice$/
    ]
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(
        () => expand(text),
        (error: GeneratorError) => {
          assert.equal(error.code, 'TEMPLATE_INVALID')
          assert.match(error.message, expected)
          return true
        }
      )
    })

  it('tells the line of what is wrong', () => {
    const line = templateText.split('\n').findIndex((text) => text.includes('${images.hub}')) + 1
    assert.throws(
      () => expand(templateText.replace('${images.hub}', '${images.hubb}')),
      new RegExp(`t\\.json:${line}:`)
    )
  })

  it('takes passwords of other tokens, in the slot that is in use', () => {
    const text = templateText.replace(
      '"NGINX_DEFAULT_PORT": { "value": "8000" }',
      '"P": { "value": "${secret:plant-client}" }'
    )
    assert.match(JSON.stringify(expand(text)), /"P":\{"value":"\$\{secret:plant-client\/password1\}"\}/)
  })
})

describe('create options', () => {
  it('come in pieces of 512, which joined are the whole', () => {
    const text = JSON.stringify({ Env: ['x'.repeat(1200)] })
    const chunks = chunkCreateOptions(text)
    assert.deepEqual(Object.keys(chunks ?? {}), ['createOptions', 'createOptions01', 'createOptions02'])
    assert.equal(Object.values(chunks ?? {}).join(''), text)
  })

  it('are never cut between the halves of a character', () => {
    const text = 'x'.repeat(511) + '😀'.repeat(300)
    const chunks = Object.values(chunkCreateOptions(text) ?? {})
    assert.equal(chunks.join(''), text)
    for (const chunk of chunks) assert.equal(chunk, chunk.toWellFormed())
  })

  it('end at the hundred pieces that edgeAgent reads', () => {
    assert.equal(Object.keys(chunkCreateOptions('x'.repeat(51_200)) ?? {}).at(-1), 'createOptions99')
    assert.equal(chunkCreateOptions('x'.repeat(51_201)), undefined)
  })
})
