import type { NewPassword, Slot } from '../secrets/store.ts'

/** What the generator needs of a cloud registry's management: a few nouns of Azure Resource Manager, without its dressing. */
export interface Acr {
  registry(): Promise<RegistryState>
  enableDataEndpoint(): Promise<void>
  scopeMap(name: string): Promise<ScopeMapState | undefined>
  createScopeMap(
    name: string,
    scopeMap: { readonly description: string; readonly actions: readonly string[] }
  ): Promise<void>
  /** Replaces the actions. */
  updateScopeMap(name: string, actions: readonly string[]): Promise<void>
  token(name: string): Promise<TokenState | undefined>
  createToken(name: string, token: Omit<TokenState, 'passwords'>): Promise<void>
  /** Changes scope map and status, and leaves the passwords as they are. */
  updateToken(name: string, token: Omit<TokenState, 'passwords'>): Promise<void>
  /** Makes a new password, in place of the one in this slot; Azure shows it this once. */
  generatePassword(token: string, slot: Slot): Promise<NewPassword>
  /** Takes the password in this slot away, and leaves the other one. */
  deletePassword(token: string, slot: Slot): Promise<void>
  connectedRegistry(name: string): Promise<ConnectedRegistryState | undefined>
  createConnectedRegistry(name: string, registry: ConnectedRegistryState): Promise<void>
  updateConnectedRegistry(name: string, clientTokens: readonly string[]): Promise<void>
  importImage(image: ImageImport): Promise<'imported' | 'already there'>
}

export interface RegistryState {
  readonly dataEndpointEnabled: boolean
}

export interface ScopeMapState {
  readonly actions: readonly string[]
}

export interface TokenState {
  /** By name. */
  readonly scopeMap: string
  readonly status: 'enabled' | 'disabled'
  /** Slots that hold a password, and since when. */
  readonly passwords: Readonly<Partial<Record<Slot, string>>>
}

export interface ConnectedRegistryState {
  readonly mode: string
  readonly syncToken: string
  /** The connected registry above, by name. */
  readonly parent?: string
  /** Token names. */
  readonly clientTokens: readonly string[]
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
