import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
import { ClientSecretCredential } from '@azure/identity'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { Network } from '../../simulator/network.ts'
import { FakeHub, runCommand, siteText, testSite, type CommandLine } from '../testing.ts'
import { createAcrClient } from './client.ts'

const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const { azure } = testSite()

/** `causeway provision` through the real SDK; the steps build on each other. */
for (const [mood, specMode] of [
  ['as it was recorded', false],
  ['as the specification allows', true]
] as const)
  describe(`connected registries of a site file in Azure, ${mood}`, () => {
    const trusted = tls.getCACertificates('default')
    let folder: string
    let network: Network
    let cloud: Cloud
    let acr: ReturnType<typeof createAcrClient>

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'causeway-resources-'))
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
        registries: [{ name: azure.registry.toLowerCase(), sku: 'Premium', region: 'westeurope' }],
        arm: { specMode, pollsUntilDone: 0 }
      })
      tls.setDefaultCACertificates([...trusted, authority.certificate])
      const { hostname, port } = new URL(network.proxyUrl)
      const options = { proxyOptions: { host: `http://${hostname}`, port: Number(port) } }
      const credential = new ClientSecretCredential(tenantId, clientId, 'a-secret-of-the-test', options)
      const client = new ContainerRegistryManagementClient(credential, azure.subscription, options)
      acr = createAcrClient(azure, { credential, signal: new AbortController().signal, pollInterval: 1, client })
    })
    after(async () => {
      await cloud.close()
      await network.close()
      tls.setDefaultCACertificates(trusted)
      await rm(folder, { recursive: true })
    })

    async function provision(devices: string, rest = '', ...words: string[]): Promise<CommandLine> {
      await writeFile(join(folder, 'site.yaml'), siteText(devices, rest))
      return runCommand(['provision', ...words], { folder, acr })
    }

    /** The calls that change a connected registry. */
    const changes = (): string[] =>
      cloud.requests
        .filter(({ method, path }) => method !== 'GET' && path.includes('/connectedRegistries/'))
        .map(({ method, path }) => `${method} ${path.slice(path.lastIndexOf('/') + 1)}`)

    const changed = async (devices: string, rest = '', ...words: string[]): Promise<string[]> => {
      const before = changes().length
      const { code, stderr } = await provision(devices, rest, ...words)
      assert.equal(code, 0, stderr)
      return changes().slice(before)
    }

    const layers = `  top: { connectedRegistry: { name: topregistry, mode: ReadWrite, resource: true } }
  low: { connectedRegistry: { name: lowregistry, resource: true }, parent: top }`
    const settings = 'resourceSettings: { schedule: "0 12 * * *", syncWindow: PT4H, notifications: ["*:*"] }\n'

    it('are made, with what they need said beforehand', async () => {
      const { code, stdout, stderr } = await provision(layers, settings)
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^updated +data endpoint of the registry \(enabled\)$/m)
      assert.match(stdout, /^created +connected registry topregistry\ncreated +connected registry lowregistry$/m)
      for (const note of [
        /^note RESOURCES_BILLED: 2 connected registries as Azure resources .*Azure bills each.*at most 50/m,
        /^note RESOURCES_NEED: .*Premium.*mycontainerregistry001\.<region>\.data\.azurecr\.io$/m,
        /^note RESOURCES_OFFLINE: connectionState of lowregistry, topregistry in Azure stays Offline/m
      ])
        assert.match(stderr, note)
      assert.deepEqual(await changed(layers, settings), [])
    })

    it('are changed in place, the window with the schedule that it belongs to', async () => {
      const later = settings.replace('12 * * *', '13 * * *')
      assert.deepEqual(await changed(layers, later), ['PATCH topregistry', 'PATCH lowregistry'])
      const [top] = await acr.connectedRegistries([])
      assert.deepEqual([top?.schedule, top?.syncWindow], ['0 13 * * *', 'PT4H'])
      const always = settings.replace('0 12 * * *', '* * * * *').replace('syncWindow: PT4H, ', '')
      assert.deepEqual(await changed(layers, always), ['PATCH topregistry', 'PATCH lowregistry'])
      assert.deepEqual(await changed(layers, always), [], 'a window that went is not asked for again')
    })

    it('are deactivated, whoever runs as them', async () => {
      cloud.registry(azure.registry).reportConnectedRegistry('lowregistry', { activation: 'Active' })
      const wanted = 'resourceSettings: { deactivate: true }\n'
      assert.deepEqual(await changed(layers, wanted), ['POST deactivate'])
      assert.deepEqual(await changed(layers, wanted), [])
    })

    it('are shown by plan and made anew where Azure cannot change them, children first away and last back', async () => {
      const readOnly = layers.replace('mode: ReadWrite, ', '')
      const refused = await provision(readOnly)
      assert.equal(refused.code, 5)
      assert.match(
        refused.stderr,
        /^CONNECTED_REGISTRY_DIFFERS connected registry topregistry: mode ReadWrite to Read/m
      )
      assert.deepEqual(await changed(readOnly, '', '--allow-remove'), [
        'DELETE lowregistry',
        'DELETE topregistry',
        'PUT topregistry',
        'PUT lowregistry'
      ])
      assert.deepEqual(await changed(readOnly), [])
    })

    it('are deleted with their tokens and scope maps, which are no longer kept', async () => {
      const kept = layers.split('\n')[0]?.replace('mode: ReadWrite, ', '') ?? ''
      const { stdout } = await provision(kept, 'retired: [lowregistry]\n', '--allow-remove')
      assert.match(
        stdout,
        /^deleted +connected registry lowregistry\ndeleted +token lowregistry-sync-token\ndeleted +scope map lowregistry-sync$/m
      )
      assert.deepEqual(
        [
          (await acr.connectedRegistries([])).map(({ name }) => name),
          await acr.token('lowregistry-sync-token'),
          await acr.scopeMap('lowregistry-sync')
        ],
        [['topregistry'], undefined, undefined]
      )
      const shown = await runCommand(['secrets', 'show', 'lowregistry-sync-token'], { folder })
      assert.notEqual(shown.code, 0)
      assert.deepEqual(await changed(kept, 'retired: [lowregistry]\n'), [])
    })

    it('stay Offline in Azure, as status says', async () => {
      const { stderr } = await runCommand(['status'], { folder, hub: new FakeHub() })
      assert.match(stderr, /^note RESOURCES_OFFLINE: connectionState of topregistry in Azure stays Offline/m)
    })
  })
