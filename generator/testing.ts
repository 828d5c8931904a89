import { PassThrough, Readable } from 'node:stream'
import type {
  Acr,
  ConnectedRegistryChanges,
  ConnectedRegistryState,
  ImageImport,
  NewConnectedRegistry,
  NewToken,
  RegistryState,
  TokenState
} from './acr/acr.ts'
import type { ImageState, RegistryContent } from './acr/content.ts'
import type { Management } from './acr/management.ts'
import type { Services } from './context.ts'
import type { Hub, HubConfiguration, HubTwin, MethodOutcome, NewConfiguration } from './hub/hub.ts'
import type { Io } from './io.ts'
import { run } from './program.ts'
import type { Proof } from './rotation/proof.ts'
import type { Vault } from './secrets/key-vault.ts'
import { openBackend } from './secrets/open.ts'
import type { NewPassword, SecretsBackend } from './secrets/store.ts'
import { parseSite } from './site-file/read.ts'
import type { Device, Site } from './site-file/site.ts'

/** A site of one device for tests, or of more with `devices`. */
export function testSite(devices = '  gateway: { connectedRegistry: { name: plantgateway } }', rest = ''): Site {
  return parseSite(siteText(devices, rest), 'site.yaml')
}

export function siteText(devices = '  gateway: { connectedRegistry: { name: plantgateway } }', rest = ''): string {
  return `schemaVersion: "1.0"
azure:
  subscription: 00000000-0000-0000-0000-000000000001
  resourceGroup: demo
  registry: MyContainerRegistry001
  hub: causeway-hub
scopeMaps:
  plant-readers: { actions: [repositories/hello-world/content/read, repositories/hello-world/metadata/read] }
tokens:
  plant-client: { scopeMap: plant-readers }
imageSets:
  workloads: { repositories: ["hello-world:v*"], priority: 10 }
${rest}devices:
${devices}
`
}

export function deviceNamed(site: Site, id: string): Device {
  const device = site.devices[id]
  if (device === undefined) throw new Error(`no device ${id}`)
  return device
}

/** A cloud registry in memory, which notes what is written. */
export class FakeAcr implements Acr {
  readonly scopeMaps = new Map<string, readonly string[]>()
  readonly tokens = new Map<string, TokenState>()
  readonly registries = new Map<string, ConnectedRegistryState>()
  sku = 'Premium'
  readonly images = new Set<string>()
  readonly writes: string[] = []
  dataEndpointEnabled = false
  anonymousPullEnabled = false
  /** Thrown by the next password that is asked for, once it is made or before. */
  failure: { readonly error: Error; readonly made: boolean } | undefined
  #passwords = 0

  registry(): Promise<RegistryState> {
    const { sku, dataEndpointEnabled, anonymousPullEnabled } = this
    return Promise.resolve({ sku, dataEndpointEnabled, anonymousPullEnabled })
  }
  enableDataEndpoint(): Promise<void> {
    this.dataEndpointEnabled = true
    return this.#wrote('data endpoint')
  }
  setAnonymousPull(enabled: boolean): Promise<void> {
    this.anonymousPullEnabled = enabled
    return this.#wrote(`anonymous pull ${enabled ? 'enabled' : 'disabled'}`)
  }
  scopeMap(name: string): Promise<{ actions: readonly string[] } | undefined> {
    const actions = this.scopeMaps.get(name)
    return Promise.resolve(actions === undefined ? undefined : { actions })
  }
  createScopeMap(name: string, { actions }: { readonly actions: readonly string[] }): Promise<void> {
    return this.updateScopeMap(name, actions)
  }
  updateScopeMap(name: string, actions: readonly string[]): Promise<void> {
    this.scopeMaps.set(name, actions)
    return this.#wrote(`scope map ${name}`)
  }
  token(name: string): Promise<TokenState | undefined> {
    return Promise.resolve(this.tokens.get(name))
  }
  createToken(name: string, token: NewToken): Promise<void> {
    this.tokens.set(name, { scopeMap: token.scopeMap, status: token.status, passwords: {} })
    return this.#wrote(`create token ${name}`)
  }
  updateToken(name: string, token: NewToken): Promise<void> {
    const passwords = this.tokens.get(name)?.passwords ?? {}
    this.tokens.set(name, { scopeMap: token.scopeMap, status: token.status, passwords })
    return this.#wrote(`update token ${name}`)
  }
  generatePassword(token: string, slot: 'password1' | 'password2', expiry?: Date): Promise<NewPassword> {
    const failure = this.failure
    this.failure = undefined
    if (failure?.made === false) return Promise.reject(failure.error)
    const creationTime = new Date(Date.UTC(2026, 0, 1, ++this.#passwords)).toISOString()
    const before = this.tokens.get(token) ?? { scopeMap: '', status: 'enabled', passwords: {} }
    this.tokens.set(token, { ...before, passwords: { ...before.passwords, [slot]: creationTime } })
    this.writes.push(`password ${token}/${slot}`)
    if (failure !== undefined) return Promise.reject(failure.error)
    return Promise.resolve({
      value: `password-no-${this.#passwords}-of-${token}=`,
      creationTime,
      ...(expiry === undefined ? {} : { expiry: expiry.toISOString() })
    })
  }
  deletePassword(token: string, slot: 'password1' | 'password2'): Promise<void> {
    const before = this.tokens.get(token)
    const { [slot]: _, ...passwords } = before?.passwords ?? {}
    if (before !== undefined) this.tokens.set(token, { ...before, passwords })
    return this.#wrote(`delete ${token}/${slot}`)
  }
  deleteToken(name: string): Promise<void> {
    this.tokens.delete(name)
    return this.#wrote(`delete token ${name}`)
  }
  deleteScopeMap(name: string): Promise<void> {
    this.scopeMaps.delete(name)
    return this.#wrote(`delete scope map ${name}`)
  }
  connectedRegistries(): Promise<readonly ConnectedRegistryState[]> {
    return Promise.resolve([...this.registries.values()])
  }
  createConnectedRegistry(registry: NewConnectedRegistry): Promise<void> {
    this.registries.set(registry.name, { clientTokens: [], notifications: [], active: false, ...registry })
    return this.#wrote(`connected registry ${registry.name}`)
  }
  updateConnectedRegistry(name: string, changes: ConnectedRegistryChanges): Promise<void> {
    const before = this.registries.get(name)
    if (before !== undefined) this.registries.set(name, { ...before, ...changes })
    return this.#wrote(`update connected registry ${name} ${Object.keys(changes).join(' ')}`)
  }
  deactivateConnectedRegistry(name: string): Promise<void> {
    const before = this.registries.get(name)
    if (before !== undefined) this.registries.set(name, { ...before, active: false })
    return this.#wrote(`deactivate connected registry ${name}`)
  }
  deleteConnectedRegistry(name: string): Promise<void> {
    this.registries.delete(name)
    return this.#wrote(`delete connected registry ${name}`)
  }
  importImage({ target, force }: ImageImport): Promise<'imported' | 'already there'> {
    if (this.images.has(target) && !force) return Promise.resolve('already there')
    this.images.add(target)
    this.writes.push(`image ${target}`)
    return Promise.resolve('imported')
  }

  #wrote(what: string): Promise<void> {
    this.writes.push(what)
    return Promise.resolve()
  }
}

/** A hub in memory. Twins are changed through `twins`, or by `onPatch` and `onApply`, which stand for the device. */
export class FakeHub implements Hub {
  readonly twins = new Map<string, HubTwin>()
  readonly applied: { readonly deviceId: string; readonly content: object }[] = []
  onRead: (key: string) => void = () => undefined
  onPatch: (twin: HubTwin, patch: Readonly<Record<string, unknown>>) => number | 'changed' = () => 1
  onApply: (deviceId: string) => void = () => undefined
  onInvoke: (deviceId: string, moduleId: string, method: string, payload: unknown) => MethodOutcome = () => ({
    kind: 'offline'
  })
  readonly automatic = new Map<string, HubConfiguration>()
  /** What the hub counts of every automatic deployment. */
  automaticMetrics: Readonly<Record<string, number>> = {}
  /** What is written of automatic deployments, in order. */
  readonly writes: string[] = []
  closed = false
  #etags = 0

  put(deviceId: string, moduleId: string, twin: Partial<HubTwin> = {}): void {
    const none = { desired: {}, desiredVersion: 1, reported: {}, etag: 'AAA=' }
    this.twins.set(`${deviceId}/${moduleId}`, { deviceId, moduleId, ...none, ...twin })
  }
  twin(deviceId: string, moduleId: string): Promise<HubTwin | undefined> {
    this.onRead(`${deviceId}/${moduleId}`)
    return Promise.resolve(this.twins.get(`${deviceId}/${moduleId}`))
  }
  patchDesired(twin: HubTwin, patch: Readonly<Record<string, unknown>>): Promise<number | 'changed'> {
    return Promise.resolve(this.onPatch(twin, patch))
  }
  apply(deviceId: string, content: { readonly modulesContent: object }): Promise<void> {
    this.applied.push({ deviceId, content })
    this.onApply(deviceId)
    return Promise.resolve()
  }
  async *modulesNamed(moduleId: string): AsyncIterable<HubTwin> {
    for (const twin of this.twins.values()) if (twin.moduleId === moduleId) yield await Promise.resolve(twin)
  }
  invoke(deviceId: string, moduleId: string, method: string, payload: unknown): Promise<MethodOutcome> {
    return Promise.resolve(this.onInvoke(deviceId, moduleId, method, payload))
  }
  configurations(): Promise<readonly HubConfiguration[]> {
    return Promise.resolve([...this.automatic.values()])
  }
  configuration(id: string): Promise<HubConfiguration | undefined> {
    const found = this.automatic.get(id)
    return Promise.resolve(found === undefined ? undefined : { ...found, systemMetrics: this.automaticMetrics })
  }
  createConfiguration(configuration: NewConfiguration): Promise<'created' | 'exists'> {
    if (this.automatic.has(configuration.id)) return Promise.resolve('exists')
    this.writes.push(`create ${configuration.id} at ${configuration.priority}`)
    const createdAt = new Date(Date.UTC(2026, 0, 1, 0, 0, this.automatic.size)).toISOString()
    this.automatic.set(configuration.id, { ...configuration, etag: this.#etag(), createdAt, systemMetrics: {} })
    return Promise.resolve('created')
  }
  updateConfiguration(
    { id, etag }: HubConfiguration,
    change: Partial<HubConfiguration>
  ): Promise<HubConfiguration | 'changed'> {
    const before = this.automatic.get(id)
    if (before?.etag !== etag) return Promise.resolve('changed')
    const after = { ...before, ...change, etag: this.#etag() }
    this.writes.push(`update ${id} to ${after.priority}`)
    this.automatic.set(id, after)
    return Promise.resolve(after)
  }
  async *refusing(id: string): AsyncIterable<HubTwin> {
    for (const twin of this.twins.values()) {
      const { code = 0 } = (twin.reported['lastDesiredStatus'] as { code?: number } | undefined) ?? {}
      const refuses = code >= 400 && code < 500 && code !== 406
      if (twin.moduleId === '$edgeAgent' && twin.configurations?.[id]?.status === 'Applied' && refuses)
        yield await Promise.resolve(twin)
    }
  }
  removeConfiguration(id: string): Promise<void> {
    this.writes.push(`remove ${id}`)
    this.automatic.delete(id)
    return Promise.resolve()
  }
  #etag(): string {
    return `etag-${++this.#etags}`
  }
  close(): void {
    this.closed = true
  }
}

/** What tests encrypt stored passwords with. */
export const testSecretsKey = Buffer.alloc(32, 7).toString('base64')

/** The encrypted file of a folder, as a command run by {@link runCommand} has it. */
export function testBackend(folder: string, key = testSecretsKey): Promise<SecretsBackend> {
  const output = new PassThrough()
  return openBackend({
    named: undefined,
    folder,
    loginServer: '',
    keyVault: undefined,
    io: {
      stdout: output,
      stderr: output,
      env: { CAUSEWAY_SECRETS_KEY: key },
      workingFolder: folder,
      signal: new AbortController().signal
    },
    vault: () => Promise.reject(new Error('this test has no key vault'))
  })
}

/** The content of a cloud registry in memory: every image is there but for those in `states`. */
export class FakeContent implements RegistryContent {
  readonly states = new Map<string, ImageState>()
  readonly asked: string[] = []

  imageState({ username }: { readonly username: string }, repository: string, reference: string): Promise<ImageState> {
    this.asked.push(`${username} ${repository}:${reference}`)
    return Promise.resolve(this.states.get(`${repository}:${reference}`) ?? 'present')
  }
  push(
    { username }: { readonly username: string },
    repository: string,
    tag: string
  ): Promise<'pushed' | 'already there'> {
    this.asked.push(`${username} pushes ${repository}:${tag}`)
    return Promise.resolve('pushed')
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
}

export interface CommandLine {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in this process, with clouds of memory. */
export async function runCommand(
  args: readonly string[],
  options: {
    readonly folder: string
    readonly env?: Record<string, string>
    readonly acr?: Acr
    readonly hub?: Hub
    readonly signal?: AbortSignal
    /** All that comes in, or what it comes from. */
    readonly stdin?: string | Readable
    /** Whether a person sits at stdin. */
    readonly asked?: boolean
    readonly management?: Management
    readonly vault?: (url: string) => Promise<Vault>
    /** Without one, every image is there. */
    readonly content?: RegistryContent
    readonly proof?: Proof
  }
): Promise<CommandLine> {
  const outputs = { stdout: '', stderr: '' }
  const capture = (name: keyof typeof outputs): PassThrough => {
    const stream = new PassThrough()
    stream.on('data', (chunk: Buffer) => (outputs[name] += chunk.toString()))
    return stream
  }
  const io: Io = {
    stdout: capture('stdout'),
    stderr: capture('stderr'),
    ...(options.stdin === undefined
      ? {}
      : {
          stdin: Object.assign(typeof options.stdin === 'string' ? Readable.from([options.stdin]) : options.stdin, {
            isTTY: options.asked === true
          })
        }),
    env: { CAUSEWAY_SECRETS_KEY: testSecretsKey, ...options.env },
    workingFolder: options.folder,
    signal: options.signal ?? new AbortController().signal
  }
  const absent = (what: string) => (): Promise<never> => Promise.reject(new Error(`this test has no ${what}`))
  const { acr, hub, management, vault, proof } = options
  const services: Services = {
    acr: acr === undefined ? absent('registry') : () => Promise.resolve(acr),
    management: management === undefined ? absent('subscription') : () => Promise.resolve(management),
    hub: hub === undefined ? absent('hub') : () => Promise.resolve(hub),
    vault: vault ?? absent('key vault'),
    content: () => Promise.resolve(options.content ?? new FakeContent()),
    proof: proof === undefined ? absent('registry to log in to') : () => Promise.resolve(proof)
  }
  const code = await run(args, io, services)
  return { code, ...outputs }
}
