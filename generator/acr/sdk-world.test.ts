import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import {
  ContainerRegistryManagementClient,
  type ContainerRegistryManagementClientOptionalParams
} from '@azure/arm-containerregistry'
import { ClientSecretCredential, type ClientSecretCredentialOptions } from '@azure/identity'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startCloud, type Cloud, type CloudRegistry } from '../../simulator/cloud.ts'
import { Network } from '../../simulator/network.ts'
import { SecretStore } from '../secrets/store.ts'
import { runCommand, siteText, testBackend, testSite, type CommandLine } from '../testing.ts'
import type { Acr } from './acr.ts'
import { createAcrClient, type AcrClientOptions } from './client.ts'

const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const clientSecret = 'a-secret-of-the-test'
const { azure } = testSite()

/** The pretend cloud, the real SDK as production makes it, and a folder with a site file for each registry. */
export class SdkWorld {
  readonly cloud: Cloud
  readonly folder: string
  readonly #network: Network
  readonly #trusted = tls.getCACertificates('default')
  readonly #proxyOptions: { readonly host: string; readonly port: number }

  private constructor(cloud: Cloud, folder: string, network: Network, certificate: string) {
    this.cloud = cloud
    this.folder = folder
    this.#network = network
    // What NODE_EXTRA_CA_CERTS does for a process, for the time of these tests.
    tls.setDefaultCACertificates([...this.#trusted, certificate])
    const { hostname, port } = new URL(network.proxyUrl)
    this.#proxyOptions = { host: `http://${hostname}`, port: Number(port) }
  }

  /** @param registries names; a test that breaks something has one of its own */
  static async start(registries: readonly string[]): Promise<SdkWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-sdk-'))
    const [network, authority] = await Promise.all([Network.start(), CertificateAuthority.create()])
    const cloud = await startCloud({
      network,
      authority,
      folder: join(folder, 'cloud'),
      tenantId,
      clientId,
      clientSecret,
      subscriptionId: azure.subscription,
      resourceGroup: azure.resourceGroup,
      registries: registries.map((name) => ({ name, sku: 'Premium', region: 'westeurope' }))
    })
    return new SdkWorld(cloud, folder, network, authority.certificate)
  }

  registry(name: string): CloudRegistry {
    return this.cloud.registry(name)
  }

  /** @param more of the SDK's own settings: without any it retries as it does in production */
  sdk({
    credential = this.credential(),
    ...more
  }: ContainerRegistryManagementClientOptionalParams & {
    readonly credential?: ClientSecretCredential
  } = {}): ContainerRegistryManagementClient {
    const options = { proxyOptions: this.#proxyOptions, ...more }
    return new ContainerRegistryManagementClient(credential, azure.subscription, options)
  }

  acr(registry: string, more: Partial<AcrClientOptions> = {}): Acr {
    const { signal } = new AbortController()
    const options = { credential: this.credential(), signal, pollInterval: 5, client: this.sdk() }
    return createAcrClient({ ...azure, registry }, { ...options, ...more })
  }

  /** Runs a command over a site whose registry this is. */
  async causeway(words: string, registry: string, devices?: string, acr = this.acr(registry)): Promise<CommandLine> {
    const home = join(this.folder, registry)
    await mkdir(home, { recursive: true })
    await writeFile(join(home, 'site.yaml'), siteText(devices).replace('MyContainerRegistry001', registry))
    return runCommand(words.split(' '), { folder: home, acr })
  }

  /** What is kept here of a registry's passwords. */
  async store(registry: string): Promise<SecretStore> {
    const backend = await testBackend(join(this.folder, registry, '.causeway'))
    return SecretStore.open(backend, `${registry}.azurecr.io`, 'read')
  }

  /** Whether the registry takes what is kept here of a token. */
  async takesWhatIsKept(token: string, registry: string): Promise<boolean> {
    const kept = (await this.store(registry)).slot(token, 'password1')
    return kept?.state === 'stored' && this.registry(registry).accepts(token, kept.value)
  }

  /** @param more as with {@link sdk} */
  credential(more: ClientSecretCredentialOptions = {}): ClientSecretCredential {
    const options = { proxyOptions: this.#proxyOptions, ...more }
    return new ClientSecretCredential(tenantId, clientId, clientSecret, options)
  }

  async close(): Promise<void> {
    await this.cloud.close()
    await this.#network.close()
    tls.setDefaultCACertificates(this.#trusted)
    await rm(this.folder, { recursive: true })
  }
}
