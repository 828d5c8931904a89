/** Stable codes of what can go wrong between this module and its parent. */
export type ParentErrorCode =
  /** No answer: name, route, proxy, time-out, or a connection that broke. */
  | 'PARENT_UNREACHABLE'
  /** It answers with a certificate that nothing here vouches for. */
  | 'PARENT_UNTRUSTED'
  /** The sync token's name or password is wrong, expired or disabled. */
  | 'PARENT_UNAUTHORIZED'
  /** The token is known and may not do this. */
  | 'PARENT_DENIED'
  | 'PARENT_NOT_FOUND'
  /** It takes no such change: it is read-only, the tag is locked, the manifest too large, or it lacks what that names. */
  | 'PARENT_REFUSED'
  | 'PARENT_THROTTLED'
  /** It says that it is in trouble itself (5xx). */
  | 'PARENT_FAILED'
  /** It answers something that is no registry's answer. */
  | 'PARENT_PROTOCOL'
  /** It is this registry itself, or syncs from it. */
  | 'PARENT_LOOP'

/** What asking the parent came to; the message says what to do about it and never holds a credential. */
export class ParentError extends Error {
  override readonly name = 'ParentError'
  readonly code: ParentErrorCode
  /** How long the parent asks to be left alone, where it says so. */
  readonly retryAfterSeconds: number | undefined
  /** The answer's, where there was one. */
  readonly status: number | undefined

  constructor(
    code: ParentErrorCode,
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number; status?: number } = {}
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  /** Whether the same question may well be answered a little later, with nobody changing anything. */
  get transient(): boolean {
    return this.code === 'PARENT_UNREACHABLE' || this.code === 'PARENT_THROTTLED' || this.code === 'PARENT_FAILED'
  }
}

/** What OpenSSL and Node call a chain that does not lead to a root they know. */
const trustCodes = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'INVALID_CA',
  'INVALID_PURPOSE'
])

/**
 * Turns what the network threw into words.
 *
 * @param error from undici, TLS or DNS
 * @param host whom the request was for
 */
export function fromNetwork(error: unknown, host: string): ParentError {
  if (error instanceof ParentError) return error
  const code = codeOf(error)
  if (speaksOfTime(error))
    return new ParentError(
      'PARENT_UNTRUSTED',
      `the certificate of ${host} is ${code === 'CERT_HAS_EXPIRED' ? 'past its end' : 'not valid yet'} by this device's clock, which says ${new Date().toISOString()}: check that, then the certificate`,
      { cause: error }
    )
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'UND_ERR_PRX_TLS')
    return new ParentError(
      'PARENT_UNTRUSTED',
      `the certificate that ${host} shows is for another name: check the parent's endpoint, and what answers there`,
      { cause: error }
    )
  if (trustCodes.has(code))
    return new ParentError(
      'PARENT_UNTRUSTED',
      `the certificate of ${host} is not trusted (${code}): put the certificate authority of the parent, or of a proxy that opens TLS on the way, into IoT Edge's trust bundle or NODE_EXTRA_CA_CERTS`,
      { cause: error }
    )
  return new ParentError('PARENT_UNREACHABLE', `${host} does not answer (${reasonOf(error, code)})`, { cause: error })
}

/** Whether a certificate was refused for what this device's clock says. */
export function speaksOfTime(error: unknown): boolean {
  return ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'].includes(codeOf(error))
}

/** The most telling code in a chain of causes: undici wraps what the socket said. */
function codeOf(error: unknown): string {
  let code = ''
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const own = (at as { code?: unknown }).code
    if (typeof own === 'string' && (code === '' || !own.startsWith('UND_ERR'))) code = own
  }
  return code
}

function reasonOf(error: unknown, code: string): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${code}: its name cannot be resolved; check DNS and the endpoint`
    case 'ECONNREFUSED':
      return `${code}: nothing listens there; check the endpoint, its port and firewalls`
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'no connection in time; check the link, firewalls, and https_proxy'
    case 'UND_ERR_HEADERS_TIMEOUT':
      return 'connected, but no answer in time'
    case 'UND_ERR_BODY_TIMEOUT':
      return 'its answer stopped half way'
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection broke'
    default: {
      // "Proxy response (407) !== 200 when HTTP Tunneling" and "Proxy Authentication Required (407)" are all that undici tells.
      const status = /^Proxy [\w ]+ \((\d{3})\)/.exec(error instanceof Error ? error.message : '')?.[1]
      if (status === '407') return 'the proxy asks for credentials (407); check user and password in https_proxy'
      if (status !== undefined) return `the proxy refused the connection (${status}); check https_proxy and no_proxy`
      return code === '' ? 'the connection failed' : code
    }
  }
}
