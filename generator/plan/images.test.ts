import assert from 'node:assert/strict'
import type { DeploymentManifest } from '../deployment/generate.ts'
import { parseSite } from '../site-file/read.ts'
import type { Site } from '../site-file/site.ts'
import { siteText } from '../testing.ts'
import { neededImages } from './images.ts'

const cloud = 'mycontainerregistry001.azurecr.io'
const reading = 'repositories/hello-world/content/read'

function manifestOf(image: string): DeploymentManifest {
  const registryCredentials = { cloud: { address: cloud, username: 'pull', password: 'secret' } }
  const desired = { runtime: { settings: { registryCredentials } }, modules: { app: { settings: { image } } } }
  return { modulesContent: { $edgeAgent: { 'properties.desired': desired } } }
}

/** A device at the top, one below it with a registry, and one without; clients may do what is given. */
function siteOf({ mode = 'ReadOnly', actions = [reading], clients = ['plant-client'] } = {}): Site {
  const text = siteText(
    `  gateway:
    connectedRegistry: { name: plantgateway, mode: ${mode} }
    tokens: [${clients.join()}]
    settings: { registry: { challenge: Basic } }
  below: { connectedRegistry: { name: plantbelow }, parent: gateway, port: 5000 }`,
    'relays: { hut: { parent: gateway } }\n'
  )
  return parseSite(text.replace(reading, actions.join()), 'site.yaml')
}

function needed(site: Site, image: string, ...ids: readonly string[]): readonly string[] {
  const devices = ids.map((id) => site.devices[id] ?? site.relays[id]).filter((device) => device !== undefined)
  assert.equal(devices.length, ids.length)
  return neededImages(site, [{ devices, manifest: manifestOf(image) }], (token) => ({
    username: token,
    password: `password of ${token}`
  })).map(({ username, repository, reference }) => `${username} ${repository}:${reference}`)
}

describe('images that have to be in the cloud registry', () => {
  for (const [what, id, image, expected] of [
    ['what a device pulls from there', 'gateway', `${cloud}/app:1`, ['pull app:1']],
    ['what it pulls without a tag', 'gateway', `${cloud}/app`, ['pull app:latest']],
    ['what it pulls by digest', 'gateway', `${cloud}/app@sha256:00`, ['pull app:sha256:00']],
    ['its own workloads', 'gateway', '127.0.0.1:8080/app:1', ['plantgateway-sync-token app:1']],
    ['those of a device below', 'below', '127.0.0.1:5000/app:1', ['plantgateway-sync-token app:1']],
    ['what comes from the registry above', 'below', '$upstream:8000/app:1', ['plantgateway-sync-token app:1']],
    ['what comes from there to a relay', 'hut', '$upstream:8000/app:1', ['plantgateway-sync-token app:1']],
    ['the runtime below', 'below', '$upstream:8000/azureiotedge-hub:1.6.1', ['pull azureiotedge-hub:1.6.1']],
    ['nothing at another port of the device', 'gateway', '127.0.0.1:5000/app:1', []],
    ['nothing of other registries', 'gateway', 'mcr.microsoft.com/app:1', []],
    ['nothing from above the top', 'gateway', '$upstream:8000/app:1', []]
  ] as const)
    it(`are ${what}`, () => {
      assert.deepEqual(needed(siteOf(), image, id), expected)
    })

  const writing = 'repositories/hello-world/content/write'
  for (const [what, site, expected] of [
    ['clients may push it to the device', siteOf({ mode: 'ReadWrite', actions: [reading, writing] }), []],
    ['clients may only read there', siteOf({ mode: 'ReadWrite' }), ['plantgateway-sync-token hello-world:v1']],
    [
      'no client that may push is let in there',
      siteOf({ mode: 'ReadWrite', actions: [reading, writing], clients: [] }),
      ['plantgateway-sync-token hello-world:v1']
    ],
    ['the registry is read only', siteOf({ actions: [reading, writing] }), ['plantgateway-sync-token hello-world:v1']]
  ] as const)
    it(`are ${expected.length === 0 ? 'none' : 'those'} where ${what}`, () => {
      assert.deepEqual(needed(site, '127.0.0.1:8080/hello-world:v1', 'gateway'), expected)
      assert.deepEqual(needed(site, '127.0.0.1:5000/hello-world:v1', 'below'), expected)
    })

  it('are each looked for once, however many devices have it', () => {
    const site = parseSite(siteText('  ship-{001..100}: { connectedRegistry: { name: "ship{1}" } }'), 'site.yaml')
    assert.deepEqual(needed(site, '127.0.0.1:8080/hello-world:v1', ...Object.keys(site.devices)), [
      'ship001-sync-token hello-world:v1'
    ])
  })
})
