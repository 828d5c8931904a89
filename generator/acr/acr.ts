import type { NewPassword, Slot } from '../secrets/store.ts'

/**
 * What the generator needs of a cloud registry's management: a few nouns of Azure Resource Manager, without its dressing. What is
 * read is as it is once no operation on it is under way: reads wait for that, and so do writes.
 */
export interface Acr {
  registry(): Promise<RegistryState>
  enableDataEndpoint(): Promise<void>
  /** Lets anybody pull without logging in, or no longer. */
  setAnonymousPull(enabled: boolean): Promise<void>
  scopeMap(name: string): Promise<ScopeMapState | undefined>
  /** Replaces one of this name. */
  createScopeMap(
    name: string,
    scopeMap: { readonly description: string; readonly actions: readonly string[] }
  ): Promise<void>
  /** Replaces the actions. */
  updateScopeMap(name: string, actions: readonly string[]): Promise<void>
  token(name: string): Promise<TokenState | undefined>
  /** Whether one of this name keeps its passwords is not known (facts: arm-wire §4). */
  createToken(name: string, token: NewToken): Promise<void>
  /** Changes scope map and status, and leaves the passwords as they are. */
  updateToken(name: string, token: NewToken): Promise<void>
  /**
   * Makes a new password, in place of the one in this slot; Azure shows it this once.
   *
   * @param expiry when it stops working; never where it is not given
   */
  generatePassword(token: string, slot: Slot, expiry?: Date): Promise<NewPassword>
  /** Takes the password in this slot away, and leaves the other one. */
  deletePassword(token: string, slot: Slot): Promise<void>
  deleteToken(name: string): Promise<void>
  deleteScopeMap(name: string): Promise<void>
  /**
   * All of the registry, whoever made them.
   *
   * @param awaited names of those whose operations are waited for
   */
  connectedRegistries(awaited: readonly string[]): Promise<readonly ConnectedRegistryState[]>
  /** Where it is there, all that is given replaces what it has. */
  createConnectedRegistry(registry: NewConnectedRegistry): Promise<void>
  /** Changes what is given, and leaves the rest as it is. */
  updateConnectedRegistry(name: string, changes: ConnectedRegistryChanges): Promise<void>
  deactivateConnectedRegistry(name: string): Promise<void>
  /** Its sync token, that token's scope map, and its gateway in those of its ancestors stay behind. */
  deleteConnectedRegistry(name: string): Promise<void>
  importImage(image: ImageImport): Promise<'imported' | 'already there'>
}

/** What every thing of a registry tells of its last change. */
export interface LastChange {
  /**
   * Whether that failed. Azure shows what was asked for all the same, and does not act on it: only the same write, made again,
   * brings it about (facts: arm-wire §2, §13).
   */
  readonly failed?: true
}

export interface RegistryState extends LastChange {
  /** `Basic`, `Standard` or `Premium`. */
  readonly sku: string
  readonly dataEndpointEnabled: boolean
  readonly anonymousPullEnabled: boolean
}

export interface ScopeMapState extends LastChange {
  readonly actions: readonly string[]
}

export interface NewToken {
  /** By name. */
  readonly scopeMap: string
  readonly status: 'enabled' | 'disabled'
}

export interface TokenState extends NewToken, LastChange {
  /** Slots that hold a password, and since when. */
  readonly passwords: Readonly<Partial<Record<Slot, string>>>
}

/** What can be said of a connected registry when it is made, and never changed. */
export interface ConnectedRegistryIdentity {
  readonly name: string
  readonly mode: string
  readonly syncToken: string
  /** The connected registry above, by name. */
  readonly parent?: string
}

/** What can be changed of it in place. */
export interface ConnectedRegistryChanges {
  readonly schedule?: string
  /** Goes with a schedule: one that is sent alone takes the window away (facts: arm-wire §6). */
  readonly syncWindow?: string
  readonly messageTtl?: string
  /** Token names; they replace those that were there. */
  readonly clientTokens?: readonly string[]
  readonly notifications?: readonly string[]
  readonly logLevel?: string
  readonly garbageCollection?: { readonly enabled?: boolean; readonly schedule?: string }
}

export type NewConnectedRegistry = ConnectedRegistryIdentity & ConnectedRegistryChanges

export interface ConnectedRegistryState extends ConnectedRegistryIdentity, ConnectedRegistryChanges, LastChange {
  readonly clientTokens: readonly string[]
  readonly notifications: readonly string[]
  /** Whether somebody runs as it. */
  readonly active: boolean
}

export interface ImageImport {
  /** `mcr.microsoft.com` */
  readonly registry: string
  /** `repository:tag` there. */
  readonly source: string
  /** `repository:tag` here. */
  readonly target: string
  /** Moves a tag that is already there. */
  readonly force: boolean
}
