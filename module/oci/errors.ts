/**
 * The one table of errors that a registry speaks: code, HTTP status, and the message when there is nothing better to say.
 * Codes of the distribution spec first, then those of the CNCF registry that engines know and retry on.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
const table = {
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [400, 'manifest references a manifest or blob unknown to registry'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown to registry'],
  NAME_INVALID: [400, 'invalid repository name'],
  NAME_UNKNOWN: [404, 'repository name not known to registry'],
  SIZE_INVALID: [400, 'provided length did not match content length'],
  TAG_INVALID: [400, 'invalid tag'],
  RANGE_INVALID: [416, 'invalid content range'],
  PAGINATION_NUMBER_INVALID: [400, 'invalid number of results requested'],
  UNAUTHORIZED: [401, 'authentication required'],
  DENIED: [403, 'requested access to the resource is denied'],
  UNSUPPORTED: [405, 'the operation is unsupported'],
  TOOMANYREQUESTS: [429, 'too many requests'],
  UNAVAILABLE: [503, 'service unavailable'],
  UNKNOWN: [500, 'unknown error']
} as const satisfies Record<string, readonly [status: number, message: string]>

export type OciErrorCode = keyof typeof table

/** What a registry answers when it cannot do what was asked; one writer turns it into HTTP. */
export class OciError extends Error {
  override readonly name = 'OciError'
  readonly code: OciErrorCode
  readonly detail: unknown
  /** When it may be tried again, where that is known. */
  readonly retryAfterSeconds: number | undefined
  readonly #status: number | undefined

  constructor(
    code: OciErrorCode,
    message?: string,
    options: {
      detail?: unknown
      cause?: unknown
      retryAfterSeconds?: number
      /** Where HTTP has a better one than the table: 413, 414, 507. */
      status?: number
    } = {}
  ) {
    super(message ?? table[code][1], options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = options.detail
    this.retryAfterSeconds = options.retryAfterSeconds
    this.#status = options.status
  }

  get status(): number {
    return this.#status ?? table[this.code][0]
  }

  /** The body that clients parse; container engines read only the first entry. */
  toBody(): { errors: { code: OciErrorCode; message: string; detail?: unknown }[] } {
    const entry = { code: this.code, message: this.message }
    return { errors: [this.detail === undefined ? entry : { ...entry, detail: this.detail }] }
  }
}
