import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
import { ClientSecretCredential } from '@azure/identity'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { Network } from '../../simulator/network.ts'
import { SecretStore } from '../secrets/store.ts'
import { runCommand, siteText, testBackend, testSite, type CommandLine } from '../testing.ts'
import { createAcrClient } from './client.ts'
import type { TokenState } from './acr.ts'
import { wantedOf } from './wanted.ts'

const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const { azure } = testSite()
const devices = '  gateway: { connectedRegistry: { name: plantgateway, resource: true } }'

/** More than the calls of one run: each point of interruption gets a cloud registry of its own. */
const mostCalls = 45

/** `causeway provision` through the real SDK, whose link is cut after its first call, its second, and so on to the last. */
describe('provision, interrupted after every call and run again', function () {
  // Some forty times two runs, each password hashed as it is in earnest.
  this.timeout(120_000)
  const trusted = tls.getCACertificates('default')
  const registries = ['lost', 'arrived'].flatMap((kind) =>
    Array.from({ length: mostCalls }, (_, index) => `cut${kind}${index}`)
  )
  let folder: string
  let network: Network
  let cloud: Cloud
  let provision: (registry: string) => Promise<CommandLine>
  let acrOf: (registry: string) => ReturnType<typeof createAcrClient>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-interrupted-'))
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    cloud = await startCloud({
      network,
      authority,
      folder,
      tenantId,
      clientId,
      clientSecret: 'a-secret-of-the-test',
      subscriptionId: azure.subscription,
      resourceGroup: azure.resourceGroup,
      registries: ['whole00', ...registries].map((name) => ({ name, sku: 'Premium', region: 'westeurope' }))
    })
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    const { hostname, port } = new URL(network.proxyUrl)
    const options = {
      proxyOptions: { host: `http://${hostname}`, port: Number(port) },
      retryOptions: { maxRetries: 0 }
    }
    const credential = new ClientSecretCredential(tenantId, clientId, 'a-secret-of-the-test', options)
    const client = new ContainerRegistryManagementClient(credential, azure.subscription, options)
    acrOf = (registry) =>
      createAcrClient(
        { ...azure, registry },
        { credential, signal: new AbortController().signal, pollInterval: 1, client }
      )
    provision = async (registry) => {
      const home = join(folder, registry)
      await mkdir(home, { recursive: true })
      await writeFile(join(home, 'site.yaml'), siteText(devices).replace('MyContainerRegistry001', registry))
      return runCommand(['provision'], { folder: home, acr: acrOf(registry) })
    }
  })
  after(async () => {
    await cloud.close()
    await network.close()
    tls.setDefaultCACertificates(trusted)
    await rm(folder, { recursive: true })
  })

  const wanted = wantedOf(testSite(devices))
  const of = (registry: string): Cloud['requests'] =>
    cloud.requests.filter(({ path }) => path.toLowerCase().includes(`/registries/${registry}`))

  /** What is in the cloud registry, without times. */
  async function stateOf(registry: string): Promise<unknown> {
    const acr = acrOf(registry)
    const tokens = await Promise.all(wanted.tokens.map(({ name }) => acr.token(name)))
    return {
      registry: await acr.registry(),
      scopeMaps: await Promise.all(wanted.scopeMaps.map(({ name }) => acr.scopeMap(name))),
      tokens: tokens.map((token: TokenState | undefined) => ({
        ...token,
        passwords: Object.keys(token?.passwords ?? {})
      })),
      connectedRegistries: await acr.connectedRegistries([])
    }
  }

  async function assertWhole(registry: string, expected: unknown): Promise<void> {
    assert.deepEqual(await stateOf(registry), expected)
    const generated = of(registry).filter(({ path, status }) => path.endsWith('/generateCredentials') && status === 200)
    assert.equal(generated.length, wanted.tokens.length, 'each password was shown once')
    const backend = await testBackend(join(folder, registry, '.causeway'))
    const store = await SecretStore.open(backend, `${registry}.azurecr.io`, 'read')
    for (const { name } of wanted.tokens) {
      const record = store.slot(name, 'password1')
      assert.ok(record?.state === 'stored', name)
      assert.equal(store.slot(name, 'password2'), undefined)
      assert.ok(cloud.registry(registry).accepts(name, record.value), `the registry takes what is kept of ${name}`)
    }
  }

  it('comes to the same end, with every password kept and none made needlessly', async () => {
    assert.equal((await provision('whole00')).code, 0)
    const calls = of('whole00').map(({ method }) => method)
    assert.ok(calls.length > 20 && calls.length < mostCalls, `${calls.length} calls`)
    const expected = await stateOf('whole00')
    await assertWhole('whole00', expected)
    for (const lastReply of ['is lost', 'arrives'] as const)
      for (let count = 1; count < calls.length; count++) {
        // A read whose reply arrived is no other case than one whose reply was lost.
        if (lastReply === 'arrives' && calls[count - 1] === 'GET') continue
        const registry = registries[(lastReply === 'is lost' ? 0 : mostCalls) + count] ?? ''
        cloud.arm.cut = { calls: count, lastReply }
        const cut = await provision(registry)
        cloud.arm.cut = undefined
        assert.equal(cut.code, 1, `${registry}: ${cut.stdout}`)
        assert.match(cut.stderr, /^error AZURE_UNREACHABLE: /m)
        const again = await provision(registry)
        assert.equal(again.code, 0, `${registry}: ${again.stderr}`)
        await assertWhole(registry, expected)
      }
  })
})
