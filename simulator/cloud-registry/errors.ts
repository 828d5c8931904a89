import type { Exchange, Headers } from '../cloud-http.ts'

/** ACR's errors on the data plane: status and the text when there is nothing better to say. */
const table = {
  UNAUTHORIZED: [401, 'authentication required, visit https://aka.ms/acr/authorization for more information.'],
  DENIED: [403, 'requested access to the resource is denied'],
  UNSUPPORTED: [405, 'The operation is unsupported.'],
  NAME_UNKNOWN: [404, 'repository name not known to registry'],
  NAME_INVALID: [400, 'invalid repository name'],
  TAG_INVALID: [400, 'manifest tag did not match URI'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_BLOB_UNKNOWN: [400, 'blob unknown to registry'],
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'blob upload invalid'],
  DIGEST_INVALID: [400, 'provided digest did not match uploaded content'],
  SIZE_INVALID: [413, 'request body too large'],
  RANGE_INVALID: [416, 'invalid content range'],
  PAGINATION_NUMBER_INVALID: [400, 'invalid number of results requested'],
  TOOMANYREQUESTS: [429, 'too many requests'],
  UNAVAILABLE: [503, 'service unavailable'],
  BAD_REQUEST: [400, 'bad request'],
  NOT_FOUND: [404, '404 page not found']
} as const satisfies Record<string, readonly [number, string]>

export type RegistryErrorCode = keyof typeof table

export class RegistryError extends Error {
  readonly code: RegistryErrorCode
  readonly status: number
  readonly detail: unknown
  readonly headers: Headers

  constructor(
    code: RegistryErrorCode,
    options: {
      readonly message?: string
      readonly detail?: unknown
      readonly headers?: Headers
      readonly status?: number
    } = {}
  ) {
    super(options.message ?? table[code][1])
    this.code = code
    this.status = options.status ?? table[code][0]
    this.detail = options.detail ?? null
    this.headers = options.headers ?? {}
  }
}

/** What openresty and the registry put on every answer; two of them both send the transport-security header (arm-wire §10). */
export const registryHeaders: Headers = {
  server: 'openresty',
  'docker-distribution-api-version': 'registry/2.0',
  'access-control-expose-headers': ['Docker-Content-Digest', 'WWW-Authenticate', 'Link', 'X-Ms-Correlation-Request-Id'],
  'strict-transport-security': ['max-age=31536000; includeSubDomains', 'max-age=31536000; includeSubDomains'],
  'x-content-type-options': 'nosniff'
}

/** The body ends in a newline and has a `detail`, null where there is none. */
export function writeError(exchange: Exchange, error: RegistryError): void {
  const body = { errors: [{ code: error.code, message: error.message, detail: error.detail }] }
  exchange.bytes(error.status, Buffer.from(`${JSON.stringify(body)}\n`), {
    ...registryHeaders,
    'content-type': 'application/json; charset=utf-8',
    ...error.headers
  })
}
