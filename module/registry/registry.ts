import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { Authorizer, Need, TokenIssuer } from './authorizer.ts'
import { serveBlob } from './blobs.ts'
import { challenge, type ChallengeScheme } from './challenge.ts'
import type { Content } from './content.ts'
import type { Exchange, Serving } from './handlers.ts'
import { serveCatalog, serveTags } from './lists.ts'
import { ManifestCache } from './manifest-cache.ts'
import { serveManifest } from './manifests.ts'
import { readOrigin } from './origin.ts'
import { serveReferrers } from './referrers.ts'
import { errorReply, json, toOciError, writeReply, type Reply } from './reply.ts'
import { readRoute, type Route } from './routes.ts'
import type { Handler } from './server.ts'
import { isTokenPath, serveToken } from './tokens.ts'

export interface RegistryOptions {
  readonly content: Content
  readonly authorizer: Authorizer
  readonly tokens: TokenIssuer
  readonly log: Log
  /** The mode in force: it decides what a push is told. */
  readonly mode?: () => 'ReadOnly' | 'ReadWrite'
  /** Bearer by default. */
  readonly challenge?: ChallengeScheme
  /** Told of what somebody who may pull it asked for and is not here yet: a tag or a digest. Must not throw. */
  readonly onMissing?: (repository: Repository, reference: string) => void
}

/** Docker Engine before 17 looks for it, and every registry still sends it. */
const apiVersion = { 'Docker-Distribution-Api-Version': 'registry/2.0' }
const readMethods: readonly (string | undefined)[] = ['GET', 'HEAD']

/**
 * The OCI distribution API, with its token endpoints. This release serves pulls; pushes are refused.
 *
 * @returns a handler that answers `/v2`, `/acr/oauth2/token` and `/oauth2/token`, and leaves every other path to others
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
 */
export function createRegistry(options: RegistryOptions): Handler {
  const registry = new Registry(options)
  return (request, response) => {
    const [path, query] = split(request.url ?? '')
    if (path !== '/v2' && !path.startsWith('/v2/') && !isTokenPath(path)) return false
    void registry.answer(request, response, path, new URLSearchParams(query))
    return true
  }
}

class Registry {
  readonly #options: RegistryOptions
  readonly #serving: Serving

  constructor(options: RegistryOptions) {
    this.#options = options
    const onMissing = options.onMissing ?? (() => undefined)
    this.#serving = { content: options.content, cache: new ManifestCache(), onMissing }
  }

  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams
  ): Promise<void> {
    const { log } = this.#options
    try {
      const reply = await this.#reply(request, response, path, query)
      await writeReply(request, response, withHeaders(reply, apiVersion), log)
    } catch (error) {
      const reply = errorReply(toOciError(error, log, path), apiVersion)
      if (response.headersSent) response.destroy()
      else await writeReply(request, response, reply, log)
    }
    log.debug('request', { method: request.method, path, status: response.statusCode })
  }

  async #reply(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams
  ): Promise<Reply> {
    const { authorizer, tokens } = this.#options
    const origin = readOrigin(request)
    const route = readRoute(path)
    if (route === undefined) return serveToken(tokens, request, response, query, origin)
    const reading = readMethods.includes(request.method) && route.kind !== 'upload' && route.kind !== 'uploads'
    const need = needOf(route, reading, request.method)
    // Whoever is known learns that pushing is not possible here, whatever their scope map says.
    const decision = await authorizer.authorize(request.headers.authorization, reading ? need : { kind: 'login' })
    switch (decision.kind) {
      case 'denied':
        return errorReply(new OciError('DENIED', decision.message))
      case 'challenge':
        return errorReply(new OciError('UNAUTHORIZED', decision.message), {
          'WWW-Authenticate': challenge(this.#options.challenge ?? 'Bearer', origin, need, decision)
        })
      case 'allowed':
        return reading ? this.#read(route, { request, query, caller: decision.caller }) : this.#refuseWrite(route)
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
        return this.#refuseWrite(route)
    }
  }

  #refuseWrite(route: Route): Reply {
    const writable = ['manifest', 'blob', 'upload', 'uploads'].includes(route.kind)
    const readOnly = (this.#options.mode?.() ?? 'ReadOnly') === 'ReadOnly'
    const message = !writable
      ? 'this path can only be read'
      : readOnly
        ? 'this connected registry is ReadOnly: push to its parent, and it arrives here with the next sync'
        : 'this release of the connected registry serves pulls only, in ReadWrite mode too: push to its parent'
    return errorReply(new OciError('UNSUPPORTED', message), { Allow: 'GET, HEAD' })
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
