import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'

/** What a handler answers; {@link writeReply} alone turns it into HTTP. */
export interface Reply {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  /** Bytes, or what opens a stream of exactly `Content-Length` of them. HEAD sends neither, with the same headers. */
  readonly body?: Uint8Array | (() => Promise<Readable>)
}

/** Seconds after which what was too much, or not possible just now, may be tried again. */
const retryAfter = 2
/** A refused body up to this size is read to its end, so that the connection can be used again. */
const mostDiscarded = 8 * 1024 * 1024

/** A JSON body. */
export function json(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Reply {
  const body = Buffer.from(JSON.stringify(value))
  return { status, headers: { 'Content-Type': 'application/json', ...headers, 'Content-Length': body.length }, body }
}

/** The one form of errors that clients parse. */
export function errorReply(error: OciError, headers: OutgoingHttpHeaders = {}): Reply {
  const later = error.status === 429 || error.status === 503
  return json(error.status, error.toBody(), { ...(later ? { 'Retry-After': retryAfter } : {}), ...headers })
}

/** What was thrown, as an error that a client may see; what nobody foresaw is logged and told without its insides. */
export function toOciError(error: unknown, log: Log, path: string): OciError {
  if (error instanceof OciError) return error
  log.error('a request failed', { path, reason: error instanceof Error ? error.message : String(error) })
  return new OciError('UNKNOWN', 'the registry could not do this; its log says why')
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
  const stream = typeof body === 'function' && request.method !== 'HEAD' ? await body() : undefined
  if (response.destroyed) return void stream?.destroy()
  response.writeHead(status, { ...headers, ...closing(request) })
  if (stream === undefined) {
    response.end(request.method === 'HEAD' || typeof body === 'function' ? undefined : body)
    return
  }
  try {
    await pipeline(stream, response)
  } catch (error) {
    // Either way the connection ends short, which no client takes for the whole.
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
function closing(request: IncomingMessage): OutgoingHttpHeaders {
  const unread = !request.complete && Number(request.headers['content-length'] ?? 0) > mostDiscarded
  return unread || (request.headers.expect !== undefined && !request.complete) ? { Connection: 'close' } : {}
}

function isClientGone(error: unknown): boolean {
  const codes: readonly unknown[] = ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE']
  return error instanceof Error && 'code' in error && codes.includes(error.code)
}
