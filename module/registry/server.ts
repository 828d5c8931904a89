import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { correlationHeader, correlationIdOf } from '../log/correlation.ts'
import { withFields, type Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import { limitIdle } from './idle-connections.ts'
import { errorReply, neverAPage, toOciError, writeReply } from './reply.ts'

/**
 * Answers a request, or gives false where the path is another handler's.
 *
 * @param correlationId under which this request is logged; goes into the answer as {@link correlationHeader}
 */
export type Handler = (request: IncomingMessage, response: ServerResponse, correlationId: string) => boolean

/** How long a client may take and how many may do nothing; times are in milliseconds. */
export interface ServerLimits {
  readonly keepAlive: number
  readonly headers: number
  /** How often the time of headers is looked at. */
  readonly lookEvery: number
  readonly idle: number
  /** Connections without a request under way. */
  readonly mostIdle: number
}

const defaultLimits: ServerLimits = {
  /** Container engines keep connections for 30 to 60 seconds: a server that closes first breaks their next request. */
  keepAlive: 75_000,
  headers: 60_000,
  lookEvery: 30_000,
  /** Without a byte in either direction: a reader that stalled, or a device that lost its power. */
  idle: 300_000,
  // An engine keeps some ten, and the API proxy fewer: a site of a hundred machines stays below it.
  mostIdle: 1024
}

/**
 * An HTTP server of several handlers; the first that knows a path answers, and what none knows is a 404 in the registry's
 * own form. The caller listens and closes.
 */
export function createHttpServer(handlers: readonly Handler[], log: Log, changes: Partial<ServerLimits> = {}): Server {
  const limits = { ...defaultLimits, ...changes }
  const answer = (handle: Handler, request: IncomingMessage, response: ServerResponse): void => {
    // A client that goes away is no fault of ours; without a listener it would end the process.
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    // Handed on by hand: AsyncLocalStorage would cost every request, and few of them are ever logged.
    const correlationId = correlationIdOf(request.headers)
    let refusal: OciError
    try {
      if (handle(request, response, correlationId)) return
      refusal = new OciError('NAME_UNKNOWN', 'nothing is served here')
    } catch (error) {
      refusal = toOciError(error, withFields(log, { correlationId }), request.url ?? '', correlationId)
    }
    const reply = errorReply(refusal, { ...neverAPage, [correlationHeader]: correlationId })
    void writeReply(request, response, reply, withFields(log, { correlationId }))
  }
  const anyHandler: Handler = (request, response, correlationId) => {
    takeOriginForm(request)
    return handlers.some((handle) => handle(request, response, correlationId))
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void => answer(anyHandler, request, response)
  const server = createServer(
    {
      // A layer may take hours on a slow link: only silence ends a request.
      requestTimeout: 0,
      headersTimeout: limits.headers,
      connectionsCheckingInterval: limits.lookEvery,
      keepAliveTimeout: limits.keepAlive,
      // Node would refuse what has no Host itself, without a body.
      requireHostHeader: false
    },
    listener
  )
  // Who ends their side when they have asked still waits for the answer; Node would end the connection in the middle of it.
  Object.assign(server, { httpAllowHalfOpen: true })
  limitIdle(server, limits.mostIdle)
  // Handlers say themselves when a body may come, so that a refused one is never sent.
  server.on('checkContinue', listener)
  server.on('checkExpectation', (request, response) => answer(refuseExpectation, request, response))
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => undefined)
    endWith(socket, 405, 'this is no proxy')
    socket.once('finish', () => socket.destroy())
  })
  server.on('clientError', refuse)
  server.setTimeout(limits.idle)
  return server
}

/** What is no HTTP gets the one form of errors too, unless an answer is on its way already; then its connection ends. */
function refuse(error: Error & { readonly code?: string }, socket: Duplex): void {
  // Node keeps the answer that is under way there, and looks at it for its own reply to such errors.
  const { _httpMessage: underWay } = socket as { _httpMessage?: ServerResponse }
  if (!socket.writable || underWay?.headersSent === true) return void socket.destroy()
  const [status, message] = refusals[error.code ?? ''] ?? [400, 'this is not HTTP']
  endWith(socket, status, message)
}

const refusals: Readonly<Record<string, readonly [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the request line and headers are longer than 16 KiB'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not arrive in time']
}

/** An answer where Node has none to fill in. */
function endWith(socket: Duplex, status: number, message: string): void {
  const body = JSON.stringify(new OciError('UNSUPPORTED', message, { status }).toBody())
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Connection: close'
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** RFC 9110, section 10.1.1: `100-continue` is the only expectation there is. */
function refuseExpectation(): never {
  throw new OciError('UNSUPPORTED', 'Expect can be 100-continue only', { status: 417 })
}

const absoluteForm = /^https?:\/\/([^/?#]+)/i

/**
 * Clients that take us for a proxy ask for `http://host/path`, which means `/path` of that host (RFC 9112, section 3.2.2).
 *
 * @throws {OciError} `UNSUPPORTED` (400) for HTTP/1.1 without a Host
 */
function takeOriginForm(request: IncomingMessage): void {
  const { url = '', headers } = request
  if (headers.host === undefined && request.httpVersionMajor === 1 && request.httpVersionMinor === 1)
    throw new OciError('UNSUPPORTED', 'an HTTP/1.1 request needs a Host', { status: 400 })
  if (url.startsWith('/')) return
  const [origin, host] = absoluteForm.exec(url) ?? []
  if (origin === undefined) return
  const path = url.slice(origin.length)
  request.url = path.startsWith('/') ? path : `/${path}`
  headers.host = host
}
