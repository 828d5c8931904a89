/** What a test can turn on one registry of the pretend cloud while it runs. */
export interface RegistryKnobs {
  /** Seconds. Azure's sample tokens live 75 minutes. */
  accessTokenSeconds: number
  refreshTokenSeconds: number
  /** Seconds that a blob's signed URL works. */
  signedUrlSeconds: number
  /**
   * Whether disabling a token stops access tokens that are out already. Whether the service does is not known; clients have to
   * stand it.
   */
  revokeAtOnce: boolean
  /** The next so many requests are refused; `path` narrows it to some. */
  refuse:
    | { next: number; readonly status: 429 | 500 | 502 | 503; readonly retryAfter?: number; readonly path?: RegExp }
    | undefined
  /**
   * One token bucket over all requests. ACR has several: by kind of operation, each by registry and by identity, of which all
   * anonymous callers are one (connected-registry §5).
   */
  rate: { readonly capacity: number; readonly perSecond: number } | undefined
  /** Tags on a page when the client asks for no number; asking for more than `mostTags` gives that many. */
  tagPageSize: number
  mostTags: number
  /** Blobs leave at most so fast, each of them. */
  bytesPerSecond: number | undefined
  /** The next `times` blob answers break off after so many bytes. */
  cut: { readonly afterBytes: number; times: number } | undefined
}

export function defaultKnobs(): RegistryKnobs {
  return {
    accessTokenSeconds: 75 * 60,
    refreshTokenSeconds: 3 * 3600,
    signedUrlSeconds: 20 * 60,
    revokeAtOnce: true,
    refuse: undefined,
    rate: undefined,
    tagPageSize: 100,
    mostTags: 1000,
    bytesPerSecond: undefined,
    cut: undefined
  }
}
