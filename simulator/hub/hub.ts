import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CertificateAuthority } from '../certificates.ts'
import type { Network } from '../network.ts'
import type { TwinStore } from '../twins.ts'
import { authenticate, type HubPolicy, type VerifyBearer } from './authentication.ts'
import { AutomaticDeployments } from './automatic.ts'
import { Configurations } from './configurations.ts'
import { HubError } from './errors.ts'
import { errorReply, readJson, writeReply, type Reply } from './http.ts'
import { IdentityRegistry } from './identities.ts'
import type { InvokeMethod } from './methods.ts'
import { Service } from './service.ts'
import { Throttles } from './throttles.ts'
import { TwinMetadata } from './twin-metadata.ts'
import { TwinView, type IsConnected } from './twin-json.ts'

export interface HubOptions {
  /** The hub's name: `causeway-hub` is `causeway-hub.azure-devices.net`. */
  readonly name: string
  /** What names of the cloud's hubs end with: `azure-devices.net` unless given. */
  readonly domain?: string
  readonly network: Network
  /** Signs the hub's server certificate. */
  readonly authority: CertificateAuthority
  /** The state: device and module twins. The hub makes and deletes them with their identities. */
  readonly twins: TwinStore
  /** Shared access policies; without any, `iothubowner` with a new key. */
  readonly policies?: readonly [HubPolicy, ...HubPolicy[]]
  /** Checks Entra tokens; without it only shared access signatures are accepted. */
  readonly verifyBearer?: VerifyBearer
  /** IoT Edge devices that are registered from the start, with their parents where they are nested. */
  readonly devices?: readonly (string | { readonly id: string; readonly parentId?: string | undefined })[]
  readonly invokeMethod: InvokeMethod
  readonly isConnected: IsConnected
  /** Units of the hub, by which it throttles: 1 unless given. */
  readonly units?: number
  /** Milliseconds of a clock that goes forward only, by which calls are let through again. */
  readonly now?: () => number
  /** Milliseconds before automatic deployments are looked at again after a change: at once unless given. */
  readonly evaluationDelay?: number
}

/** One request as it was answered; without its credential and body, which may hold secrets. */
export interface HubRequest {
  readonly method: string
  /** The path without its query. */
  readonly path: string
  readonly status: number
  /** The policy's name or `bearer`; absent where nobody was authenticated. */
  readonly caller?: string
}

/** What the next requests meet instead of an answer. */
export type HubFault = keyof typeof faultTexts | 'disconnect' | 'silence'

export interface Hub {
  readonly hostName: string
  /** Of the first policy. */
  readonly connectionString: string
  readonly identities: IdentityRegistry
  readonly configurations: Configurations
  readonly automatic: AutomaticDeployments
  /** The latest requests, oldest first. */
  readonly requests: readonly HubRequest[]
  /** Answers the next requests with 429. */
  throttle(count: number): void
  /**
   * Answers the next requests with an error, 500 unless another is said; `disconnect` breaks the connection instead, and `silence`
   * keeps it and says nothing.
   */
  fail(count: number, fault?: HubFault): void
  /** Takes back every {@link fail} and {@link throttle} that is left. */
  recover(): void
  /** Breaks what is open and takes the name off the network. Closing again does nothing more. */
  close(): Promise<void>
}

const mostRequestsKept = 10_000

/** Starts the service API of a pretend IoT Hub and announces it on the network as `<name>.azure-devices.net:443`. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const hostName = `${options.name}.${options.domain ?? 'azure-devices.net'}`
  const policies = options.policies ?? [{ name: 'iothubowner', key: randomBytes(32).toString('base64') }]
  const identities = new IdentityRegistry(options.twins)
  registerDevices(identities, options.devices ?? [])
  const configurations = new Configurations()
  const metadata = new TwinMetadata(options.twins)
  const automatic: AutomaticDeployments = new AutomaticDeployments({
    registry: identities,
    twins: options.twins,
    configurations,
    view: () => view,
    ...(options.evaluationDelay === undefined ? {} : { delay: options.evaluationDelay })
  })
  const view: TwinView = new TwinView(options.twins, metadata, options.isConnected, (deviceId) =>
    automatic.statusOf(deviceId)
  )
  const service = new Service({ ...options, registry: identities, configurations, view, automatic })
  const throttles = new Throttles(options.units ?? 1, options.now)
  const requests: HubRequest[] = []
  const faults: HubFault[] = []

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', `https://${hostName}`)
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    let caller: string | undefined
    const reply = await replyTo(async () => {
      const fault = faults.shift()
      if (fault === 'disconnect') return undefined
      if (fault === 'silence') {
        await once(response, 'close')
        return undefined
      }
      if (fault !== undefined) throw planned(fault)
      caller = await authenticate(request.headers.authorization, url.pathname, { ...options, hostName, policies })
      checkApiVersion(url.searchParams.get('api-version'))
      throttles.take(request.method ?? '', readPath(url.pathname))
      return service.answer({
        method: request.method ?? '',
        path: readPath(url.pathname),
        query: url.searchParams,
        header: (name) => readHeader(request, name),
        body: () => readJson(request),
        signal: gone.signal
      })
    })
    requests.push({
      method: request.method ?? '',
      path: url.pathname,
      status: reply?.status ?? 0,
      ...(caller === undefined ? {} : { caller })
    })
    if (requests.length > mostRequestsKept) requests.shift()
    if (reply === undefined) request.socket.destroy()
    else if (!response.destroyed) writeReply(response, reply)
    // What was not read would otherwise stand before the connection's next request.
    request.resume()
  }

  const server = createServer(
    await options.authority.issue([hostName]),
    (request, response) => void answer(request, response)
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  options.network.route(`${hostName}:443`, (server.address() as AddressInfo).port)

  const close = async (): Promise<void> => {
    options.network.unroute(`${hostName}:443`)
    metadata.close()
    automatic.close()
    await closeServer(server)
  }
  let closing: Promise<void> | undefined
  const [{ name, key }] = policies
  return {
    hostName,
    connectionString: `HostName=${hostName};SharedAccessKeyName=${name};SharedAccessKey=${key}`,
    identities,
    configurations,
    automatic,
    requests,
    throttle: (count) => faults.push(...Array<HubFault>(count).fill('ThrottlingBacklogTimeout')),
    fail: (count, fault = 'ServerError') => faults.push(...Array<HubFault>(count).fill(fault)),
    recover() {
      faults.length = 0
    },
    close: () => (closing ??= close())
  }
}

function registerDevices(identities: IdentityRegistry, devices: NonNullable<HubOptions['devices']>): void {
  const listed = devices.map((device) => (typeof device === 'string' ? { id: device } : device))
  for (const { id } of listed) identities.createDevice(id, { iotEdge: true })
  for (const { id, parentId } of listed) {
    const scope = parentId === undefined ? undefined : identities.device(parentId).deviceScope
    if (scope !== undefined) identities.updateDevice(id, { parentScopes: [scope] })
  }
}

/** Turns what went wrong into a reply; the simulator's own mistakes are the hub's 500. */
async function replyTo(work: () => Promise<Reply | undefined>): Promise<Reply | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof HubError) return errorReply(error)
    const detail = error instanceof Error ? error.message : String(error)
    return errorReply(new HubError('ServerError', `Unexpected error in the pretend hub: ${detail}`))
  }
}

const faultTexts = {
  ThrottlingBacklogTimeout: 'The request has been throttled. Wait 10 seconds and try again.',
  ServerError: 'An internal error occurred. Please retry the request.',
  ServiceUnavailable: 'Service Unavailable',
  GatewayTimeout: 'Timed out waiting for the response from device.',
  IotHubUnauthorizedAccess: 'Unauthorized',
  IotHubQuotaExceeded: 'Total number of messages on IotHub exceeded the allocated quota.',
  ConfigurationCountLimitExceeded: 'The number of configurations of this IoT hub exceeds the limit.',
  PreconditionFailed: 'Precondition failed: Resource version or etag did not match.'
} as const

function planned(fault: Exclude<HubFault, 'disconnect' | 'silence'>): HubError {
  return new HubError(fault, faultTexts[fault])
}

function checkApiVersion(version: string | null): void {
  if (version === null || !/^\d{4}-\d{2}-\d{2}(?:-preview)?$/.test(version))
    throw new HubError('InvalidProtocolVersion', 'The api-version is missing or unknown')
}

function readPath(pathname: string): string[] {
  try {
    return pathname
      .split('/')
      .filter((part) => part !== '')
      .map((part) => decodeURIComponent(part))
  } catch {
    throw new HubError('ArgumentInvalid', 'The path is not encoded well')
  }
}

function readHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
