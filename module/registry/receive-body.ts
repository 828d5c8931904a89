import type { IncomingMessage, ServerResponse } from 'node:http'
import { loadLibc, PollList, type Libc } from '../libc/libc.ts'
import { brokenOff, declaredLength, pour, slowestBody, tooSlow, type BodyOptions } from './body.ts'
import type { ContentIngest } from './content.ts'
import { descriptorOf, isRead } from './socket-descriptor.ts'

/**
 * Up to this the way through Node costs less than a new connection: Node's parser cannot be told of bytes that went past it,
 * so this one ends with the reply, as it does where a body is left unread that is larger (`reply.ts`).
 */
const mostThroughNode = 8 * 1024 * 1024

const readElsewhere = new WeakSet<IncomingMessage>()

/** Whether a request's whole body was read past Node, which then still waits for it. */
export function isReadElsewhere(request: IncomingMessage): boolean {
  return readElsewhere.has(request)
}

/**
 * Reads a request's body to its end into an ingest: straight from the socket where that is plain, the system can and the
 * body says its length; through Node's streams otherwise, whose copies and garbage cost as much as the hashing.
 *
 * @throws {OciError} `BLOB_UPLOAD_INVALID` where the body does not come whole, or too slowly; the ingest then has all that
 *   came
 * @throws what the ingest or the signal ends it with; the rest of the body is then still to be read
 */
export async function receiveBody(
  request: IncomingMessage,
  response: ServerResponse,
  ingest: ContentIngest,
  options: BodyOptions = {}
): Promise<void> {
  const { socket } = request
  const length = declaredLength(request) ?? 0
  if (length > mostThroughNode && ingest.receive !== undefined && !('encrypted' in socket)) {
    const libc = await loadLibc()
    const own = libc === undefined ? undefined : secondDescriptor(libc, request)
    if (libc !== undefined && own !== undefined)
      try {
        options.signal?.throwIfAborted()
        const { chunks, stopped } = await takeOver(request)
        let left = length
        for (const chunk of chunks) {
          await ingest.append(chunk)
          left -= chunk.length
        }
        if (stopped && !socket.destroyed) {
          if (request.headers.expect !== undefined) response.writeContinue()
          await receiveRest({ libc, request, ingest, socket: own, length: left }, options)
          return
        }
      } finally {
        libc.close(own)
      }
  }
  await pour(request, response, (bytes) => ingest.append(bytes), options)
}

/** Node may close its own at any time. @returns undefined where the process has none left */
function secondDescriptor(libc: Libc, { socket }: IncomingMessage): number | undefined {
  const descriptor = descriptorOf(socket)
  try {
    return descriptor === undefined ? undefined : libc.dup(descriptor)
  } catch {
    return undefined
  }
}

/**
 * Stops Node from reading the connection.
 *
 * @returns what it had read of the body already, and whether it stopped
 */
async function takeOver(request: IncomingMessage): Promise<{ readonly chunks: Buffer[]; readonly stopped: boolean }> {
  const { socket } = request
  const chunks: Buffer[] = []
  for (let attempt = 0; attempt < 8; attempt += 1) {
    for (let chunk = next(request); chunk !== null; chunk = next(request)) chunks.push(chunk)
    // Taking a chunk has the socket go on, in the next tick, and only what goes on can be paused.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    socket.pause()
    await new Promise((resolve) => setImmediate(resolve))
    // A socket that came to the server by way of another listener, as where TLS and plain HTTP share a port, keeps bytes too.
    if (!isRead(socket) && request.readableLength === 0 && socket.readableLength === 0) return { chunks, stopped: true }
  }
  return { chunks, stopped: false }
}

function next(request: IncomingMessage): Buffer | null {
  return request.read() as Buffer | null
}

interface Rest {
  readonly libc: Libc
  readonly request: IncomingMessage
  readonly ingest: ContentIngest
  /** A descriptor of the request's connection. */
  readonly socket: number
  /** Bytes that Node has not read. */
  readonly length: number
}

async function receiveRest(
  { libc, request, ingest, socket: descriptor, length }: Rest,
  { signal, slowest = slowestBody }: BodyOptions
): Promise<void> {
  const { socket } = request
  const end = ingest.offset + length
  const ending = new AbortController()
  const gone = (): void => ending.abort(brokenOff())
  const givenUp = (): void => ending.abort(signal?.reason)
  let before = ingest.offset
  const watch = setInterval(() => {
    // Where bytes wait in the socket, it is the disk that is slow.
    if (ingest.offset - before < slowest.bytes && !hasBytes(libc, descriptor)) ending.abort(tooSlow())
    before = ingest.offset
  }, slowest.milliseconds)
  watch.unref()
  const idle = socket.timeout ?? 0
  // Node sees none of these bytes: the sender would look idle to it.
  socket.setTimeout(0)
  socket.once('close', gone)
  signal?.addEventListener('abort', givenUp)
  try {
    await ingest.receive?.({ socket: descriptor, length, signal: ending.signal })
    if (ingest.offset !== end) {
      ending.signal.throwIfAborted()
      throw brokenOff()
    }
    readElsewhere.add(request)
  } finally {
    clearInterval(watch)
    socket.setTimeout(idle)
    socket.off('close', gone)
    signal?.removeEventListener('abort', givenUp)
  }
}

function hasBytes(libc: Libc, descriptor: number): boolean {
  const list = new PollList([{ descriptor, until: 'readable' }])
  libc.poll(list, 0)
  return list.isReady(0)
}
