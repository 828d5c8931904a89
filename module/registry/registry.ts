import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { withFields, type Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { auditEntry, type Audit, type Trail } from './audit.ts'
import type { Authorizer, Need, TokenIssuer } from './authorizer.ts'
import { serveBlob } from './blobs.ts'
import { ByteCache } from './byte-cache.ts'
import { challenge, type ChallengeScheme } from './challenge.ts'
import type { Content } from './content.ts'
import { DescriptorCache } from './descriptor-cache.ts'
import { FallbackCache } from './fallback-referrers.ts'
import type { Exchange, Pushing } from './handlers.ts'
import { serveCatalog, serveTags } from './lists.ts'
import { serveManifest } from './manifests.ts'
import { PushedManifests } from './pushed-manifests.ts'
import { readClient, readOrigin } from './origin.ts'
import { serveReferrers } from './referrers.ts'
import { errorReply, json, neverAPage, toOciError, writeReply, type Reply } from './reply.ts'
import { readRoute, type Route } from './routes.ts'
import type { Handler } from './server.ts'
import { isTokenPath, serveToken } from './tokens.ts'
import { Uploads, type UploadLimits } from './uploads.ts'
import { refuseWrite, serveWrite } from './writes.ts'

export interface RegistryOptions {
  readonly content: Content
  readonly authorizer: Authorizer
  readonly tokens: TokenIssuer
  readonly log: Log
  /** The mode in force; ReadOnly by default. */
  readonly mode?: () => 'ReadOnly' | 'ReadWrite'
  /** The scheme in force; Bearer by default. */
  readonly challenge?: () => ChallengeScheme
  /** Whether a connection from this address is a proxy's whose `X-Forwarded-*` headers count; nobody's by default. */
  readonly trustsProxy?: (address: string) => boolean
  readonly audit?: Audit
  /** How many uploads may be under way at once. */
  readonly uploadLimits?: UploadLimits
  /** Whether a manifest is taken that names what its repository does not hold; it is, by default. */
  readonly missingContent?: () => 'accepted' | 'refused'
  /**
   * This registry's id and those of its ancestors, nearest first: a registry below tells by them that it is among its own. Asked
   * for each answer: the same array for as long as they are the same.
   */
  readonly lineage?: () => readonly string[]
  /** Whether this registry still lacks what it is to have: what is not here is not gone then, and a registry below is told so. */
  readonly incomplete?: () => boolean
  /** Told of what somebody who may pull it asked for and is not here yet: a tag or a digest. Must not throw. */
  readonly onMissing?: (repository: Repository, reference: string, correlationId: string) => void
}

/** Docker Engine before 17 looks for the first, and every registry still sends it. */
const constant = { 'Docker-Distribution-Api-Version': 'registry/2.0', ...neverAPage }
const nobody: readonly string[] = []
/** Bytes. Manifests are some kilobytes: this holds a thousand. Indexes with thousands of entries would drive them out. */
const manifestCache = { most: 16 * 1024 * 1024, largest: 1024 * 1024 } as const
/** Bytes. Configs, and the small layers that many devices pull one after another. */
const blobCache = { most: 8 * 1024 * 1024, largest: 128 * 1024 } as const
const readMethods: readonly (string | undefined)[] = ['GET', 'HEAD']

/**
 * The OCI distribution API, with its token endpoints.
 *
 * @returns a handler that answers `/v2`, `/acr/oauth2/token` and `/oauth2/token`, and leaves every other path to others
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
 */
export function createRegistry(options: RegistryOptions): Handler {
  const registry = new Registry(options)
  return (request, response, correlationId) => {
    const [path, query] = split(request.url ?? '')
    if (path !== '/v2' && !path.startsWith('/v2/') && !isTokenPath(path)) return false
    void registry.answer(request, response, path, new URLSearchParams(query), correlationId)
    return true
  }
}

class Registry {
  readonly #options: RegistryOptions
  readonly #serving: Pushing
  /** What every answer has, put together anew only where what it tells is another. */
  #common: {
    readonly lineage: readonly string[]
    readonly incomplete: boolean
    readonly headers: Record<string, string>
  }

  constructor(options: RegistryOptions) {
    this.#options = options
    this.#common = { lineage: nobody, incomplete: false, headers: constant }
    const onMissing = options.onMissing ?? (() => undefined)
    const missingContent = options.missingContent ?? (() => 'accepted')
    const uploads = new Uploads(options.content.blobs, options.uploadLimits)
    this.#serving = {
      content: options.content,
      cache: new ByteCache(manifestCache),
      smallBlobs: new ByteCache(blobCache),
      descriptors: new DescriptorCache(),
      fallbacks: new FallbackCache(),
      onMissing,
      missingContent,
      uploads,
      pushedManifests: new PushedManifests()
    }
  }

  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
    correlationId: string
  ): Promise<void> {
    const { audit } = this.#options
    const log = withFields(this.#options.log, { correlationId })
    const trail: Trail = { client: readClient(request, correlationId) }
    let headers: OutgoingHttpHeaders = {}
    try {
      const reply = await this.#reply(request, response, path, query, trail)
      headers = reply.headers
      await writeReply(request, response, withHeaders(reply, this.#everywhere(correlationId)), log)
    } catch (error) {
      const reply = errorReply(toOciError(error, log, path, correlationId), this.#everywhere(correlationId))
      if (response.headersSent) response.destroy()
      else await writeReply(request, response, reply, log)
    }
    const entry = audit && auditEntry(request, trail, response.statusCode, headers)
    if (entry !== undefined) audit?.record(entry)
    this.#options.log.debug('request', { method: request.method, path, status: response.statusCode, correlationId })
  }

  #everywhere(correlationId: string): Record<string, string> {
    const lineage = this.#options.lineage?.() ?? nobody
    const incomplete = this.#options.incomplete?.() ?? false
    if (lineage !== this.#common.lineage || incomplete !== this.#common.incomplete) {
      const headers = { ...constant, 'Causeway-Lineage': lineage.join(', ') }
      this.#common = { lineage, incomplete, headers: incomplete ? { ...headers, 'Causeway-Incomplete': '1' } : headers }
    }
    // Spelled out: the constant as a computed key costs a pull more than all the rest of its id.
    return { ...this.#common.headers, 'X-Ms-Correlation-Request-Id': correlationId }
  }

  async #reply(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
    trail: Trail
  ): Promise<Reply> {
    const { authorizer, tokens } = this.#options
    const { client } = trail
    const origin = readOrigin(request, this.#options.trustsProxy?.(client.address) ?? false)
    const route = readRoute(path)
    trail.route = route
    if (route === undefined) return serveToken(tokens, request, response, query, origin, trail)
    const reading = readMethods.includes(request.method) && route.kind !== 'upload' && route.kind !== 'uploads'
    const need = needOf(route, reading, request.method)
    const writable = this.#options.mode?.() === 'ReadWrite'
    // Whoever is known learns that pushing is not possible here, whatever their scope map says.
    const decision = await authorizer.authorize(
      request.headers.authorization,
      reading || writable ? need : { kind: 'login' },
      client
    )
    switch (decision.kind) {
      case 'denied':
        trail.who = decision.name
        return errorReply(new OciError('DENIED', decision.message))
      case 'challenge':
        return errorReply(new OciError('UNAUTHORIZED', decision.message), {
          'WWW-Authenticate': challenge(this.#options.challenge?.() ?? 'Bearer', origin, need, decision)
        })
      case 'allowed': {
        const { caller } = decision
        trail.who = caller.name
        const exchange = { request, response, query, caller, correlationId: client.correlationId }
        if (reading) return this.#read(route, exchange)
        return writable ? serveWrite(this.#serving, exchange, route) : refuseWrite(route, request.method)
      }
    }
  }

  async #read(route: Route, exchange: Exchange): Promise<Reply> {
    switch (route.kind) {
      case 'manifest':
        return serveManifest(this.#serving, exchange, route.repository, route.reference)
      case 'blob':
        return serveBlob(this.#serving, exchange, route.repository, route.digest)
      case 'tags':
        return serveTags(this.#serving, exchange, route.repository)
      case 'catalog':
        return serveCatalog(this.#serving, exchange)
      case 'referrers':
        return serveReferrers(this.#serving, exchange, route.repository, route.digest)
      case 'ping':
        return json(200, {})
      case 'uploads':
      case 'upload':
        return refuseWrite(route, exchange.request.method)
    }
  }
}

function needOf(route: Route, reading: boolean, method: string | undefined): Need {
  switch (route.kind) {
    case 'ping':
      return { kind: 'login' }
    case 'catalog':
      return { kind: 'catalog' }
    case 'tags':
      return { kind: 'repository', repository: route.repository, action: 'list' }
    default: {
      const action = reading ? 'pull' : method === 'DELETE' && route.kind !== 'upload' ? 'delete' : 'push'
      return { kind: 'repository', repository: route.repository, action }
    }
  }
}

function withHeaders(reply: Reply, headers: OutgoingHttpHeaders): Reply {
  return { ...reply, headers: { ...headers, ...reply.headers } }
}

function split(url: string): [path: string, query: string] {
  const mark = url.indexOf('?')
  return mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)]
}
