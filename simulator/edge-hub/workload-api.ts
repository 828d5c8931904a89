import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { CertificateAuthority } from '../certificates.ts'
import { sign, type Identities, type ModuleIdentity } from './identities.ts'

const apiVersions = ['2018-06-28', '2019-01-30', '2020-07-07', '2020-10-10', '2021-12-07']
const day = 86_400_000
const socketName = 'workload.sock'

export interface WorkloadOptions {
  readonly identities: Identities
  readonly authority: CertificateAuthority
  readonly now: () => number
}

export interface WorkloadEvents {
  /** A request has come, whether it is answered now or later. */
  request: [{ readonly method: string; readonly path: string }]
}

class WorkloadError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * The IoT Edge workload API, over HTTP on a Unix socket as on a device: whoever reaches it may sign for any module whose
 * generation they know.
 */
export class WorkloadApi extends EventEmitter<WorkloadEvents> {
  readonly #options: WorkloadOptions
  readonly #server: Server
  readonly #folder: string
  #stalled: PromiseWithResolvers<undefined> | undefined
  /** Milliseconds. */
  #longestCertificate = Infinity

  private constructor(options: WorkloadOptions, folder: string) {
    super()
    this.#options = options
    this.#folder = folder
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(options: WorkloadOptions): Promise<WorkloadApi> {
    // A folder of its own, and a short one: the path of a socket takes 107 bytes.
    const api = new WorkloadApi(options, await mkdtemp(join(tmpdir(), 'cw-workload-')))
    api.#server.listen(join(api.#folder, socketName))
    await once(api.#server, 'listening')
    return api
  }

  /** `unix:///…`, for `IOTEDGE_WORKLOADURI`. */
  get url(): string {
    return `unix://${join(this.#folder, socketName)}`
  }

  /** Server certificates last no longer than this: aziot-edged shortens them to what its own certificate has left. */
  shortenCertificates(milliseconds: number): void {
    this.#longestCertificate = milliseconds
  }

  /** While stalled it takes requests and answers none; afterwards it answers them all, late. */
  stall(stalled: boolean): void {
    if (stalled) this.#stalled ??= Promise.withResolvers<undefined>()
    else {
      this.#stalled?.resolve(undefined)
      this.#stalled = undefined
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
    await rm(this.#folder, { recursive: true })
    this.removeAllListeners()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await text(request)
      this.emit('request', { method: request.method ?? '', path: request.url ?? '' })
      await this.#stalled?.promise
      const { status, answer } = await this.#answer(request, body)
      respond(response, status, answer)
    } catch (error) {
      const status = error instanceof WorkloadError ? error.status : 500
      respond(response, status, { message: error instanceof Error ? error.message : String(error) })
    }
  }

  async #answer(request: IncomingMessage, body: string): Promise<{ status: number; answer: unknown }> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://workload')
    const version = searchParams.get('api-version')
    if (version === null || !apiVersions.includes(version))
      throw new WorkloadError(400, `api-version ${version ?? 'is missing'}: not one this device speaks`)
    const route = `${request.method ?? ''} ${pathname.replace(/\/modules\/[^/]+\/genid\/[^/]+\//, '/modules/*/genid/*/')}`
    switch (route) {
      case 'GET /trust-bundle':
        return { status: 200, answer: { certificate: this.#options.authority.certificate } }
      case 'POST /modules/*/genid/*/sign':
        return { status: 200, answer: this.#sign(this.#identity(pathname), parse(body)) }
      case 'POST /modules/*/genid/*/certificate/server':
        return { status: 201, answer: await this.#certificate(this.#identity(pathname), parse(body)) }
      default:
        throw new WorkloadError(404, `no ${route}`)
    }
  }

  #identity(pathname: string): ModuleIdentity {
    const [, , moduleId = '', , generationId = ''] = pathname.split('/').map(decodeURIComponent)
    const identity = this.#options.identities.get(moduleId)
    if (identity?.generationId !== generationId)
      throw new WorkloadError(404, `no module ${moduleId} of that generation`)
    return identity
  }

  #sign(identity: ModuleIdentity, { keyId, algo, data }: Readonly<Record<string, unknown>>): unknown {
    if (keyId !== 'primary' && keyId !== 'secondary') throw new WorkloadError(400, 'keyId must be primary or secondary')
    if (algo !== 'HMACSHA256') throw new WorkloadError(400, 'algo must be HMACSHA256')
    if (typeof data !== 'string') throw new WorkloadError(400, 'data must be base64')
    return { digest: sign(Buffer.from(data, 'base64'), identity.key).toString('base64') }
  }

  async #certificate(
    identity: ModuleIdentity,
    { commonName, expiration }: Readonly<Record<string, unknown>>
  ): Promise<unknown> {
    const until = typeof expiration === 'string' ? Date.parse(expiration) : Number.NaN
    if (typeof commonName !== 'string' || commonName === '') throw new WorkloadError(400, 'commonName is missing')
    if (Number.isNaN(until)) throw new WorkloadError(400, 'expiration must be a date')
    // aziot-edged adds the module's own name to whatever the module asked for.
    const from = new Date()
    const life = Math.min(Math.max(until - this.#options.now(), day), this.#longestCertificate)
    const to = new Date(from.getTime() + life)
    const hosts = [commonName, identity.moduleId.toLowerCase()] as const
    const { cert, key } = await this.#options.authority.issue(hosts, { from, to })
    return { privateKey: { type: 'key', bytes: key }, certificate: cert, expiration: to.toISOString() }
  }
}

function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    throw new WorkloadError(400, 'the body is not JSON')
  }
  throw new WorkloadError(400, 'the body is not an object')
}

// The SDK parses nothing but application/json and would go on without a trust bundle.
function respond(response: ServerResponse, status: number, answer: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
}
