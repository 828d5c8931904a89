import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { wantedOf } from '../acr/wanted.ts'
import type { GeneratorError } from '../errors.ts'
import type { Secrets } from '../secrets/store.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import type { Device, Relay, Site } from '../site-file/site.ts'
import { deviceNamed, siteText, testSite } from '../testing.ts'
import { parseSite } from '../site-file/read.ts'
import { tokensOf } from '../rotation/plan.ts'
import { validateManifest } from '../validate/manifest.ts'
import { bootstrapToml } from './bootstrap.ts'
import { formatManifest, generateManifest, generateSettings, type DeploymentManifest } from './generate.ts'
import { parentEndpoint } from './parent.ts'
import { parseTemplate, type Template } from './template.ts'

const shippedText = readFileSync(join(import.meta.dirname, '../../deployment.template.json'), 'utf8')
const shipped = parseTemplate(shippedText, 'deployment.template.json')
const now = new Date('2026-11-21T00:00:00Z')
const hash = `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`
const secrets: Secrets = {
  slot: (token, slot) =>
    slot === 'password1'
      ? { state: 'stored', value: `secret-of-${token.toLowerCase()}`, hash, creationTime: '2026-01-01T00:00:00.000Z' }
      : undefined,
  values: () => []
}

const basic = 'settings: { registry: { challenge: Basic } }'
const devices = `  gateway:
    connectedRegistry: { name: plantgateway }
    ${basic}
  lower:
    connectedRegistry: { name: plantlower }
    parent: second`
const relays = `relays:
  first: { parent: gateway, hostName: first.plant.example, network: { upstreamProtocol: AmqpWs } }
  second: { parent: first, hostName: second.plant.example }
`

/** Registry, two relays, registry. */
function layered(rest = relays, more = ''): Site {
  return testSite(`${devices}${more}`, rest)
}

interface Desired {
  readonly runtime: { readonly settings: { readonly registryCredentials: Readonly<Record<string, unknown>> } }
  readonly systemModules: Readonly<Record<string, Module>>
  readonly modules: Readonly<Record<string, Module>>
  readonly routes: Readonly<Record<string, unknown>>
}

interface Module {
  readonly settings: { readonly image: string }
  readonly env: Readonly<Record<string, { readonly value: string }>>
}

function relayNamed(site: Site, id: string): Relay {
  return site.relays[id] ?? assert.fail(id)
}

function made(
  site: Site,
  device: Device | Relay,
  template: Template = shipped
): { manifest: DeploymentManifest; agent: Desired; hub: Desired } {
  const manifest = generateManifest(site, device, template, { secrets, now })
  const desired = (section: string): Desired => manifest.modulesContent[section]?.['properties.desired'] as Desired
  return { manifest, agent: desired('$edgeAgent'), hub: desired('$edgeHub') }
}

function problemsOf(...site: Parameters<typeof siteText>): string {
  try {
    parseSite(siteText(...site), 'site.yaml')
  } catch (error) {
    return (error as GeneratorError).details.join('\n')
  }
  return ''
}

describe('a device that only relays', () => {
  it('has the runtime and the API proxy from above, as the pull token, and nothing else', () => {
    const site = layered()
    const { manifest, agent } = made(site, relayNamed(site, 'second'))
    assert.deepEqual(Object.keys(manifest.modulesContent), ['$edgeAgent', '$edgeHub'])
    assert.deepEqual(Object.keys(agent.modules), ['IoTEdgeAPIProxy'])
    assert.deepEqual(
      Object.values({ ...agent.systemModules, ...agent.modules }).map(({ settings }) => settings.image),
      ['agent', 'hub', 'apiProxy'].map((name) => `$upstream:8000/${site.images[name as 'agent']}`)
    )
    assert.deepEqual(Object.values(agent.runtime.settings.registryCredentials), [
      { address: '$upstream:8000', username: 'crimagepulltoken', password: 'secret-of-crimagepulltoken' }
    ])
    // Without a route of its own it passes on /v2 to the parent, on the port that it listens on itself.
    assert.deepEqual(agent.modules['IoTEdgeAPIProxy']?.env, { NGINX_DEFAULT_PORT: { value: '8000' } })
  })

  it('gets what validate finds no fault with', () => {
    const site = layered()
    for (const device of [...Object.values(site.devices), ...Object.values(site.relays)]) {
      const text = formatManifest(made(site, device).manifest)
      assert.deepEqual(validateManifest(text, 'deployment.json').findings, [], device.id)
    }
  })

  it('leaves workloads of the template, their logins and routes between them away, and needs no variable of theirs', () => {
    const site = layered()
    const content = JSON.parse(shippedText) as {
      modulesContent: Record<'$edgeAgent' | '$edgeHub', { 'properties.desired': Record<string, never> }>
    }
    const agent = content.modulesContent.$edgeAgent['properties.desired'] as unknown as {
      modules: Record<string, unknown>
      runtime: Desired['runtime']
    }
    const hub = content.modulesContent.$edgeHub['properties.desired'] as unknown as { routes: Record<string, unknown> }
    agent.modules['hello'] = {
      type: 'docker',
      status: 'running',
      restartPolicy: 'always',
      settings: { image: '${registry.address}/${NOT_SET_HERE}' }
    }
    Object.assign(agent.runtime.settings.registryCredentials, {
      other: { address: 'other.example.com', username: 'me', password: '${secret:plant-client}' }
    })
    Object.assign(hub.routes, {
      gone: 'FROM /messages/modules/hello/outputs/* INTO $upstream',
      into: { route: 'FROM /messages/* INTO BrokeredEndpoint("/modules/hello/inputs/in")' }
    })
    const relay = made(site, relayNamed(site, 'first'), parseTemplate(JSON.stringify(content), 'template.json'))
    assert.deepEqual(Object.keys(relay.agent.modules), ['IoTEdgeAPIProxy'])
    assert.deepEqual(Object.keys(relay.agent.runtime.settings.registryCredentials), ['crimagepulltoken'])
    assert.deepEqual(Object.keys(relay.hub.routes), ['route'])
  })

  it('loses nothing of a template in silence: what is no object where it looks is refused, or left for validate', () => {
    const site = layered()
    const given = (from: string | RegExp, to: string): DeploymentManifest =>
      made(site, relayNamed(site, 'first'), parseTemplate(shippedText.replace(from, to), 'template.json')).manifest
    assert.throws(() => given(/"routes": \{[^}]*\}/, '"routes": ["FROM /messages/* INTO $upstream"]'), /routes must be/)
    assert.throws(
      () => given(/"env": \{\s*"NGINX[^}]*\}[^}]*\}\s*\}/, '"env": "NGINX_DEFAULT_PORT=8000"'),
      /env must be/
    )
    const text = formatManifest(given('"crimagepulltoken": {', '"mine": "me:password", "crimagepulltoken": {'))
    assert.equal(validateManifest(text, 'deployment.json').ok, false)
  })

  it('gets the API proxy that comes with Causeway where its template has none, on the port of the others', () => {
    const site = layered()
    const content = JSON.parse(shippedText) as {
      modulesContent: { $edgeAgent: { 'properties.desired': { modules: Record<string, unknown> } } }
    }
    delete content.modulesContent.$edgeAgent['properties.desired'].modules['IoTEdgeAPIProxy']
    const bare = parseTemplate(JSON.stringify(content), 'template.json')
    const filled = made(site, relayNamed(site, 'first'), { ...bare, shipped: shipped.modulesContent })
    assert.deepEqual(Object.keys(filled.agent.modules), ['IoTEdgeAPIProxy'])
    assert.throws(() => made(site, relayNamed(site, 'first'), bare), /TEMPLATE_INVALID|no API proxy/)
    const elsewhere = layered(`${relays}apiProxyPort: 8001\n`)
    assert.throws(() => made(elsewhere, relayNamed(elsewhere, 'first')), /listens on 8000, .* port 8001/)
    const moved = parseTemplate(shippedText.replaceAll('"8000', '"8001'), 'template.json')
    const env = made(elsewhere, relayNamed(elsewhere, 'first'), moved).agent.modules['IoTEdgeAPIProxy']?.env
    assert.equal(env?.['NGINX_DEFAULT_PORT']?.value, '8001')
  })

  it('keeps the login that its template has for the device above', () => {
    const site = layered()
    const text = shippedText
      .replace('"address": "${registry.address}"', '"address": "$upstream:8000"')
      .replace('"crimagepulltoken": {', '"above": {')
    const template = { ...parseTemplate(text, 'template.json'), shipped: shipped.modulesContent }
    const { agent } = made(site, relayNamed(site, 'first'), template)
    assert.deepEqual(Object.keys(agent.runtime.settings.registryCredentials), ['above'])
  })

  it('follows the network of its own entry', () => {
    const site = layered()
    assert.equal(
      made(site, relayNamed(site, 'first')).agent.systemModules['edgeHub']?.env['UpstreamProtocol']?.value,
      'AmqpWs'
    )
    assert.equal(made(site, relayNamed(site, 'second')).agent.systemModules['edgeHub']?.env, undefined)
  })

  it('begins with a config.toml that names who is right above it, and the pull token', () => {
    const site = layered()
    const toml = bootstrapToml(site, relayNamed(site, 'second'), { secrets, now })
    assert.match(toml, /^hostname = "second\.plant\.example"$/m)
    assert.match(toml, /^parent_hostname = "first\.plant\.example"$/m)
    assert.match(toml, /^image = "\$upstream:8000\/azureiotedge-agent:/m)
    assert.match(toml, /^username = "crimagepulltoken"\npassword = "secret-of-crimagepulltoken"$/m)
  })

  it('stands between a registry and the nearest one above, which that syncs from and logs in to', () => {
    const site = layered()
    const lower = deviceNamed(site, 'lower')
    assert.equal(lower.parent, 'gateway')
    assert.equal(lower.above, 'second')
    assert.deepEqual(deviceNamed(site, 'gateway').children, ['lower'])
    assert.equal(parentEndpoint(site, lower), '$IOTEDGE_PARENTHOSTNAME:8000')
    const toml = bootstrapToml(site, lower, { secrets, now })
    assert.match(toml, /^parent_hostname = "second\.plant\.example"$/m)
    assert.match(toml, /^username = "plantlower-sync-token"$/m)
    assert.ok(generateSettings(site, deviceNamed(site, 'gateway'), { now }).tokens?.['plantlower-sync-token'])
  })

  it('is let in by the nearest registry above, and only there, to what it runs', () => {
    const site = layered(relays, '\n  aside: { connectedRegistry: { name: plantaside }, parent: gateway }')
    const { tokens, scopeMaps, imageSets } = generateSettings(site, deviceNamed(site, 'gateway'), { now })
    assert.equal(tokens?.['crimagepulltoken']?.scopeMap, 'connected-registry-pull')
    assert.deepEqual(
      scopeMaps?.['connected-registry-pull']?.actions.filter(
        (action) => !/^repositories\/(acr|azureiotedge)/.test(action)
      ),
      []
    )
    assert.ok(imageSets?.['iotedge-runtime'])
    for (const id of ['lower', 'aside'])
      assert.equal(generateSettings(site, deviceNamed(site, id), { now }).tokens?.['crimagepulltoken'], undefined, id)
    assert.deepEqual(
      tokensOf(site).flatMap(({ kind, holders }) => (kind === 'pull' ? holders.map(({ id }) => id) : [])),
      ['gateway']
    )
  })

  it('has the registry above hold the runtime and pass it on, though no other registry is below', () => {
    const rest = 'relays: { first: { parent: gateway } }\n'
    const site = testSite(`  gateway: { connectedRegistry: { name: plantgateway }, ${basic} }`, rest)
    const gateway = deviceNamed(site, 'gateway')
    assert.ok(generateSettings(site, gateway, { now }).imageSets?.['iotedge-runtime'])
    assert.ok(made(site, gateway).agent.modules['IoTEdgeAPIProxy'])
    const sync = wantedOf(site).scopeMaps.find(({ name }) => name === gateway.syncScopeMap)
    assert.ok(sync?.actions.includes('repositories/azureiotedge-agent/content/read'))
  })

  it('has nothing in Azure; scope maps of the registries above reach over it', () => {
    const site = layered()
    const wanted = wantedOf(site)
    assert.deepEqual(
      wanted.tokens.map(({ name }) => name),
      ['crimagepulltoken', 'plant-client', 'plantgateway-sync-token', 'plantlower-sync-token']
    )
    assert.doesNotMatch(JSON.stringify(wanted), /first|second/)
    const above = wanted.scopeMaps.find(({ name }) => name === 'plantgateway-sync')
    assert.ok(above?.actions.includes('gateway/plantlower/config/read'))
  })

  it('lies below a registry as resources of Azure have it', () => {
    const text = devices
      .replace('{ name: plantgateway }', '{ name: plantgateway, resource: true }')
      .replace('{ name: plantlower }', '{ name: plantlower, resource: true }')
    const registries = wantedOf(testSite(text, relays)).connectedRegistries
    assert.deepEqual(
      registries.map(({ name, parent }) => [name, parent]),
      [
        ['plantgateway', undefined],
        ['plantlower', 'plantgateway']
      ]
    )
    assert.match(
      problemsOf(text.replace('plantgateway, resource: true', 'plantgateway'), relays),
      /lower\.connectedRegistry\.resource: needs resource: true on gateway, the registry above it, too/
    )
  })

  it('stands for many by a pattern, as devices do', () => {
    const ships = `  ship-{1..3}: { connectedRegistry: { name: 'ship{1}' }, ${basic} }`
    const site = testSite(ships, 'relays:\n  "deck-{1..3}": { parent: "ship-{1}", hostName: "deck-{1}.example" }\n')
    assert.deepEqual(deviceNamed(site, 'ship-2').relays, ['deck-2'])
    assert.equal(relayNamed(site, 'deck-3').hostName, 'deck-3.example')
    assert.equal(hasRegistry(relayNamed(site, 'deck-3')), false)
  })

  it('is refused where pulls through it would lead nowhere', () => {
    assert.match(
      problemsOf(
        '  gateway: { connectedRegistry: { name: plantgateway } }',
        'relays: { first: { parent: gateway } }\n'
      ),
      /relays\.first\.parent: gateway, the registry above it, needs settings: .*Basic/
    )
    assert.match(problemsOf(devices, relays.replace('parent: gateway', 'parent: second')), /first\.parent: .*circle/)
    assert.match(problemsOf(devices, relays.replace('parent: gateway', 'parent: gatway')), /no device gatway.*gateway/)
    assert.match(problemsOf(devices, relays.replace('parent: gateway, ', '')), /relays\.first\.parent: Invalid input/)
    assert.match(problemsOf(devices, `${relays}  lower: { parent: first }\n`), /relays\.lower: devices has it too/)
    assert.match(
      problemsOf(devices.replace('plantlower }', 'plantlower, mode: ReadWrite }'), relays),
      /lower\.connectedRegistry\.mode: must be ReadOnly, because gateway, the registry above it, is/
    )
    assert.match(
      problemsOf(devices, `${relays}deployments: { all: { targetCondition: '*', priority: 1, devices: ['*'] } }\n`),
      /deployments\.all\.devices\.0: it means the relay first too/
    )
  })
})
