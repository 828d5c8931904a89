import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { siteText, testSecretsKey, testSite } from '../generator/testing.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { startCloud, type Cloud } from '../simulator/cloud.ts'
import { clouds, simulatedClouds, type SimulatedCloud } from '../simulator/cloud-names.ts'
import { startHub, type Hub } from '../simulator/hub/hub.ts'
import { Network } from '../simulator/network.ts'
import { TwinStore } from '../simulator/twins.ts'

const main = join(import.meta.dirname, '../generator/main.ts')
const { azure } = testSite()
const tenants: Readonly<Record<SimulatedCloud, string>> = {
  AzureCloud: '00000000-0000-0000-0000-0000000000a1',
  AzureUSGovernment: '00000000-0000-0000-0000-0000000000a2',
  AzureChinaCloud: '00000000-0000-0000-0000-0000000000a3'
}
const clientId = '00000000-0000-0000-0000-0000000000bb'
const clientSecret = 'the-secret-of-the-pipeline'

/** All of Azure's clouds on one pretend internet, each with its own tenant, registry, vault and hub of the same names. */
describe('Azure’s clouds, through the real SDKs', function () {
  this.timeout(60_000)
  let folder: string
  let network: Network
  const running = new Map<SimulatedCloud, { readonly cloud: Cloud; readonly hub: Hub }>()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-clouds-'))
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    await writeFile(join(folder, 'ca.pem'), authority.certificate)
    for (const name of simulatedClouds) {
      await mkdir(join(folder, name))
      const cloud = await startCloud({
        cloud: name,
        network,
        authority,
        folder: join(folder, name),
        tenantId: tenants[name],
        clientId,
        clientSecret,
        subscriptionId: azure.subscription,
        resourceGroup: azure.resourceGroup,
        registries: [{ name: azure.registry.toLowerCase(), sku: 'Premium', region: 'region1' }],
        keyVaults: ['plant-secrets'],
        arm: { pollsUntilDone: 0 }
      })
      const hub = await startHub({
        name: azure.hub,
        domain: clouds[name].hub,
        network,
        authority,
        twins: new TwinStore(),
        devices: ['gateway'],
        verifyBearer: async (token) => {
          await cloud.verifyHubToken(`Bearer ${token}`)
          return { audience: 'https://iothubs.azure.net' }
        },
        isConnected: () => false,
        invokeMethod: () => Promise.reject(new Error('nobody calls a method here'))
      })
      running.set(name, { cloud, hub })
    }
  })
  after(async () => {
    for (const { cloud, hub } of running.values()) {
      await hub.close()
      await cloud.close()
    }
    await network.close()
    await rm(folder, { recursive: true })
  })

  const of = (name: SimulatedCloud): { readonly cloud: Cloud; readonly hub: Hub } => {
    const found = running.get(name)
    assert.ok(found)
    return found
  }

  async function causeway(
    words: string,
    site: SimulatedCloud,
    environment: Record<string, string> = {}
  ): Promise<{ readonly code: number | null; readonly stderr: string; readonly stdout: string }> {
    const home = await mkdtemp(join(folder, 'site-'))
    const named = `azure:\n  cloud: ${site}\n  keyVault: plant-secrets`
    await writeFile(join(home, 'site.yaml'), siteText().replace('azure:', named))
    const { PATH, HOME } = process.env
    const child = spawn(process.execPath, [main, ...words.split(' ')], {
      cwd: home,
      env: {
        PATH,
        HOME,
        CAUSEWAY_SECRETS_KEY: testSecretsKey,
        https_proxy: network.proxyUrl,
        NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
        AZURE_TENANT_ID: tenants[site],
        AZURE_CLIENT_ID: clientId,
        AZURE_CLIENT_SECRET: clientSecret,
        AZURE_SUBSCRIPTION_ID: azure.subscription,
        ...environment
      },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => (output[name] += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, ...output }
  }

  for (const name of simulatedClouds)
    it(`${name} is asked at its own authority, Resource Manager, vault and hub, with tokens that each takes`, async () => {
      const askedOfOthers = (): number =>
        simulatedClouds.filter((other) => other !== name).flatMap((other) => of(other).cloud.requests).length
      const before = askedOfOthers()
      const [provisioned, shown] = await Promise.all([causeway('provision', name), causeway('status', name)])
      assert.deepEqual([provisioned.code, shown.code], [0, 0], `${provisioned.stderr}${shown.stderr}`)
      const { cloud, hub } = of(name)
      const hosts = new Set(cloud.requests.map(({ host }) => host))
      const { login, resourceManager, keyVault } = clouds[name]
      const asked = name === 'AzureChinaCloud' ? 'login.partner.microsoftonline.cn' : login
      assert.deepEqual([...hosts].sort(), [asked, resourceManager, `plant-secrets.${keyVault}`].sort())
      assert.deepEqual([...new Set(hub.requests.map(({ caller }) => caller))], ['bearer'])
      assert.equal(askedOfOthers(), before, `another cloud was asked for ${name}`)
    })

  it('a tenant that is in another cloud is told as that', async () => {
    const { code, stderr } = await causeway('provision --secrets secrets.jwe', 'AzureCloud', {
      AZURE_TENANT_ID: tenants.AzureUSGovernment
    })
    assert.equal(code, 4)
    assert.match(stderr, /^error AZURE_UNAUTHORIZED: .*AADSTS90002.*Look whether azure\.cloud of the site file/m)
  })

  it('an authority of another cloud in the environment is refused before anybody is asked', async () => {
    const { code, stderr } = await causeway(
      'acr show -n mycontainerregistry001 --cloud AzureChinaCloud',
      'AzureCloud',
      {
        AZURE_AUTHORITY_HOST: `https://${clouds.AzureUSGovernment.login}/`
      }
    )
    assert.equal(code, 1)
    assert.match(stderr, /CLOUD_MISMATCH: AZURE_AUTHORITY_HOST is login\.microsoftonline\.us, which is AzureUSGov/)
  })

  it('a connection string of another cloud’s hub is refused with what to set', async () => {
    const { code, stderr } = await causeway('status', 'AzureCloud', {
      IOTHUB_CONNECTION_STRING: of('AzureChinaCloud').hub.connectionString
    })
    assert.equal(code, 1)
    assert.match(stderr, /HUB_MISMATCH: .*causeway-hub\.azure-devices\.cn, .*set azure\.cloud of the site file to it/)
  })
})
