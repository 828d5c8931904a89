import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import type { Exchange, Host } from '../cloud-http.ts'
import type { CloudNames } from '../cloud-names.ts'
import type { EntraTokens } from './entra-tokens.ts'

/** Audiences that registries and hubs take in every cloud: the SDKs know no others (facts: azure-sdk §4). */
const registryAudience = 'https://containerregistry.azure.net'
const hubAudience = 'https://iothubs.azure.net'

/** Audiences each service of a cloud takes. ARM is known by two names; SDKs ask for either, by their version. */
export interface Audiences {
  readonly resourceManager: readonly string[]
  readonly registry: readonly string[]
  readonly hub: readonly string[]
  readonly keyVault: readonly string[]
}

export function audiencesOf(names: CloudNames): Audiences {
  const resourceManager = Object.values(names.resourceManagerAudiences)
  return {
    resourceManager,
    registry: [registryAudience, ...resourceManager],
    hub: [hubAudience],
    keyVault: [`https://${names.keyVault}`]
  }
}

export interface EntraOptions {
  readonly names: CloudNames
  readonly tokens: EntraTokens
  readonly clientId: string
  readonly clientSecret: string
  /** Whether the application trusts what somebody else says of a client: its federated credentials. */
  readonly trusts: (assertion: string) => Promise<boolean>
  readonly knobs: EntraKnobs
}

/** Switches of the pretend login; a test changes them while the cloud runs. */
export interface EntraKnobs {
  /** Seconds a token lives. */
  tokenSeconds: number
  /** What whoever asks for a token is answered in its place, as when the service is busy. */
  fault: EntraFault | undefined
}

export interface EntraFault {
  readonly status: number
  /** OAuth's word, and what is said with it, its AADSTS number first; the body is empty without. */
  readonly error?: string
  readonly description?: string
}

/** The refusals, by their public AADSTS numbers. */
const refusals = {
  AADSTS7000215: [401, 'invalid_client'],
  AADSTS7000216: [401, 'invalid_client'],
  AADSTS700213: [401, 'invalid_client'],
  AADSTS700016: [400, 'unauthorized_client'],
  AADSTS90002: [400, 'invalid_request'],
  AADSTS70011: [400, 'invalid_scope'],
  AADSTS500011: [400, 'invalid_resource'],
  AADSTS70003: [400, 'unsupported_grant_type'],
  AADSTS90014: [400, 'invalid_request']
} as const

class Refusal extends Error {
  readonly code: keyof typeof refusals

  constructor(code: keyof typeof refusals, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * The token service, as far as @azure/identity's credentials with a client secret or an assertion walk it: instance discovery, the tenant's OpenID
 * configuration, and the token endpoint (arm-wire has nothing of it; the shapes are OAuth 2.0 and OpenID Connect discovery, the
 * error numbers public documentation).
 */
export function entra(options: EntraOptions): Host {
  return async (exchange) => {
    try {
      await route(exchange, options)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      refuse(exchange, error, options.names.login)
    }
  }
}

async function route(exchange: Exchange, options: EntraOptions): Promise<void> {
  const path = exchange.url.pathname.replaceAll(/\/{2,}/g, '/')
  if (exchange.method === 'GET' && path === '/common/discovery/instance') {
    exchange.json(200, instanceDiscovery(exchange.url, options))
    return
  }
  const [, tenant = '', rest = ''] = /^\/([^/]+)\/(.+)$/.exec(path) ?? []
  if (exchange.method === 'GET' && rest === 'v2.0/.well-known/openid-configuration') {
    checkTenant(tenant, options)
    exchange.json(200, openIdConfiguration(options))
    return
  }
  if (exchange.method === 'POST' && rest === 'oauth2/v2.0/token') {
    checkTenant(tenant, options)
    const { fault } = options.knobs
    if (fault === undefined) await issue(exchange, options)
    else if (fault.error === undefined) exchange.bytes(fault.status, Buffer.alloc(0))
    else tellRefusal(exchange, fault.status, fault.error, fault.description ?? '', options.names.login)
    return
  }
  exchange.bytes(404, Buffer.alloc(0))
}

async function issue(exchange: Exchange, options: EntraOptions): Promise<void> {
  const form = await exchange.form()
  if (form.get('grant_type') !== 'client_credentials')
    throw new Refusal('AADSTS70003', "The app requested an unsupported grant type. Use 'client_credentials'.")
  const clientId = form.get('client_id') ?? ''
  if (clientId.toLowerCase() !== options.clientId.toLowerCase())
    throw new Refusal(
      'AADSTS700016',
      `Application with identifier '${clientId}' was not found in the directory '${options.tokens.tenantId}'.`
    )
  await authenticate(form, clientId, options)
  const lifetime = options.knobs.tokenSeconds
  const token = await options.tokens.issue(clientId, audienceOf(form.get('scope'), options.names), lifetime)
  exchange.json(
    200,
    { token_type: 'Bearer', expires_in: lifetime, ext_expires_in: lifetime, access_token: token },
    { 'cache-control': 'no-store, no-cache', pragma: 'no-cache' }
  )
}

async function authenticate(form: URLSearchParams, clientId: string, options: EntraOptions): Promise<void> {
  const assertion = form.get('client_assertion')
  if (assertion !== null) {
    if (await options.trusts(assertion)) return
    throw new Refusal('AADSTS700213', 'No matching federated identity record found for presented assertion.')
  }
  const secret = form.get('client_secret')
  if (secret === null)
    throw new Refusal('AADSTS7000216', "'client_assertion', 'client_secret' or 'request' is required.")
  if (!same(secret, options.clientSecret))
    throw new Refusal(
      'AADSTS7000215',
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`
    )
}

/** `https://management.azure.com//.default` is the same resource as with one slash: the SDK sends either. */
function audienceOf(scope: string | null, names: CloudNames): string {
  if (scope === null)
    throw new Refusal('AADSTS90014', "The required field 'scope' is missing from the credential. Ensure it is sent.")
  const resource = /^(https:\/\/[^/ ]+)\/{0,2}\.default$/.exec(
    scope
      .split(' ')
      .find((part) => part.startsWith('https://'))
      ?.trim() ?? ''
  )?.[1]
  if (resource === undefined)
    throw new Refusal('AADSTS70011', `The provided value for the input parameter 'scope' is not valid: ${scope}`)
  const other = [registryAudience, hubAudience, `https://${names.keyVault}`].find((known) => known === resource)
  const audience = names.resourceManagerAudiences[resource] ?? other
  if (audience === undefined)
    throw new Refusal('AADSTS500011', `The resource principal named ${resource} was not found in the tenant.`)
  return audience
}

function checkTenant(tenant: string, options: EntraOptions): void {
  if (tenant.toLowerCase() !== options.tokens.tenantId.toLowerCase())
    throw new Refusal(
      'AADSTS90002',
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`
    )
}

function refuse(exchange: Exchange, refusal: Refusal, loginHost: string): void {
  const [status, error] = refusals[refusal.code]
  tellRefusal(exchange, status, error, `${refusal.code}: ${refusal.message}`, loginHost)
}

function tellRefusal(exchange: Exchange, status: number, error: string, description: string, loginHost: string): void {
  const trace = randomUUID()
  const correlation = exchange.header('client-request-id') ?? randomUUID()
  const timestamp = new Date()
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
  const number = Number(/^AADSTS(\d+):/.exec(description)?.[1] ?? 0)
  exchange.json(status, {
    error,
    error_description: `${description} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
    error_codes: [number],
    timestamp,
    trace_id: trace,
    correlation_id: correlation,
    error_uri: `https://${loginHost}/error?code=${number}`
  })
}

function instanceDiscovery(url: URL, { names, tokens: { tenantId } }: EntraOptions): unknown {
  const { login: loginHost, loginAliases } = names
  const tenant = /^https:\/\/[^/]+\/([^/]+)\//.exec(url.searchParams.get('authorization_endpoint') ?? '')?.[1]
  return {
    tenant_discovery_endpoint: `https://${loginHost}/${tenant ?? tenantId}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [
      {
        preferred_network: loginHost,
        preferred_cache: loginAliases[0] ?? loginHost,
        aliases: [loginHost, ...loginAliases]
      }
    ]
  }
}

function openIdConfiguration({ names, tokens: { tenantId } }: EntraOptions): unknown {
  const base = `https://${names.login}/${tenantId}`
  return {
    token_endpoint: `${base}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post'],
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: `${base}/v2.0`,
    request_uri_parameter_supported: false,
    userinfo_endpoint: 'https://graph.microsoft.com/oidc/userinfo',
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'tid', 'ver'],
    tenant_region_scope: 'EU',
    cloud_instance_name: names.cloudInstance,
    cloud_graph_host_name: 'graph.windows.net',
    msgraph_host: 'graph.microsoft.com',
    rbac_url: 'https://pas.windows.net'
  }
}

/** Compared over hashes, so that neither length nor prefix shows in the time taken. */
function same(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(left), digest(right))
}
