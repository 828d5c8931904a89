import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { arm } from './arm/arm.ts'
import type { ArmContext, ArmKnobs } from './arm/context.ts'
import { issuePassword } from './arm/credentials.ts'
import { TokenDirectory } from './arm/directory.ts'
import { Operations } from './arm/operations.ts'
import {
  createRegistry,
  dataEndpointOf,
  loginServerOf,
  systemData,
  type ConnectedRegistry,
  type NewRegistry,
  type Password,
  type PasswordSlot,
  type RegistryState
} from './arm/state.ts'
import type { CertificateAuthority } from './certificates.ts'
import { tokenGate, type RegistryFacts } from './cloud-registry/access.ts'
import { BlobFiles } from './cloud-registry/blob-files.ts'
import { importInto } from './cloud-registry/import.ts'
import { defaultKnobs, type RegistryKnobs } from './cloud-registry/knobs.ts'
import { oauth2 } from './cloud-registry/oauth2.ts'
import { PretendRegistry } from './cloud-registry/pretend-registry.ts'
import { preparePublicImage, publicBlobHost, publicGate, publicRegistryHost } from './cloud-registry/public-registry.ts'
import { RegistryTokens } from './cloud-registry/registry-tokens.ts'
import { CloudServer, type LoggedRequest } from './cloud-http.ts'
import { clouds, type CloudNames, type SimulatedCloud } from './cloud-names.ts'
import { keyVault, type VaultKnobs } from './key-vault/key-vault.ts'
import { audiencesOf, entra, type EntraKnobs } from './login/entra.ts'
import { PipelineIdentity, pipelinesHost } from './login/pipeline-identity.ts'
import { EntraTokenError, EntraTokens, type EntraIdentity } from './login/entra-tokens.ts'
import type { Network } from './network.ts'

export interface CloudOptions {
  /** Which of Azure's clouds it is: AzureCloud unless given. */
  readonly cloud?: SimulatedCloud
  readonly network: Network
  readonly authority: CertificateAuthority
  /** Where blobs are kept while it runs; fresh and its own. */
  readonly folder: string
  readonly tenantId: string
  /** The one application that may log in. */
  readonly clientId: string
  readonly clientSecret: string
  readonly subscriptionId: string
  readonly resourceGroup: string
  readonly registries: readonly NewRegistry[]
  /** Names of key vaults. */
  readonly keyVaults?: readonly string[]
  readonly arm?: Partial<ArmKnobs>
  /** Milliseconds; every expiry in the cloud goes by it. */
  readonly now?: () => number
}

/** One registry: its content, its switches, and what the management side would take several calls for. */
export interface CloudRegistry extends Pick<PretendRegistry, 'push' | 'pushImage' | 'delete' | 'digestOf' | 'tags'> {
  readonly name: string
  readonly loginServer: string
  /** `<registry>.<region>.data.azurecr.io`, whether it is enabled or not. */
  readonly dataEndpoint: string
  readonly knobs: RegistryKnobs
  /** The requests to the registry and to the hosts its blobs are on. */
  readonly requests: readonly LoggedRequest[]
  /** Makes or replaces a token with a scope map of its own, and gives its first password. */
  addToken(name: string, actions: readonly string[]): { readonly username: string; readonly password: string }
  /** Whether the registry takes this password of this token now. */
  accepts(token: string, password: string): boolean
  setTokenStatus(name: string, status: 'enabled' | 'disabled'): void
  /** Sets what a site would report of a connected registry. */
  reportConnectedRegistry(name: string, state: Partial<Pick<ConnectedRegistry, 'activation' | 'connectionState'>>): void
}

export interface Cloud {
  /** Every request to any host of the cloud, in order of arrival. */
  readonly requests: readonly LoggedRequest[]
  readonly arm: ArmKnobs
  readonly login: EntraKnobs
  /** A job of Azure Pipelines that the application trusts. */
  readonly pipeline: Pick<PipelineIdentity, 'accessToken' | 'serviceConnectionId' | 'requestUri'>
  /** @throws {Error} where there is no registry of this name */
  registry(name: string): CloudRegistry
  /** @throws {Error} where there is no vault of this name */
  keyVault(name: string): VaultKnobs
  /**
   * For a hub: who a bearer token for `https://iothubs.azure.net` speaks for.
   *
   * @param authorization the header
   * @throws {EntraTokenError}
   */
  verifyHubToken(authorization: string | undefined): Promise<EntraIdentity>
  close(): Promise<void>
}

/**
 * Starts the cloud half of the pretend Azure on loopback and announces its names on the pretend network: Resource Manager,
 * login, the registries with the storage behind them, and Microsoft's public registry. Clients need `https_proxy` set to the
 * network's proxy and the authority's certificate in `NODE_EXTRA_CA_CERTS`, and no other change.
 */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const now = options.now ?? Date.now
  const names: CloudNames = clouds[options.cloud ?? 'AzureCloud']
  const audiences = audiencesOf(names)
  const states = new Map(
    options.registries.map((registry) => [registry.name.toLowerCase(), createRegistry(registry, now(), names.registry)])
  )
  const certificate = await options.authority.issue([
    names.resourceManager,
    names.login,
    ...names.loginAliases,
    pipelinesHost,
    publicRegistryHost,
    publicBlobHost,
    ...(options.keyVaults ?? []).map((name) => `${name}.${names.keyVault}`),
    ...[...states.values()].flatMap((state) => [loginServerOf(state), dataEndpointOf(state), storeOf(state, names)])
  ])
  const files = await BlobFiles.open(join(options.folder, 'cloud'))
  const server = await CloudServer.start(certificate, now)
  const entraTokens = new EntraTokens(options.tenantId, now)
  const announce = (host: string, serve: Parameters<CloudServer['add']>[1]): void => {
    server.add(host, serve)
    options.network.route(`${host}:443`, server.port)
  }
  const withdraw = (host: string): void => {
    server.remove(host)
    options.network.unroute(`${host}:443`)
  }

  const login: EntraKnobs = { tokenSeconds: 3599, fault: undefined }
  const pipeline = new PipelineIdentity(now)
  announce(pipelinesHost, pipeline.serve)
  const entraHost = entra({
    names,
    tokens: entraTokens,
    clientId: options.clientId,
    clientSecret: options.clientSecret,
    trusts: (assertion) => pipeline.trusts(assertion),
    knobs: login
  })
  // MSAL asks at the name it prefers, whatever authority it is given: in China at the second.
  for (const host of [names.login, ...names.loginAliases]) announce(host, entraHost)

  const vaults = new Map<string, VaultKnobs>()
  for (const name of options.keyVaults ?? []) {
    const vault = keyVault({ names, name, tokens: entraTokens, now })
    vaults.set(name.toLowerCase(), vault.knobs)
    announce(`${name}.${names.keyVault}`, vault.host)
  }

  const publicRegistry = new PretendRegistry({
    name: publicRegistryHost,
    files,
    knobs: defaultKnobs(),
    now,
    gate: publicGate,
    blobHostName: () => publicBlobHost,
    prepare: (repositories, repository, reference) => preparePublicImage(files, repositories, repository, reference)
  })
  announce(publicRegistryHost, publicRegistry.serve)
  announce(publicBlobHost, publicRegistry.serveBlobs)

  const members = new Map<string, Member>()
  for (const state of states.values()) {
    const member = createMember(state, names, options.tenantId, files, now, entraTokens)
    members.set(state.name.toLowerCase(), member)
    announce(loginServerOf(state), member.registry.serve)
    announce(storeOf(state, names), member.registry.serveBlobs)
  }
  const followDataEndpoint = (state: RegistryState): void => {
    const member = members.get(state.name.toLowerCase())
    if (state.dataEndpointEnabled && member !== undefined) announce(dataEndpointOf(state), member.registry.serveBlobs)
    else withdraw(dataEndpointOf(state))
  }
  for (const state of states.values()) followDataEndpoint(state)

  const knobs: ArmKnobs = { ...defaultArmKnobs(), ...options.arm }
  const context: ArmContext = {
    names,
    subscriptionId: options.subscriptionId,
    resourceGroup: options.resourceGroup,
    tenantId: options.tenantId,
    now,
    knobs,
    operations: new Operations(knobs, `https://${names.resourceManager}`),
    registries: states,
    onRegistryChanged: followDataEndpoint,
    importImage: (target, request) =>
      importInto(need(members, target.name).registry.repositories, request, (host) =>
        host === publicRegistryHost
          ? { registry: publicRegistry }
          : [...members.values()].find((member) => member.facts.loginServer === host)
      )
  }
  announce(names.resourceManager, arm(context, entraTokens))

  return {
    requests: server.requests,
    arm: knobs,
    login,
    pipeline,
    registry: (name) => createHandle(need(members, name), context, server),
    keyVault: (name) => need(vaults, name),
    verifyHubToken: (authorization) => entraTokens.verify(authorization, audiences.hub),
    async close() {
      for (const host of server.hosts()) withdraw(host)
      await server.close()
      for (const member of members.values()) await member.registry.close()
      await publicRegistry.close()
    }
  }
}

interface Member {
  readonly state: RegistryState
  readonly facts: RegistryFacts
  readonly registry: PretendRegistry
}

function createMember(
  state: RegistryState,
  names: CloudNames,
  tenantId: string,
  files: BlobFiles,
  now: () => number,
  entraTokens: EntraTokens
): Member {
  const knobs = defaultKnobs()
  const loginServer = loginServerOf(state)
  const facts: RegistryFacts = {
    loginServer,
    anonymousPullEnabled: () => state.anonymousPullEnabled,
    directory: new TokenDirectory(state, now),
    knobs,
    tokens: new RegistryTokens(loginServer, tenantId, now)
  }
  const registry = new PretendRegistry({
    name: loginServer,
    files,
    knobs,
    now,
    gate: tokenGate(facts),
    blobHostName: () => (state.dataEndpointEnabled ? dataEndpointOf(state) : storeOf(state, names)),
    elsewhere: (exchange) =>
      oauth2(exchange, facts, (token) => verifyForRegistry(entraTokens, audiencesOf(names).registry, token))
  })
  return { state, facts, registry }
}

async function verifyForRegistry(
  tokens: EntraTokens,
  audiences: readonly string[],
  token: string
): Promise<EntraIdentity | undefined> {
  try {
    return await tokens.verifyToken(token, audiences)
  } catch (error) {
    if (error instanceof EntraTokenError) return undefined
    throw error
  }
}

function createHandle(member: Member, context: ArmContext, server: CloudServer): CloudRegistry {
  const { state, registry, facts } = member
  const hosts = new Set([facts.loginServer, dataEndpointOf(state), storeOf(state, context.names)])
  return {
    name: state.name,
    loginServer: facts.loginServer,
    dataEndpoint: dataEndpointOf(state),
    knobs: registry.knobs,
    get requests() {
      return server.requests.filter((request) => hosts.has(request.host))
    },
    push: (...parameters) => registry.push(...parameters),
    pushImage: (...parameters) => registry.pushImage(...parameters),
    delete: (...parameters) => registry.delete(...parameters),
    digestOf: (...parameters) => registry.digestOf(...parameters),
    tags: (...parameters) => registry.tags(...parameters),
    addToken: (name, actions) => addToken(context, state, name, actions),
    accepts: (token, password) => facts.directory.authenticate(token, password) !== undefined,
    setTokenStatus(name, status) {
      need(state.tokens, name).status = status
    },
    reportConnectedRegistry(name, reported) {
      Object.assign(need(state.connectedRegistries, name), reported)
    }
  }
}

function addToken(
  context: ArmContext,
  state: RegistryState,
  name: string,
  actions: readonly string[]
): { username: string; password: string } {
  const system = systemData(context.now(), 'simulator')
  const common = { name, provisioningState: 'Succeeded', systemData: system, creationDate: system.createdAt } as const
  const registryPath = `/subscriptions/${context.subscriptionId}/resourceGroups/${context.resourceGroup}/providers/Microsoft.ContainerRegistry/registries/${state.name}`
  state.scopeMaps.set(name.toLowerCase(), { ...common, type: 'UserDefined', actions })
  const token = {
    ...common,
    scopeMapId: `${registryPath}/scopeMaps/${name}`,
    status: 'enabled',
    passwords: state.tokens.get(name.toLowerCase())?.passwords ?? new Map<PasswordSlot, Password>()
  } as const
  state.tokens.set(name.toLowerCase(), { ...token })
  return { username: name, password: issuePassword(token, 'password1', context.now()) }
}

function defaultArmKnobs(): ArmKnobs {
  return {
    pollsUntilDone: 1,
    retryAfter: undefined,
    longPollUrls: false,
    failing: undefined,
    specMode: false,
    listPage: Infinity,
    listedCredentials: true,
    registryPatch: 'asynchronous',
    passwordReplication: 0,
    cut: undefined,
    faults: []
  }
}

/** The storage account that holds a registry's blobs; its name tells the registry's to nobody. */
function storeOf(state: RegistryState, { storage }: CloudNames): string {
  const hash = createHash('sha256').update(`${state.region} ${state.name.toLowerCase()}`).digest('hex')
  return `managed${hash.slice(0, 14)}.${storage}`
}

function need<T>(from: ReadonlyMap<string, T>, name: string): T {
  const found = from.get(name.toLowerCase())
  if (found === undefined) throw new Error(`the pretend cloud has no ${name}; it has ${[...from.keys()].join(', ')}`)
  return found
}
