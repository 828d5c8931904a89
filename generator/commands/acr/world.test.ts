import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
import { ClientSecretCredential } from '@azure/identity'
import { CertificateAuthority } from '../../../simulator/certificates.ts'
import { startCloud, type Cloud, type CloudRegistry } from '../../../simulator/cloud.ts'
import { Network } from '../../../simulator/network.ts'
import { createManagement } from '../../acr/management.ts'
import { SecretStore } from '../../secrets/store.ts'
import { runCommand, testBackend, type CommandLine } from '../../testing.ts'

export const subscription = '00000000-0000-0000-0000-000000000001'
export const group = 'causeway-demo'
export const registry = 'mycontainerregistry001'
export const root = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.ContainerRegistry/registries/${registry}`
const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const clientSecret = 'a-secret-of-the-test'

/** What the tests look at in what commands print; each command prints a part of it. */
export interface Printed {
  readonly name: string
  readonly username: string
  readonly mode: string
  readonly status: string
  readonly description: string
  readonly resourceGroup: string
  readonly creationDate: string
  readonly connectionState: string
  readonly scopeMapId: string
  readonly actions: readonly string[]
  readonly clientTokenIds: readonly string[]
  readonly notificationsList: readonly string[]
  readonly dataEndpointEnabled: boolean
  readonly dataEndpointHostNames: readonly string[]
  readonly activation: { readonly status: string }
  readonly logging: { readonly logLevel: string }
  readonly garbageCollection: { readonly enabled: boolean; readonly schedule: string }
  readonly parent: { readonly syncProperties: Readonly<Record<string, string | null>> }
  readonly policies: Readonly<Record<string, { readonly status: string }>>
  readonly passwords: readonly PrintedPassword[]
  readonly credentials: { readonly username: string; readonly passwords: readonly PrintedPassword[] }
  readonly SYNC_TOKEN_PASSWORD: string
  readonly ACR_REGISTRY_CONNECTION_STRING: string
}

export interface PrintedPassword {
  readonly name: string
  readonly value: string | null
  readonly expiry: string | null
}

/** The slots of one token in the secrets file. */
export type KeptToken = Readonly<
  Partial<
    Record<
      'password1' | 'password2',
      { readonly state: string; readonly value: string; readonly hash: string; readonly expiry?: string }
    >
  >
>

export interface Asked {
  readonly env?: Record<string, string>
  /** What a person answers. */
  readonly answer?: string
  /** What comes in on stdin without anybody being there. */
  readonly piped?: string
  readonly signal?: AbortSignal
}

/** `causeway acr` in this process, through the real SDK, against the pretend Azure behind its proxy. */
export class AcrWorld {
  readonly folder: string
  readonly cloud: Cloud
  readonly #network: Network
  readonly #trusted: string[]
  readonly #certificate: string
  readonly #proxy: { readonly host: string; readonly port: number }

  private constructor(folder: string, cloud: Cloud, network: Network, certificate: string) {
    this.folder = folder
    this.cloud = cloud
    this.#network = network
    this.#trusted = tls.getCACertificates('default')
    this.#certificate = certificate
    // What NODE_EXTRA_CA_CERTS does for a process, for the time of these tests.
    tls.setDefaultCACertificates([...this.#trusted, certificate])
    const { hostname, port } = new URL(network.proxyUrl)
    this.#proxy = { host: `http://${hostname}`, port: Number(port) }
  }

  static async start(specMode: boolean): Promise<AcrWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-acr-commands-'))
    const network = await Network.start()
    const authority = await CertificateAuthority.create()
    const cloud = await startCloud({
      network,
      authority,
      folder: join(folder, 'cloud'),
      tenantId,
      clientId,
      clientSecret,
      subscriptionId: subscription,
      resourceGroup: group,
      registries: [
        { name: registry, sku: 'Premium', region: 'westeurope' },
        { name: 'smallregistry', sku: 'Basic', region: 'westeurope' }
      ],
      arm: { specMode }
    })
    return new AcrWorld(folder, cloud, network, authority.certificate)
  }

  get registry(): CloudRegistry {
    return this.cloud.registry(registry)
  }

  /** Runs one command line, given as its words. */
  run(words: readonly string[], asked: Asked = {}): Promise<CommandLine> {
    return this.causeway(['acr', ...words], asked)
  }

  /** The same for any command. */
  causeway(words: readonly string[], asked: Asked = {}): Promise<CommandLine> {
    const client = { proxyOptions: this.#proxy, retryOptions: { maxRetries: 0 } }
    const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, client)
    const management = createManagement(
      { subscription, cloud: 'AzureCloud' },
      {
        credential,
        signal: asked.signal ?? new AbortController().signal,
        pollInterval: 2,
        client: new ContainerRegistryManagementClient(credential, subscription, client)
      }
    )
    return runCommand(words, {
      folder: this.folder,
      management,
      env: { AZURE_SUBSCRIPTION_ID: subscription, ...asked.env },
      ...(asked.signal === undefined ? {} : { signal: asked.signal }),
      ...(asked.answer === undefined ? {} : { stdin: asked.answer, asked: true }),
      ...(asked.piped === undefined ? {} : { stdin: asked.piped })
    })
  }

  /** Runs a command line that has to succeed, written as in a shell, and gives what it printed as JSON. */
  async json(line: string, asked: Asked = {}): Promise<Printed> {
    return (await this.value(line, asked)) as Printed
  }

  /** The same where a query makes it a list of texts. */
  async texts(line: string): Promise<readonly string[]> {
    return (await this.value(line)) as readonly string[]
  }

  async value(line: string, asked: Asked = {}): Promise<unknown> {
    const { code, stdout, stderr } = await this.run(shellWords(line), asked)
    if (code !== 0) throw new Error(`${line}: ${code}\n${stderr}`)
    return stdout === '' ? undefined : JSON.parse(stdout)
  }

  /** The calls to Resource Manager since the last look, without polls: `PUT scopeMaps/x`. */
  calls(): string[] {
    const calls = this.cloud.requests
      .filter(({ host, path }) => host === 'management.azure.com' && !/operation(?:Statuses|Results)/i.test(path))
      .slice(this.#seen)
    this.#seen += calls.length
    return calls.map(({ method, path }) => {
      const below = (path.split('?', 1)[0] ?? '')
        .replace(/^.*\/registries\/[^/]+/, 'registry')
        .replace(/^registry\//, '')
      return `${method} ${below.startsWith('/subscriptions') ? below.slice(`/subscriptions/${subscription}`.length) : below}`
    })
  }
  #seen = 0

  /** What a process needs to find the pretend Azure and to sign in there. */
  async environment(): Promise<Record<string, string>> {
    const path = join(this.folder, 'ca.pem')
    await writeFile(path, this.#certificate)
    return {
      https_proxy: this.#network.proxyUrl,
      NODE_EXTRA_CA_CERTS: path,
      AZURE_TENANT_ID: tenantId,
      AZURE_CLIENT_ID: clientId,
      AZURE_CLIENT_SECRET: clientSecret
    }
  }

  /** What is kept of a token. */
  async kept(token: string): Promise<KeptToken> {
    const tokens = await (await testBackend(join(this.folder, '.causeway'))).read(`${registry}.azurecr.io`)
    return (tokens[token] ?? {}) as KeptToken
  }

  /** As `causeway rotate` notes it before it does anything else. */
  async beginRotation(token: string): Promise<void> {
    const store = await SecretStore.open(
      await testBackend(join(this.folder, '.causeway')),
      `${registry}.azurecr.io`,
      'write'
    )
    await store.noteRotation(token, { to: 'password2', startedAt: new Date().toISOString() })
    await store.close()
  }

  async close(): Promise<void> {
    await this.cloud.close()
    await this.#network.close()
    tls.setDefaultCACertificates(this.#trusted)
    await rm(this.folder, { recursive: true })
  }
}

/** The words of a line without escapes: single and double quotes, and a backslash at the end of a line. */
export function shellWords(line: string): string[] {
  return [...line.replaceAll('\\\n', ' ').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? ''
  )
}
