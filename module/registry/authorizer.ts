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

/** Who is allowed to do it. */
export interface Caller {
  readonly name: string
  /** Whether the catalog may show them this repository. */
  mayList(repository: Repository): boolean
}

export type Decision =
  | { readonly kind: 'allowed'; readonly caller: Caller }
  /** 401; `error` tells clients that fetching another bearer token may help (RFC 6750, section 3.1). */
  | { readonly kind: 'challenge'; readonly error?: 'invalid_token' | 'insufficient_scope'; readonly message: string }
  /** 403: logging in again would not help. */
  | { readonly kind: 'denied'; readonly message: string }

/** Whom the registry asks "may they?". */
export interface Authorizer {
  /** @throws {OciError} `TOOMANYREQUESTS` */
  authorize(authorization: string | undefined, need: Need): Promise<Decision>
}

/** Who asks the token endpoint, and for what. */
export interface TokenRequest {
  readonly service: string
  readonly scopes: readonly string[]
  readonly credentials?:
    | { readonly kind: 'password'; readonly name: string; readonly password: string }
    | { readonly kind: 'refresh'; readonly token: string }
  readonly offline: boolean
}

/** Who makes bearer tokens. */
export interface TokenIssuer {
  /** @returns the reply's body. @throws {OciError} `UNAUTHORIZED`, `TOOMANYREQUESTS` */
  issue(request: TokenRequest): Promise<object>
}
