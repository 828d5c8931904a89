import type { Repository } from '../oci/name.ts'

/** What a request is about to do. `login` is anything that only needs somebody known. */
export type Need =
  | { readonly kind: 'login' }
  | { readonly kind: 'catalog' }
  | {
      readonly kind: 'repository'
      readonly repository: Repository
      readonly action: 'pull' | 'push' | 'delete' | 'list'
    }

/** One repository, or all whose names begin so; the empty prefix stands for every one. */
export type CatalogRange = { readonly repository: Repository } | { readonly prefix: string }

/** Who is allowed to do it. */
export interface Caller {
  /** The client token's name; empty for somebody who did not say who they are. */
  readonly name: string
  /** What of the repositories the catalog may show them: sorted, and without one standing in another. */
  readonly catalog: readonly CatalogRange[]
  /**
   * Whether they may do something else too: a mount asks for `pull` on the repositories that hold a blob. Whatever a bearer
   * token was asked for: a mount that names no source finds its blob where its client could not know it would need a scope.
   */
  may(action: 'pull' | 'push' | 'delete' | 'list', repository: Repository): boolean
}

/** Where a request comes from, as its connection has it. */
export interface Client {
  readonly address: string
  /** Whether this hop is TLS. */
  readonly encrypted: boolean
  /** Under which its request is logged. */
  readonly correlationId: string
}

export type Decision =
  | { readonly kind: 'allowed'; readonly caller: Caller }
  /** 401; `error` tells clients that fetching another bearer token may help (RFC 6750, section 3.1). */
  | { readonly kind: 'challenge'; readonly error?: 'invalid_token' | 'insufficient_scope'; readonly message: string }
  /** 403: logging in again would not help. */
  | { readonly kind: 'denied'; readonly message: string; readonly name?: string }

/** Whom the registry asks "may they?". */
export interface Authorizer {
  /** @throws {OciError} `TOOMANYREQUESTS` */
  authorize(authorization: string | undefined, need: Need, client: Client): Promise<Decision>
}

/** Who asks the token endpoint, and for what. */
export interface TokenRequest {
  readonly client: Client
  readonly service: string
  readonly scopes: readonly string[]
  readonly credentials?:
    | { readonly kind: 'password'; readonly name: string; readonly password: string }
    | { readonly kind: 'refresh'; readonly token: string }
  readonly offline: boolean
}

/** Who makes bearer tokens. */
export interface TokenIssuer {
  /** @returns the reply's body. @throws {OciError} `UNAUTHORIZED`, `DENIED`, `TOOMANYREQUESTS` */
  issue(request: TokenRequest): Promise<object>
}
