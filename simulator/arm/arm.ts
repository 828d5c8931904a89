import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { BodyTooLarge, type Exchange, type Host } from '../cloud-http.ts'
import { audiencesOf } from '../login/entra.ts'
import { EntraTokenError, type EntraTokens } from '../login/entra-tokens.ts'
import {
  isJson,
  type ArmContext,
  type ArmKnobs,
  type Call,
  type Json,
  type Reply,
  type ResourceKind
} from './context.ts'
import { connectedRegistries } from './connected-registries.ts'
import { generateCredentials } from './credentials.ts'
import { ArmError, type ArmErrorCode } from './errors.ts'
import { importImage } from './import-image.ts'
import { listRegistries, listResources, registry } from './registries.ts'
import { scopeMaps } from './scope-maps.ts'
import { tokens } from './tokens.ts'

const apiVersions = [
  '2019-05-01-preview',
  '2020-11-01-preview',
  '2021-06-01-preview',
  '2021-08-01-preview',
  '2021-12-01-preview',
  '2022-02-01-preview',
  '2023-01-01-preview',
  '2023-06-01-preview',
  '2023-08-01-preview',
  '2023-11-01-preview',
  '2024-11-01-preview',
  '2025-04-01',
  '2025-09-01-preview',
  '2025-11-01',
  '2025-12-01-preview',
  '2026-01-01-preview',
  '2026-03-01-preview',
  '2026-09-01-preview',
  '2026-11-01'
]
/** Registries are older than scope maps. */
const registryVersions = ['2019-05-01', '2021-09-01', '2022-12-01', '2023-07-01', ...apiVersions]

/**
 * The pretend `Microsoft.ContainerRegistry` behind the pretend front door of Azure Resource Manager: a bearer token of the
 * pretend login on every call, the subscription, the group, the API version, then the resource.
 */
export function arm(context: ArmContext, entraTokens: EntraTokens): Host {
  return async (exchange) => {
    const { cut } = context.knobs
    if (cut !== undefined) cut.calls -= 1
    if (cut !== undefined && cut.calls < 0) {
      exchange.response.destroy()
      return
    }
    try {
      const reply = await route(exchange, context, entraTokens)
      if (cut?.calls === 0 && cut.lastReply === 'is lost') exchange.response.destroy()
      else send(exchange, reply)
    } catch (error) {
      const refused = error instanceof BodyTooLarge ? new ArmError('RequestEntityTooLarge', error.message) : error
      if (!(refused instanceof ArmError)) throw error
      exchange.json(refused.status, refused.toBody(), { ...commonHeaders(exchange, undefined), ...refused.headers })
    }
  }
}

async function route(exchange: Exchange, context: ArmContext, entraTokens: EntraTokens): Promise<Reply> {
  const caller = await authenticate(exchange, context, entraTokens)
  const fault = takeFault(exchange, context)
  if (fault?.silent === true) await once(exchange.response, 'close')
  if (fault !== undefined) {
    const body = { error: { code: fault.code, message: fault.message } }
    return { status: fault.status, body, headers: fault.headers ?? {} }
  }
  const path = decoded(exchange.url.pathname).replace(/\/$/, '')
  const apiVersion = exchange.url.searchParams.get('api-version')
  if (apiVersion === null)
    throw new ArmError(
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.'
    )
  const below = inSubscription(path, context)
  if (/\/operation(?:Statuses|Results)\/[^/]+$/i.test(path)) return poll(exchange, context, path)
  if (/^\/resources$/i.test(below)) return listResources(context, exchange.url.searchParams.get('$filter'))
  const [, group, rest = ''] =
    /^(?:\/resourceGroups\/([^/]+))?\/providers\/Microsoft\.ContainerRegistry\/registries(\/.*)?$/i.exec(below) ?? []
  if (group === undefined && !/^\/providers\/Microsoft\.ContainerRegistry\/registries$/i.test(below))
    throw new ArmError('InvalidResourceType', `The resource type of ${path} is not simulated.`)
  if (group !== undefined && group.toLowerCase() !== context.resourceGroup.toLowerCase())
    throw new ArmError('ResourceGroupNotFound', `Resource group '${group}' could not be found.`)
  checkApiVersion(apiVersion, rest)
  if (rest === '') return onlyGet(exchange, () => listRegistries(context))
  return resource(exchange, context, rest.slice(1).split('/'), apiVersion, caller)
}

async function resource(
  exchange: Exchange,
  context: ArmContext,
  segments: readonly string[],
  apiVersion: string,
  caller: string
): Promise<Reply> {
  const [registryName = '', kind, name, verb, ...more] = segments
  const state = context.registries.get(registryName.toLowerCase())
  if (state === undefined)
    throw new ArmError(
      'RegistryNotFound',
      `The Resource 'Microsoft.ContainerRegistry/registries/${registryName}' under resource group '${context.resourceGroup}' was not found.`
    )
  const body = await readBody(exchange)
  const query = exchange.url.searchParams
  const call: Call = { method: exchange.method, registry: state, apiVersion, caller, body, query }
  if (more.length > 0) throw new ArmError('InvalidResourceType', `${segments.join('/')} is not simulated.`)
  switch (kind?.toLowerCase()) {
    case undefined:
      return registry(context, call)
    case 'scopemaps':
      if (verb === undefined) return scopeMaps(context, call, name)
      break
    case 'tokens':
      if (verb === undefined) return tokens(context, call, name)
      break
    case 'connectedregistries':
      return connectedRegistries(context, call, name, verb)
    case 'generatecredentials':
      if (name === undefined) return generateCredentials(context, call)
      break
    case 'importimage':
      if (name === undefined) return importImage(context, call)
  }
  throw new ArmError('InvalidResourceType', `The resource type of ${segments.join('/')} is not simulated.`)
}

async function authenticate(exchange: Exchange, context: ArmContext, entraTokens: EntraTokens): Promise<string> {
  try {
    return (await entraTokens.verify(exchange.header('authorization'), audiencesOf(context.names).resourceManager))
      .clientId
  } catch (error) {
    if (!(error instanceof EntraTokenError)) throw error
    const [code, text] = refusals[error.reason]
    const header = `Bearer authorization_uri="https://${context.names.login}/${context.tenantId}", error="invalid_token", error_description="${text}"`
    throw new ArmError(code, text, { 'www-authenticate': header })
  }
}

const refusals: Readonly<Record<EntraTokenError['reason'], readonly [ArmErrorCode, string]>> = {
  missing: ['AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing."],
  malformed: ['InvalidAuthenticationToken', 'The access token is invalid.'],
  expired: ['ExpiredAuthenticationToken', 'The access token expiry UTC time has passed.'],
  audience: ['InvalidAuthenticationTokenAudience', 'The access token has been obtained for the wrong audience.'],
  tenant: ['InvalidAuthenticationToken', 'The access token is from the wrong issuer.']
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new ArmError('InvalidRequestContent', 'The path of the request is not encoded as a URI is.')
  }
}

function inSubscription(path: string, context: ArmContext): string {
  const [, subscription, below = ''] = /^\/subscriptions\/([^/]+)(\/.*)?$/i.exec(path) ?? []
  if (subscription === undefined) throw new ArmError('InvalidResourceType', `${path} is not simulated.`)
  if (subscription.toLowerCase() !== context.subscriptionId.toLowerCase())
    throw new ArmError('SubscriptionNotFound', `The subscription '${subscription}' could not be found.`)
  return below
}

function checkApiVersion(apiVersion: string, rest: string): void {
  const known = rest.split('/').length <= 2 ? registryVersions : apiVersions
  if (!known.includes(apiVersion))
    throw new ArmError(
      'NoRegisteredProviderFound',
      `No registered resource provider found for API version '${apiVersion}'. The supported api-versions are '${known.join(', ')}'.`
    )
}

function poll(exchange: Exchange, context: ArmContext, path: string): Reply {
  const reply = onlyGet(exchange, () => context.operations.poll(path, exchange.url.searchParams))
  const kind = kindOfPoll(path)
  return kind === undefined ? reply : { ...reply, kind }
}

/** Its controller, which admits to its versions for an operation's status, and not for its result (arm-wire §1). */
function kindOfPoll(path: string): ResourceKind | undefined {
  const [, kind] = /\/registries\/[^/]+(?:\/([^/]+)\/[^/]+)?\/operationStatuses\//i.exec(path) ?? []
  const kinds = ['scopeMaps', 'tokens', 'connectedRegistries'] as const
  if (kind !== undefined) return kinds.find((each) => each.toLowerCase() === kind.toLowerCase())
  return /\/operationStatuses\//i.test(path) ? 'registries' : undefined
}

function onlyGet(exchange: Exchange, answer: () => Reply): Reply {
  if (exchange.method !== 'GET') throw new ArmError('MethodNotAllowed', `${exchange.method} is not supported here.`)
  return answer()
}

function takeFault(exchange: Exchange, context: ArmContext): ArmKnobs['faults'][number] | undefined {
  const fault = context.knobs.faults.find(
    (each) => each.times > 0 && each.method === exchange.method && each.path.test(exchange.url.pathname)
  )
  if (fault !== undefined) fault.times -= 1
  return fault
}

async function readBody(exchange: Exchange): Promise<Json> {
  const bytes = await exchange.body(4 << 20)
  if (bytes.length === 0) return {}
  try {
    const body: unknown = JSON.parse(bytes.toString('utf8'))
    if (isJson(body)) return body
  } catch {
    // Answered below, with everything else that is no JSON object.
  }
  throw new ArmError('InvalidRequestContent', 'The request content was invalid and could not be deserialized.')
}

function send(exchange: Exchange, reply: Reply): void {
  const headers = { ...commonHeaders(exchange, reply.status < 400 ? reply.kind : undefined), ...reply.headers }
  if (reply.body === undefined) exchange.empty(reply.status, headers)
  else exchange.json(reply.status, reply.body, headers)
}

/** Each controller admits to its own versions (arm-wire §1). */
const supportedVersions: Readonly<Record<ResourceKind, readonly string[]>> = {
  registries: [],
  scopeMaps: apiVersions,
  tokens: apiVersions,
  connectedRegistries: apiVersions.filter((version) => version >= '2025-09')
}

function commonHeaders(exchange: Exchange, kind: ResourceKind | undefined): Record<string, string> {
  const method = exchange.method
  const called = exchange.url.searchParams.get('api-version') ?? ''
  const versions = kind === 'registries' ? [called] : kind === undefined ? [] : supportedVersions[kind]
  const quota = method === 'DELETE' ? 'deletes' : method === 'GET' ? 'reads' : 'writes'
  return {
    'cache-control': 'no-cache',
    pragma: 'no-cache',
    expires: '-1',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-ms-request-id': randomUUID(),
    'x-ms-correlation-request-id': exchange.header('x-ms-correlation-request-id') ?? randomUUID(),
    [`x-ms-ratelimit-remaining-subscription-${quota}`]: method === 'GET' ? '1099' : '799',
    ...(versions.length === 0 ? {} : { 'api-supported-versions': versions.join(', ') })
  }
}
