import { acceptsPassword } from './credentials.ts'
import type { RegistryState, Token } from './state.ts'

/**
 * What the data plane may ask of a registry's tokens. Names are compared without regard to case, as the service's resource names
 * are.
 */
export class TokenDirectory {
  readonly #registry: RegistryState
  readonly #now: () => number

  constructor(registry: RegistryState, now: () => number) {
    this.#registry = registry
    this.#now = now
  }

  /** The token's proper name where the password is right and the token is enabled. */
  authenticate(name: string, password: string): string | undefined {
    const token = this.#find(name)
    return token !== undefined && isUsable(token) && acceptsPassword(token, password, this.#now())
      ? token.name
      : undefined
  }

  /** Whether a token that was let in before still is: it may have been disabled or deleted since. */
  isEnabled(name: string): boolean {
    const token = this.#find(name)
    return token !== undefined && isUsable(token)
  }

  /** The actions of the token's scope map at this moment. */
  actionsOf(name: string): readonly string[] {
    const id = this.#find(name)?.scopeMapId
    const map =
      id === undefined ? undefined : this.#registry.scopeMaps.get(id.slice(id.lastIndexOf('/') + 1).toLowerCase())
    return map?.actions ?? []
  }

  #find(name: string): Token | undefined {
    return this.#registry.tokens.get(name.toLowerCase())
  }
}

function isUsable(token: Token): boolean {
  return token.status === 'enabled' && !['Deleting', 'Failed', 'Canceled'].includes(token.provisioningState)
}
