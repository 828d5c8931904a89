import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import type { FilePart } from './send-file-part.ts'
import { isReadElsewhere } from './receive-body.ts'
import { sendFile } from './send-file.ts'

/** What a handler answers; {@link writeReply} alone turns it into HTTP. */
export interface Reply {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  /** Bytes, or what opens exactly `Content-Length` of them. HEAD sends none, with the same headers. */
  readonly body?: Uint8Array | (() => Promise<Body>)
}

/** What is sent, and then let go of: a file's part is closed, and a stream destroyed, whatever happens. */
export type Body = Uint8Array | FilePart | Readable

/** Seconds after which what was too much, or not possible just now, may be tried again. */
const retryAfter = 2
/** A refused body up to this size is read to its end, so that the connection can be used again. */
const mostDiscarded = 8 * 1024 * 1024
/** Milliseconds. */
const longestDiscard = 5000

/**
 * Content comes with the type that it was pushed or synced with, from an origin where people log in to the page: a browser is
 * neither to guess another type, nor to run what it shows, nor to count that to this origin.
 *
 * @see https://fetch.spec.whatwg.org/#x-content-type-options-header
 * @see https://www.w3.org/TR/CSP3/#directive-sandbox
 */
export const neverAPage = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox"
} as const

/** A JSON body. */
export function json(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Reply {
  const body = Buffer.from(JSON.stringify(value))
  return { status, headers: { 'Content-Type': 'application/json', ...headers, 'Content-Length': body.length }, body }
}

/** No body at all. */
export function empty(status: number, headers: OutgoingHttpHeaders = {}): Reply {
  return { status, headers: status === 204 ? headers : { ...headers, 'Content-Length': 0 } }
}

/** The one form of errors that clients parse. */
export function errorReply(error: OciError, headers: OutgoingHttpHeaders = {}): Reply {
  const later = error.status === 429 || error.status === 503 || error.retryAfterSeconds !== undefined
  return json(error.status, error.toBody(), {
    ...(later ? { 'Retry-After': error.retryAfterSeconds ?? retryAfter } : {}),
    ...headers
  })
}

/** What content can fail with, by the code of its error, that passes without anybody's fault: seconds until a new try. */
const passing: Readonly<
  Record<string, { readonly status: number; readonly message: string; readonly seconds: number }>
> = {
  DISK_FULL: {
    status: 507,
    message: 'the disk of this registry is full: pulls go on, pushes wait for space',
    seconds: 60
  },
  DISK_FAILED: { status: 503, message: 'the disk of this registry fails; its log says how', seconds: 60 },
  INDEX_FAILED: { status: 503, message: 'the disk of this registry fails; its log says how', seconds: 60 },
  CLOSED: { status: 503, message: 'this registry is stopping or starting: try again', seconds: 5 },
  INGEST_BUSY: { status: 503, message: 'these bytes are on their way already: try again', seconds: 2 },
  // Bytes that were there went before what names them was committed.
  BLOB_ABSENT: { status: 503, message: 'content was removed meanwhile: push it again', seconds: 2 },
  MANIFEST_ABSENT: { status: 503, message: 'content was removed meanwhile: push it again', seconds: 2 }
}

/**
 * What was thrown, as an error that a client may see; what nobody foresaw is logged and told without its insides.
 *
 * @param log gives this request's lines its id. The id stands in the error's `detail`, never in its message: edgeAgent reports
 *   that to its twin, and one that differs at each try would be news each time
 */
export function toOciError(error: unknown, log: Log, path: string, correlationId: string): OciError {
  if (error instanceof OciError) return error
  const reason = error instanceof Error && 'code' in error ? passing[String(error.code)] : undefined
  if (reason !== undefined) {
    log.warn('a request was put off', { path, reason: (error as Error).message })
    return new OciError('UNAVAILABLE', reason.message, {
      status: reason.status,
      retryAfterSeconds: reason.seconds,
      detail: { correlationId }
    })
  }
  log.error('a request failed', { path, reason: error instanceof Error ? error.message : String(error) })
  return new OciError('UNKNOWN', 'the registry could not do this; its log says why', { detail: { correlationId } })
}

/**
 * Sends a reply. Nothing is compressed: a layer is compressed already, and HEAD's `Content-Length` must be GET's.
 *
 * @throws what opening the body throws, while nothing has been sent yet
 */
export async function writeReply(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Reply,
  log: Log
): Promise<void> {
  // A status line is a promise of the whole body (containerd takes a broken 200 for final), so the body is opened first.
  const opened = request.method === 'HEAD' ? undefined : typeof body === 'function' ? await body() : body
  try {
    if (response.destroyed) return
    response.writeHead(status, isClosing(request) ? { ...headers, Connection: 'close' } : headers)
    if (opened !== undefined && !(opened instanceof Uint8Array)) await finishing(request, response, log, opened)
    else if (isReadToItsEnd(request)) response.end(opened)
    else await endAfterBody(request, response, opened)
  } finally {
    await letGo(opened)
  }
}

async function letGo(body: Body | undefined): Promise<void> {
  if (body instanceof Readable) body.destroy()
  else if (body !== undefined && 'file' in body) await body.file.close()
}

/** Once a status line has gone, a failure can only end the connection short, which no client takes for the whole. */
async function finishing(
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
  body: FilePart | Readable
): Promise<void> {
  try {
    await (body instanceof Readable ? pipeline(body, response) : sendFile(response, body))
  } catch (error) {
    const fields = { path: request.url, reason: error instanceof Error ? error.message : String(error) }
    if (isClientGone(error)) log.debug('a client went away in the middle of a transfer', fields)
    else log.error('reading content failed in the middle of a transfer', fields)
    response.destroy()
  }
}

/**
 * A client that waits for `100 Continue`, and was not told to, sends its body or does not: what follows on the connection
 * cannot be told apart, so it ends. So it does where reading on would cost more than a new connection.
 */
function isClosing(request: IncomingMessage): boolean {
  if (isReadElsewhere(request)) return true
  if (request.complete) return false
  return request.headers.expect !== undefined || Number(request.headers['content-length'] ?? 0) > mostDiscarded
}

function isReadToItsEnd(request: IncomingMessage): boolean {
  const { complete, headers } = request
  if (complete || headers.expect !== undefined || isReadElsewhere(request)) return true
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
}

/**
 * Ends a reply to a request whose body is still coming. The reply goes at once, and the body is read and dropped before the
 * connection is used again or closed: closing on unread bytes resets it, and the client may lose the reply over that.
 */
async function endAfterBody(request: IncomingMessage, response: ServerResponse, body?: Uint8Array): Promise<void> {
  if (body === undefined) response.flushHeaders()
  else response.write(body)
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const timer = setTimeout(resolve, longestDiscard)
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > mostDiscarded) resolve(size)
  })
  request.once('end', resolve).once('close', resolve).resume()
  await promise
  clearTimeout(timer)
  response.end(() => {
    if (!request.complete) request.destroy()
  })
}

function isClientGone(error: unknown): boolean {
  const codes: readonly unknown[] = ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE', 'CANCELLED']
  return error instanceof Error && 'code' in error && codes.includes(error.code)
}
