import { isObject, TwinStore, type Properties } from '../twins.ts'
import type { Configuration, Configurations } from './configurations.ts'
import { countAll, systemQueries, type AutomaticDeployments } from './automatic.ts'
import { applyContent, readDeploymentContent } from './deployment-content.ts'
import { HubError } from './errors.ts'
import type { Reply } from './http.ts'
import type { Identity, IdentityChange, IdentityRegistry } from './identities.ts'
import { callMethod, type InvokeMethod } from './methods.ts'
import { checkIfMatch } from './preconditions.ts'
import { countMatches, runQuery } from './query.ts'
import { replaceTwin, updateTwin } from './twin-change.ts'
import type { IsConnected, TwinView } from './twin-json.ts'

/** The hub's state and the way to its devices. */
export interface ServiceOptions {
  readonly registry: IdentityRegistry
  readonly twins: TwinStore
  readonly configurations: Configurations
  readonly view: TwinView
  readonly automatic: AutomaticDeployments
  readonly invokeMethod: InvokeMethod
  readonly isConnected: IsConnected
}

/** One request, after authentication. */
export interface ServiceRequest {
  readonly method: string
  /** The path's parts, decoded: `['twins', 'gateway', 'modules', '$edgeAgent']`. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  header(name: string): string | undefined
  /** The body as a JSON object. */
  body(): Promise<Properties>
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal
}

/** Answers the service API as azure-iothub calls it (the table in azure-sdk.md §4). */
export class Service {
  readonly #options: ServiceOptions

  constructor(options: ServiceOptions) {
    this.#options = options
  }

  /** @throws HubError for everything the hub refuses */
  async answer(request: ServiceRequest): Promise<Reply> {
    const [collection, ...rest] = request.path
    switch (collection) {
      case 'devices':
        return this.#devices(request, rest)
      case 'twins':
        return this.#twins(request, rest)
      case 'configurations':
        return this.#configurations(request, rest)
      default:
        throw notFound(request)
    }
  }

  async #devices(request: ServiceRequest, rest: readonly string[]): Promise<Reply> {
    const { registry, view } = this.#options
    const [deviceId, part, moduleId, ...more] = rest
    if (more.length > 0) throw notFound(request)
    if (deviceId === undefined) {
      expectMethod(request, 'GET')
      const top = Number(request.query.get('top') ?? 1000)
      const devices = registry.devices().slice(0, Number.isInteger(top) && top > 0 ? Math.min(top, 1000) : 1000)
      return { status: 200, body: devices.map((device) => view.identity(device)) }
    }
    if (part === undefined) {
      if (deviceId === 'query' && request.method === 'POST') return this.#query(request)
      return this.#device(request, deviceId)
    }
    if (part === 'applyConfigurationContent' && moduleId === undefined) {
      expectMethod(request, 'POST')
      return this.#apply(request, deviceId)
    }
    if (part !== 'modules') throw notFound(request)
    if (moduleId !== undefined) return this.#module(request, deviceId, moduleId)
    expectMethod(request, 'GET')
    return { status: 200, body: registry.modules(deviceId).map((module) => view.identity(module)) }
  }

  async #device(request: ServiceRequest, deviceId: string): Promise<Reply> {
    const { registry, automatic } = this.#options
    const ifMatch = request.header('if-match')
    automatic.changed()
    switch (request.method) {
      case 'GET':
        return this.#identityReply(registry.device(deviceId))
      case 'PUT': {
        const change = readIdentity(await request.body(), { deviceId })
        // Without If-Match a PUT creates; the SDK's update sends "*".
        if (ifMatch === undefined) return this.#identityReply(registry.createDevice(deviceId, change))
        checkIfMatch(ifMatch, registry.device(deviceId).etag)
        return this.#identityReply(registry.updateDevice(deviceId, change))
      }
      case 'DELETE':
        checkIfMatch(ifMatch, registry.device(deviceId).etag)
        registry.deleteDevice(deviceId)
        return { status: 204 }
      default:
        throw notAllowed(request)
    }
  }

  async #module(request: ServiceRequest, deviceId: string, moduleId: string): Promise<Reply> {
    const { registry } = this.#options
    const ifMatch = request.header('if-match')
    switch (request.method) {
      case 'GET':
        return this.#identityReply(registry.module(deviceId, moduleId))
      case 'PUT': {
        const change = readIdentity(await request.body(), { deviceId, moduleId })
        if (ifMatch === undefined) return this.#identityReply(registry.createModule(deviceId, moduleId, change), 201)
        checkIfMatch(ifMatch, registry.module(deviceId, moduleId).etag)
        return this.#identityReply(registry.updateModule(deviceId, moduleId, change))
      }
      case 'DELETE':
        checkIfMatch(ifMatch, registry.module(deviceId, moduleId).etag)
        registry.deleteModule(deviceId, moduleId)
        return { status: 204 }
      default:
        throw notAllowed(request)
    }
  }

  async #apply(request: ServiceRequest, deviceId: string): Promise<Reply> {
    const { registry, twins, automatic } = this.#options
    registry.device(deviceId)
    applyContent(deviceId, readDeploymentContent(await request.body()), registry, twins)
    automatic.overwritten(deviceId)
    return { status: 204 }
  }

  async #query(request: ServiceRequest): Promise<Reply> {
    const { registry, view } = this.#options
    const { query } = await request.body()
    if (typeof query !== 'string') throw new HubError('ArgumentNull', 'BadRequest: query is missing')
    const headers = {
      maxItemCount: request.header('x-ms-max-item-count'),
      continuation: request.header('x-ms-continuation')
    }
    const { items, type, continuation } = runQuery(query, headers, registry, view)
    return {
      status: 200,
      body: items,
      headers: { 'x-ms-item-type': type, ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }) }
    }
  }

  async #twins(request: ServiceRequest, rest: readonly string[]): Promise<Reply> {
    const { invokeMethod, isConnected } = this.#options
    const [deviceId, ...parts] = rest
    if (deviceId === undefined) throw notFound(request)
    const moduleId = parts[0] === 'modules' ? parts[1] : undefined
    const [action, ...more] = moduleId === undefined ? parts : parts.slice(2)
    const target = { deviceId, ...(moduleId === undefined ? {} : { moduleId }) }
    if (action === undefined) return this.#twin(request, target)
    if (action !== 'methods' || more.length > 0) throw notFound(request)
    expectMethod(request, 'POST')
    this.#identity(target)
    const body = await callMethod(target, await request.body(), invokeMethod, isConnected, request.signal)
    return { status: 200, body }
  }

  async #twin(request: ServiceRequest, target: { deviceId: string; moduleId?: string }): Promise<Reply> {
    const { registry, twins, view, automatic } = this.#options
    const identity = this.#identity(target)
    const key = TwinStore.key(target.deviceId, target.moduleId)
    if (request.method === 'PATCH' || request.method === 'PUT') {
      const body = await request.body()
      // The body may have taken its time; what stands now is what counts.
      this.#identity(target)
      checkIfMatch(request.header('if-match'), twins.get(key)?.etag ?? '')
      if (request.method === 'PATCH') updateTwin(key, body, twins)
      else replaceTwin(key, body, twins)
      if (target.moduleId === undefined) automatic.changed()
    } else if (request.method !== 'GET') throw notAllowed(request)
    const twin = view.twin(identity, registry.device(target.deviceId))
    return { status: 200, body: twin, headers: { etag: `"${String(twin.etag)}"` } }
  }

  async #configurations(request: ServiceRequest, rest: readonly string[]): Promise<Reply> {
    const { configurations, automatic } = this.#options
    const [id, ...more] = rest
    if (more.length > 0) throw notFound(request)
    if (id === undefined) {
      expectMethod(request, 'GET')
      return { status: 200, body: configurations.list().map((configuration) => this.#configuration(configuration)) }
    }
    const ifMatch = request.header('if-match')
    switch (request.method) {
      case 'GET':
        return this.#configurationReply(configurations.get(id))
      case 'PUT': {
        const { configuration, created } = configurations.put(id, await request.body(), ifMatch)
        automatic.changed()
        return this.#configurationReply(configuration, created ? 201 : 200)
      }
      case 'DELETE':
        configurations.delete(id, ifMatch)
        automatic.deleted(id)
        return { status: 204 }
      default:
        throw notAllowed(request)
    }
  }

  #configurationReply(configuration: Configuration, status = 200): Reply {
    return { status, body: this.#configuration(configuration), headers: { etag: `"${configuration.etag}"` } }
  }

  /** A configuration with its counts, made up when somebody looks; the service does so every few minutes. */
  #configuration(configuration: Configuration): Properties {
    const { registry, view } = this.#options
    const count = (query: string): number | undefined => countMatches(query, registry, view)
    const system = systemQueries(configuration)
    const { queries } = configuration.metrics
    return {
      ...configuration,
      metrics: { queries, results: countAll(queries, count) },
      systemMetrics: { queries: system, results: countAll(system, count) }
    }
  }

  #identity({ deviceId, moduleId }: { deviceId: string; moduleId?: string }): Identity {
    const { registry } = this.#options
    return moduleId === undefined ? registry.device(deviceId) : registry.module(deviceId, moduleId)
  }

  #identityReply(identity: Identity, status = 200): Reply {
    return { status, body: this.#options.view.identity(identity), headers: { etag: `"${identity.etag}"` } }
  }
}

function readIdentity(body: Properties, path: { deviceId: string; moduleId?: string }): IdentityChange {
  for (const [name, expected] of Object.entries(path))
    if (body[name] !== undefined && body[name] !== expected)
      throw new HubError('ArgumentInvalid', `${name} in the body is not the one in the path`)
  const { status, statusReason, managedBy, capabilities, parentScopes, authentication } = body
  if (status !== undefined && status !== null && status !== 'enabled' && status !== 'disabled')
    throw new HubError('ArgumentInvalid', 'status must be enabled or disabled')
  if (parentScopes !== undefined && parentScopes !== null && !isStrings(parentScopes))
    throw new HubError('ArgumentInvalid', 'parentScopes must be an array of strings')
  return {
    status: status ?? undefined,
    statusReason: typeof statusReason === 'string' ? statusReason : undefined,
    managedBy: typeof managedBy === 'string' ? managedBy : undefined,
    iotEdge: isObject(capabilities) ? capabilities.iotEdge === true : undefined,
    parentScopes: parentScopes ?? undefined,
    authentication: isObject(authentication) ? authentication : undefined
  }
}

function expectMethod(request: ServiceRequest, method: string): void {
  if (request.method !== method) throw notAllowed(request)
}

function notFound(request: ServiceRequest): HubError {
  return new HubError('GenericNotFound', `There is no resource /${request.path.join('/')}`)
}

function notAllowed(request: ServiceRequest): HubError {
  return new HubError('GenericMethodNotAllowed', `${request.method} is not allowed on /${request.path.join('/')}`)
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
