import type {
  ConnectedRegistry,
  ConnectedRegistryUpdateParameters,
  ContainerRegistryManagementClient,
  GenerateCredentialsResult,
  ImportImageParameters,
  Registry,
  RegistryUpdateParameters,
  ScopeMap,
  Token,
  TokenUpdateParameters
} from '@azure/arm-containerregistry'
import type { ShowWait } from '../azure/wait.ts'
import type { NewPassword, Slot } from '../secrets/store.ts'
import { createCalls, type Calls } from './calls.ts'
import { generated, newPassword } from './new-password.ts'
import type { Provisioned } from './settled.ts'

export interface RegistryAddress {
  readonly subscription: string
  readonly resourceGroup: string
  readonly name: string
}

export interface RegistryCallOptions {
  readonly signal: AbortSignal
  /** Milliseconds between two looks at an operation that takes its time; the service's Retry-After goes first. */
  readonly pollInterval: number
  readonly showWait?: ShowWait | undefined
}

/** New passwords of one token, as the service shows them this once. */
export interface NewCredentials {
  readonly username: string
  readonly passwords: Readonly<Partial<Record<Slot, NewPassword>>>
  readonly result: GenerateCredentialsResult
}

/**
 * One cloud registry's management, its resources whole as Azure keeps them: what `causeway acr` shows and changes. Whether
 * a write is done at once or takes its time is the service's whim (facts: arm-wire §7); every method returns when it is done.
 */
export class CloudRegistry {
  readonly address: RegistryAddress
  readonly #client: ContainerRegistryManagementClient
  readonly #calls: Calls
  readonly #at: readonly [string, string]
  readonly #once: { readonly abortSignal: AbortSignal }
  readonly #patient: { readonly abortSignal: AbortSignal; readonly updateIntervalInMs: number }

  constructor(client: ContainerRegistryManagementClient, address: RegistryAddress, options: RegistryCallOptions) {
    this.address = address
    this.#client = client
    this.#calls = createCalls(options.signal, `registry ${address.name}`, {
      interval: options.pollInterval,
      showWait: options.showWait,
      advice: {
        notFound: 'Check the name, --registry, --resource-group and --subscription',
        conflict: 'Where something else is changing it, run this again'
      }
    })
    this.#at = [address.resourceGroup, address.name]
    this.#once = { abortSignal: this.#calls.signal }
    this.#patient = { ...this.#once, updateIntervalInMs: options.pollInterval }
  }

  idOf(kind: 'tokens' | 'scopeMaps' | 'connectedRegistries', name: string): string {
    const { subscription, resourceGroup, name: registry } = this.address
    return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerRegistry/registries/${registry}/${kind}/${name}`
  }

  get(): Promise<Registry> {
    return this.#calls.attempt(`reading registry ${this.address.name}`, () =>
      this.#client.registries.get(...this.#at, this.#once)
    )
  }

  update(changes: RegistryUpdateParameters): Promise<Registry> {
    return this.#write(
      'updating',
      `registry ${this.address.name}`,
      () => this.#client.registries.update(...this.#at, changes, this.#patient),
      () => this.#client.registries.get(...this.#at, this.#once)
    )
  }

  /** @param wait false returns once the service has taken the order */
  async importImage(order: ImportImageParameters, wait: boolean): Promise<void> {
    await this.#calls.attempt(`importing ${order.source.sourceImage}`, async () => {
      const poller = this.#client.registries.importImage(...this.#at, order, this.#patient)
      if (wait) await poller
      else await poller.submitted()
    })
  }

  scopeMap(name: string): Promise<ScopeMap> {
    return this.#calls.attempt(`reading scope map ${name}`, () =>
      this.#client.scopeMaps.get(...this.#at, name, this.#once)
    )
  }

  findScopeMap(name: string): Promise<ScopeMap | undefined> {
    return this.#calls.absentOr(`reading scope map ${name}`, () =>
      this.#client.scopeMaps.get(...this.#at, name, this.#once)
    )
  }

  scopeMaps(): Promise<readonly ScopeMap[]> {
    return this.#calls.attempt('listing scope maps', () => all(this.#client.scopeMaps.list(...this.#at, this.#once)))
  }

  /** Replaces one of this name. */
  createScopeMap(
    name: string,
    scopeMap: { readonly description?: string; readonly actions: readonly string[] }
  ): Promise<ScopeMap> {
    const body = { ...scopeMap, actions: [...scopeMap.actions] }
    return this.#write(
      'creating',
      `scope map ${name}`,
      () => this.#client.scopeMaps.create(...this.#at, name, body, this.#patient),
      () => this.#client.scopeMaps.get(...this.#at, name, this.#once)
    )
  }

  /** The actions replace those that were there. */
  updateScopeMap(
    name: string,
    changes: { readonly description?: string; readonly actions?: readonly string[] }
  ): Promise<ScopeMap> {
    const { description, actions } = changes
    const body = {
      ...(description === undefined ? {} : { description }),
      ...(actions === undefined ? {} : { actions: [...actions] })
    }
    return this.#write(
      'updating',
      `scope map ${name}`,
      () => this.#client.scopeMaps.update(...this.#at, name, body, this.#patient),
      () => this.#client.scopeMaps.get(...this.#at, name, this.#once)
    )
  }

  async deleteScopeMap(name: string): Promise<void> {
    await this.#calls.attempt(`deleting scope map ${name}`, () =>
      this.#client.scopeMaps.delete(...this.#at, name, this.#patient)
    )
  }

  token(name: string): Promise<Token> {
    return this.#calls.attempt(`reading token ${name}`, () => this.#client.tokens.get(...this.#at, name, this.#once))
  }

  tokens(): Promise<readonly Token[]> {
    return this.#calls.attempt('listing tokens', () => all(this.#client.tokens.list(...this.#at, this.#once)))
  }

  createToken(
    name: string,
    token: { readonly scopeMapId: string; readonly status: 'enabled' | 'disabled' }
  ): Promise<Token> {
    return this.#write(
      'creating',
      `token ${name}`,
      () => this.#client.tokens.create(...this.#at, name, token, this.#patient),
      () => this.#client.tokens.get(...this.#at, name, this.#once)
    )
  }

  updateToken(name: string, changes: TokenUpdateParameters): Promise<Token> {
    return this.#write(
      'updating',
      `token ${name}`,
      () => this.#client.tokens.update(...this.#at, name, changes, this.#patient),
      () => this.#client.tokens.get(...this.#at, name, this.#once)
    )
  }

  async deleteToken(name: string): Promise<void> {
    await this.#calls.attempt(`deleting token ${name}`, () =>
      this.#client.tokens.delete(...this.#at, name, this.#patient)
    )
  }

  /**
   * Makes passwords in place of those in these slots.
   *
   * @param slots one, or both with one call
   * @throws {GeneratorError} `AZURE_REFUSED` where the service made them and did not show them
   */
  generateCredentials(token: string, slots: readonly Slot[], expiry?: Date): Promise<NewCredentials> {
    const [slot, ...others] = slots
    const body = {
      tokenId: this.idOf('tokens', token),
      // Without a name it makes both (facts: arm-wire §5).
      ...(slot === undefined || others.length > 0 ? {} : { name: slot }),
      ...(expiry === undefined ? {} : { expiry })
    }
    return this.#calls.attempt(`making ${slots.join(' and ')} of token ${token}`, async () => {
      const { registries } = this.#client
      const result = await generated(() => registries.generateCredentials(...this.#at, body, this.#patient))
      const passwords = Object.fromEntries(slots.map((each) => [each, newPassword(result, token, each)]))
      return { username: result.username ?? token, passwords, result }
    })
  }

  connectedRegistry(name: string): Promise<ConnectedRegistry> {
    return this.#calls.attempt(`reading connected registry ${name}`, () =>
      this.#client.connectedRegistries.get(...this.#at, name, this.#once)
    )
  }

  connectedRegistries(): Promise<readonly ConnectedRegistry[]> {
    return this.#calls.attempt('listing connected registries', () =>
      all(this.#client.connectedRegistries.list(...this.#at, this.#once))
    )
  }

  createConnectedRegistry(name: string, registry: ConnectedRegistry): Promise<ConnectedRegistry> {
    return this.#write(
      'creating',
      `connected registry ${name}`,
      () => this.#client.connectedRegistries.create(...this.#at, name, registry, this.#patient),
      () => this.#client.connectedRegistries.get(...this.#at, name, this.#once)
    )
  }

  updateConnectedRegistry(name: string, changes: ConnectedRegistryUpdateParameters): Promise<ConnectedRegistry> {
    return this.#write(
      'updating',
      `connected registry ${name}`,
      () => this.#client.connectedRegistries.update(...this.#at, name, changes, this.#patient),
      () => this.#client.connectedRegistries.get(...this.#at, name, this.#once)
    )
  }

  async deactivateConnectedRegistry(name: string): Promise<void> {
    await this.#calls.attempt(`deactivating connected registry ${name}`, () =>
      this.#client.connectedRegistries.deactivate(...this.#at, name, this.#patient)
    )
  }

  async deleteConnectedRegistry(name: string): Promise<void> {
    await this.#calls.attempt(`deleting connected registry ${name}`, () =>
      this.#client.connectedRegistries.delete(...this.#at, name, this.#patient)
    )
  }

  #write<Result>(
    doing: string,
    what: string,
    send: () => PromiseLike<Result>,
    read: () => PromiseLike<Provisioned>
  ): Promise<Result> {
    return this.#calls.attempt(`${doing} ${what}`, () => this.#calls.write(what, send, read))
  }
}

/** The name at the end of a resource id, whose other parts come back in any case. */
export function leafOf(id: string | undefined): string {
  return id === undefined ? '' : id.slice(id.lastIndexOf('/') + 1)
}

async function all<Item>(pages: AsyncIterable<Item>): Promise<readonly Item[]> {
  const items: Item[] = []
  for await (const item of pages) items.push(item)
  return items
}
