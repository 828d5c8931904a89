import assert from 'node:assert/strict'
import { parseSite } from '../site-file/read.ts'
import { FakeAcr, siteText, testSite } from '../testing.ts'
import { importImage, importsOf } from './imports.ts'
import { provisionResources, type Outcome } from './provision.ts'
import { wantedOf } from './wanted.ts'

async function provision(acr: FakeAcr, site = testSite()): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  await provisionResources(acr, wantedOf(site), (outcome) => outcomes.push(outcome), { remove: false })
  return outcomes
}

const three = testSite(
  [
    '  top: { connectedRegistry: { name: topregistry, mode: ReadWrite, resource: true }, imageSets: [] }',
    '  low: { connectedRegistry: { name: lowregistry, resource: true }, parent: top }'
  ].join('\n')
)

describe('what a site needs in the cloud registry', () => {
  it('has the quickstart’s names, and the four repositories of the runtime', () => {
    const { scopeMaps, tokens } = wantedOf(testSite())
    assert.deepEqual(tokens[0], { name: 'crimagepulltoken', scopeMap: 'connected-registry-pull', status: 'enabled' })
    assert.deepEqual(
      scopeMaps.find(({ name }) => name === 'connected-registry-pull')?.actions,
      [
        'acr/connected-registry',
        'azureiotedge-agent',
        'azureiotedge-api-proxy',
        'azureiotedge-diagnostics',
        'azureiotedge-hub'
      ].flatMap((name) => [`repositories/${name}/content/read`, `repositories/${name}/metadata/read`])
    )
  })

  it('lets a sync token do what its registry’s mode asks, and speak at its gateway', () => {
    const actions = (name: string, site = testSite()): readonly string[] =>
      wantedOf(site).scopeMaps.find((scopeMap) => scopeMap.name === name)?.actions ?? []
    assert.deepEqual(actions('plantgateway-sync'), [
      'gateway/plantgateway/config/read',
      'gateway/plantgateway/config/write',
      'gateway/plantgateway/message/read',
      'gateway/plantgateway/message/write',
      'repositories/hello-world/content/read',
      'repositories/hello-world/metadata/read'
    ])
    const writing = testSite('  gateway: { connectedRegistry: { name: plantgateway, mode: ReadWrite } }')
    assert.equal(actions('plantgateway-sync', writing).filter((action) => action.startsWith('repositories/')).length, 5)
  })

  it('lets a ReadWrite device take up what its clients may push and delete, and no more', () => {
    const rest = (mode: string): string[] => {
      const text = siteText(`  gateway: { connectedRegistry: { name: plantgateway, mode: ${mode} } }`).replace(
        'actions: [',
        'actions: [repositories/results/*/content/write, repositories/old/content/delete, '
      )
      const map = wantedOf(parseSite(text, 'site.yaml')).scopeMaps.find(({ name }) => name === 'plantgateway-sync')
      return (map?.actions ?? []).filter((action) => /^repositories\/(?:results|old)/.test(action))
    }
    assert.deepEqual(rest('ReadWrite'), [
      'repositories/old/content/delete',
      'repositories/old/content/read',
      'repositories/old/metadata/read',
      'repositories/results/*/content/read',
      'repositories/results/*/content/write',
      'repositories/results/*/metadata/read'
    ])
    assert.deepEqual(rest('ReadOnly'), [], 'nothing goes up from there')
  })

  it('lets a parent’s sync token fetch for those below: their images, their runtime, their gateways', () => {
    const top = wantedOf(three).scopeMaps.find(({ name }) => name === 'topregistry-sync')?.actions ?? []
    for (const action of [
      'repositories/hello-world/content/read',
      'repositories/azureiotedge-agent/content/read',
      'gateway/lowregistry/message/write',
      'gateway/topregistry/config/read'
    ])
      assert.ok(top.includes(action), action)
    assert.ok(!top.includes('repositories/hello-world/content/write'), 'the one below only reads')
  })

  it('refuses more actions than one scope map holds, before Azure does', () => {
    const names = Array.from({ length: 130 }, (_, index) => `repository-${index}`)
    const site = testSite('  gateway: { connectedRegistry: { name: plantgateway, mode: ReadWrite } }')
    const large = { ...site, imageSets: { workloads: { repositories: names, priority: 1 } } }
    assert.throws(() => wantedOf(large), /plantgateway-sync would need 654 actions, and ACR allows 500/)
  })
})

describe('provisioning', () => {
  it('makes everything once, and nothing the second time', async () => {
    const acr = new FakeAcr()
    assert.deepEqual([...new Set((await provision(acr)).map(({ outcome }) => outcome))], ['created'])
    acr.writes.length = 0
    assert.deepEqual([...new Set((await provision(acr)).map(({ outcome }) => outcome))], ['unchanged'])
    assert.deepEqual(acr.writes, [])
  })

  it('compares actions as sets and names without case, as Azure gives them back', async () => {
    const acr = new FakeAcr()
    await provision(acr)
    for (const [name, actions] of acr.scopeMaps)
      acr.scopeMaps.set(
        name,
        [...actions].reverse().map((action) => action.toUpperCase())
      )
    for (const [name, token] of acr.tokens) acr.tokens.set(name, { ...token, scopeMap: token.scopeMap.toUpperCase() })
    acr.writes.length = 0
    await provision(acr)
    assert.deepEqual(acr.writes, [])
  })

  it('changes only what differs, and says what', async () => {
    const acr = new FakeAcr()
    await provision(acr)
    acr.writes.length = 0
    acr.scopeMaps.set('plant-readers', ['repositories/hello-world/content/read', 'repositories/secret/content/read'])
    acr.tokens.set('plant-client', { scopeMap: 'plant-readers', status: 'disabled', passwords: { password1: 'then' } })
    const changed = (await provision(acr)).filter(({ outcome }) => outcome !== 'unchanged')
    assert.deepEqual(changed, [
      {
        kind: 'scope map',
        name: 'plant-readers',
        outcome: 'updated',
        detail: '+repositories/hello-world/metadata/read -repositories/secret/content/read'
      },
      { kind: 'token', name: 'plant-client', outcome: 'updated', detail: 'disabled to enabled' }
    ])
    assert.deepEqual(acr.writes, ['scope map plant-readers', 'update token plant-client'])
    assert.deepEqual(acr.tokens.get('plant-client')?.passwords, { password1: 'then' })
  })

  it('enables the data endpoint before connected registries, parents before children', async () => {
    const acr = new FakeAcr()
    await provision(acr, three)
    assert.deepEqual(
      acr.writes.filter((write) => /data endpoint|connected registry/.test(write)),
      ['data endpoint', 'connected registry topregistry', 'connected registry lowregistry']
    )
    assert.equal(acr.registries.get('lowregistry')?.parent, 'topregistry')
    assert.deepEqual(acr.registries.get('topregistry')?.clientTokens, ['plant-client'])
  })

  it('leaves the data endpoint alone where no connected registry is wanted', async () => {
    const acr = new FakeAcr()
    await provision(acr)
    assert.equal(acr.dataEndpointEnabled, false)
  })
})

describe('importing images', () => {
  it('brings the runtime and what the site names, and not Causeway itself', async () => {
    const site = testSite(
      undefined,
      'images: { agent: "edge/agent:1.6.1" }\nimports: [{ source: "mcr.microsoft.com/a/b:1", image: "b:1" }]\n'
    )
    const images = importsOf(site, false)
    assert.deepEqual(
      images.map(({ registry, source, target }) => `${registry}/${source} ${target}`),
      [
        'mcr.microsoft.com/azureiotedge-agent:1.6.1 edge/agent:1.6.1',
        'mcr.microsoft.com/azureiotedge-hub:1.6.1 azureiotedge-hub:1.6.1',
        'mcr.microsoft.com/azureiotedge-api-proxy:1.1.27 azureiotedge-api-proxy:1.1.27',
        'mcr.microsoft.com/azureiotedge-diagnostics:1.6.0 azureiotedge-diagnostics:1.6.0',
        'mcr.microsoft.com/a/b:1 b:1'
      ]
    )
    const acr = new FakeAcr()
    for (const image of images) assert.equal((await importImage(acr, image)).outcome, 'created')
    for (const image of images) assert.equal((await importImage(acr, image)).outcome, 'unchanged')
    for (const image of importsOf(site, true)) assert.equal((await importImage(acr, image)).outcome, 'created')
  })
})
