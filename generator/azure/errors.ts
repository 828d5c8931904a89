import { GeneratorError } from '../errors.ts'
import { adviceFor } from './advice.ts'

/** What is known of a refusal, whichever SDK it came through. */
export interface Refusal {
  readonly status?: number
  /** The service's own code, such as `AuthorizationFailed`. */
  readonly code?: string
  readonly message: string
  /** Seconds after which the service wants to be asked again, where it says. */
  readonly retryAfter?: number
  /** How an operation ended that the service had taken on; `lost` where it no longer knows of it. */
  readonly operation?: 'failed' | 'canceled' | 'lost'
}

/** Node's codes of a connection that did not come about or broke. */
const networkCodes = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EPIPE'
])

/** Those of a certificate that nobody here vouches for: proxies that open TLS are the usual reason. */
const certificateCode = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)/

const credentialErrors = new Set([
  'AuthenticationError',
  'AggregateAuthenticationError',
  'CredentialUnavailableError',
  'AuthenticationRequiredError'
])

/**
 * Turns an SDK's error into one that says what to do.
 *
 * @param what the thing that was being done, as `reading token crimagepulltoken`
 * @param where the host, for errors of the network
 */
export function azureError(error: unknown, what: string, where: string): GeneratorError {
  if (error instanceof GeneratorError) return error
  if (!(error instanceof Error)) return new GeneratorError('AZURE_REFUSED', `${what}: ${String(error)}`)
  if (error.name === 'AbortError')
    return new GeneratorError('CANCELLED', 'stopped; run the same command again to go on')
  if (credentialErrors.has(error.name)) return signInError(error, what)
  const network = networkCodeOf(error)
  if (network !== undefined) return networkError(network, what, where, error)
  return refusalError(refusalOf(error), what, error)
}

/** No such tenant, no such resource, and nobody across clouds: the tenant or the registry is in another cloud. */
const isOtherCloud = /^AADSTS(?:90002|500011|900382):/
const otherCloud =
  'Look whether azure.cloud of the site file (--cloud of causeway acr; AzureCloud where it is left out) is the cloud that you have your tenant in: AzureCloud, AzureUSGovernment or AzureChinaCloud'

/** All that MSAL tells of a sign-in that did not get through: no name, no connection, or a certificate that is not trusted. */
const hiddenCode = 'network_error'

/** Entra ID's own number says most; MSAL hides what the network said behind a word of its own. */
function signInError(error: Error, what: string): GeneratorError {
  if (/network_error|endpoints_resolution_error|openid_config_error/.test(error.message))
    return networkError(networkCodeOf(error) ?? hiddenCode, what, 'the sign-in service of Azure', error)
  const passing = passingSignInError(error, what)
  if (passing !== undefined) return passing
  const [, tenant] = /not configured to acquire tokens for tenant ([\w-]+)/.exec(error.message) ?? []
  if (tenant !== undefined)
    return new GeneratorError(
      'AZURE_UNAUTHORIZED',
      `${what}: it belongs to tenant ${tenant}, and you sign in to another. Set AZURE_TENANT_ID to it, or run az login --tenant ${tenant}; look at azure.cloud and the names in the site file too`,
      { cause: error }
    )
  const refused = signInReason(error)
  const [, more] = /More details:\s*([^\r\n]+)/.exec(error.message) ?? []
  const reason =
    refused === undefined
      ? `nobody to sign in as (${firstLine(more ?? error.message)})`
      : `Azure refuses the sign-in (${firstLine(refused)})`
  const advice = isOtherCloud.test(refused ?? '')
    ? `${otherCloud}. Otherwise check AZURE_TENANT_ID`
    : 'Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run az login'
  return new GeneratorError('AZURE_UNAUTHORIZED', `${what}: ${reason}. ${advice}`, { cause: error })
}

/** Too many sign-ins, by this application or by the tenant. */
const signInThrottled = /\bAADSTS(?:50196|90055)\b|Http status code: 429/
/** Faults of Entra ID's own, by OAuth's words and by its numbers. */
const signInUnavailable = /\b(?:server_error|temporarily_unavailable)\b|\bAADSTS(?:90006|90024|90033)\b/

/** What is not the fault of whoever signs in, and passes by itself. MSAL tells the status only where the body was no JSON. */
function passingSignInError(error: Error, what: string): GeneratorError | undefined {
  const [, status] = /Http status code: (\d{3})/.exec(error.message) ?? []
  const said = signInReason(error) ?? (status === undefined ? undefined : `HTTP ${status}`)
  const reason = said === undefined ? '' : ` (${firstLine(said)})`
  if (signInThrottled.test(error.message))
    return new GeneratorError(
      'AZURE_THROTTLED',
      `${what}: the sign-in service of Azure has been asked too often${reason}; run this again in a minute`,
      { cause: error }
    )
  if (!signInUnavailable.test(error.message)) return undefined
  return new GeneratorError(
    'AZURE_UNAVAILABLE',
    `${what}: the sign-in service of Azure, or a proxy before it, has a problem of its own${reason}; run this again later`,
    { cause: error }
  )
}

function signInReason(error: Error): string | undefined {
  return /AADSTS\d+: [^\r\n]{1,200}/.exec(error.message)?.[0]
}

/** The error for an HTTP status, with advice by kind. */
function refusalError(refusal: Refusal, what: string, cause: Error): GeneratorError {
  const [code, advice] =
    refusal.code === 'InvalidAuthenticationTokenAudience'
      ? (['AZURE_UNAUTHORIZED', otherCloud] as const)
      : adviceFor(refusal)
  const service = refusal.code === undefined || refusal.message.includes(refusal.code) ? '' : `${refusal.code}: `
  return new GeneratorError(
    code,
    `${what}: ${service}${firstLine(refusal.message)}${advice === '' ? '' : `. ${advice}`}`,
    { cause }
  )
}

function networkError(code: string, what: string, where: string, cause: Error): GeneratorError {
  const usual = 'check the name and the network; behind a proxy, set https_proxy'
  const advice = certificateCode.test(code)
    ? 'nobody here vouches for its certificate: name the CA of the proxy in NODE_EXTRA_CA_CERTS'
    : code === hiddenCode
      ? `${usual}, and name the CA of one that opens TLS in NODE_EXTRA_CA_CERTS`
      : usual
  return new GeneratorError('AZURE_UNREACHABLE', `${what}: ${where} cannot be reached (${code}); ${advice}`, { cause })
}

/** Node's code of a network failure, wherever the SDKs have put it, or undefined. */
export function networkCodeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as { code?: unknown }
    if (typeof code === 'string' && (networkCodes.has(code) || certificateCode.test(code))) return code
    if (/^Proxy connection|Client network socket disconnected/.test(at.message)) return 'ECONNRESET'
  }
  return undefined
}

/** Status and code of `@azure`'s RestError, of azure-iothub's errors, and of an operation that failed on its way. */
export function refusalOf(error: unknown): Refusal {
  const source = error as {
    statusCode?: unknown
    code?: unknown
    message?: unknown
    response?: { statusCode?: unknown; headers?: unknown }
    responseBody?: unknown
    request?: { url?: unknown }
  }
  const status = [source.statusCode, source.response?.statusCode].find((value) => typeof value === 'number')
  const hub = hubMessage(source.responseBody)
  // A failed long-running operation is a plain Error of this form (facts: azure-sdk §5).
  const [, operationCode] = /^The long-running operation has failed\. ?(\w+)\./.exec(String(source.message)) ?? []
  const code = hub?.code ?? operationCode ?? (typeof source.code === 'string' ? source.code : undefined)
  const retryAfter = retryAfterOf(source.response?.headers)
  const operation = endOfOperation(String(source.message), status, source.request?.url)
  return {
    ...(status === undefined ? {} : { status }),
    ...(code === undefined ? {} : { code }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(operation === undefined ? {} : { operation }),
    // Without a code, a body is some proxy's page, and its text no help to anybody.
    message:
      hub?.text ??
      pagedMessage(source) ??
      (typeof source.responseBody === 'string' ? `HTTP ${status ?? 'error'}` : String(source.message))
  }
}

/** The SDK's own words, and an address that only polls have. */
function endOfOperation(message: string, status: unknown, url: unknown): Refusal['operation'] {
  if (message.startsWith('The long-running operation has failed')) return 'failed'
  if (message === 'Operation was canceled') return 'canceled'
  return status === 404 && /\/operation(?:Statuses|Results)\//i.test(String(url)) ? 'lost' : undefined
}

/** A header of our own, on answers that refuse: what the service says. It never leaves this process. */
export const saidHeader = 'x-causeway-said'

/** Of lists, the SDK tells the status in its own words and throws those of the service away. */
function pagedMessage({
  message,
  response
}: {
  message?: unknown
  response?: { headers?: unknown }
}): string | undefined {
  if (!String(message).startsWith('Pagination failed')) return undefined
  const said = headerOf(response?.headers, saidHeader)
  return said === undefined ? undefined : decodeURIComponent(said)
}

/** @param headers Node's, or those of `@azure/*` */
function headerOf(headers: unknown, name: string): string | undefined {
  const { get } = (headers ?? {}) as { get?: unknown }
  const value =
    typeof get === 'function'
      ? (headers as { get(name: string): string | undefined }).get(name)
      : (headers as Record<string, unknown> | undefined)?.[name]
  return typeof value === 'string' ? value : undefined
}

/** Another: the seconds that a throttle asks for, whatever form it has told them in. */
export const askedHeader = 'x-causeway-asked'

/** Seconds; a date in place of them is as good as none. */
function retryAfterOf(headers: unknown): number | undefined {
  const value = headerOf(headers, askedHeader) ?? headerOf(headers, 'retry-after')
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) : undefined
}

/** IoT Hub's form: `{"Message":"ErrorCode:DeviceNotFound;E0 …"}`. */
function hubMessage(body: unknown): { code: string; text: string } | undefined {
  if (typeof body !== 'string') return undefined
  const [, code, text] = /"Message"\s*:\s*"ErrorCode:([A-Za-z]+);((?:[^"\\]|\\.)*)/.exec(body) ?? []
  return code === undefined ? undefined : { code, text: text ?? '' }
}

function firstLine(text: string): string {
  const line = (text.split('\n', 1)[0] ?? '').trim()
  // Polling addresses carry signatures; nothing in a query is for a log.
  return line
    .replace(/(https?:\/\/[^\s?]+)\?\S+/g, '$1')
    .replace(/[.\s]+$/, '')
    .slice(0, 500)
}
