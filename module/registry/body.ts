import type { IncomingMessage, ServerResponse } from 'node:http'
import { OciError } from '../oci/errors.ts'

/** Takes bytes of a body, and resolves when it can take more; the memory is then used again for what comes next. */
export type Sink = (bytes: Buffer) => Promise<void>

export interface BodyOptions {
  /** Ends the reading with its reason. */
  readonly signal?: AbortSignal
  /** Fewer bytes than `bytes` within `milliseconds` end the reading: a sender of one byte a minute holds a place for ever. */
  readonly slowest?: SlowestBody
}

export interface SlowestBody {
  readonly bytes: number
  readonly milliseconds: number
}

/** What a link of a few kilobits a second still brings. */
export const slowestBody: SlowestBody = { bytes: 4096, milliseconds: 60_000 }

/** Small writes cost a thread's turn each; this much at once measured fastest, and is what a slow sender may hold in memory. */
const batchBytes = 512 * 1024

/** A batch ends with the chunk that fills it, and one more may be on its way when reading pauses. */
const spaceBytes = batchBytes + 256 * 1024
/** Spaces that are kept for the next batches: new ones for each grew the process by hundreds of megabytes before they went. */
const mostSpaces = 8
const spaces: Buffer[] = []

function gather(batch: readonly Buffer[], size: number): { readonly bytes: Buffer; readonly giveBack: () => void } {
  const [only] = batch
  if (batch.length === 1 && only !== undefined) return { bytes: only, giveBack: () => undefined }
  if (size < batchBytes || size > spaceBytes) return { bytes: Buffer.concat(batch, size), giveBack: () => undefined }
  const space = spaces.pop() ?? Buffer.allocUnsafeSlow(spaceBytes)
  let at = 0
  for (const chunk of batch) at += chunk.copy(space, at)
  return {
    bytes: space.subarray(0, size),
    giveBack: () => {
      if (spaces.length < mostSpaces) spaces.push(space)
    }
  }
}

export function brokenOff(): OciError {
  return new OciError('BLOB_UPLOAD_INVALID', 'the connection ended before the body did')
}

export function tooSlow(): OciError {
  return new OciError('BLOB_UPLOAD_INVALID', 'the body comes too slowly: send it again when the link is better')
}

/** The length a request says its body has; undefined where it comes in chunks and says none. */
export function declaredLength({ headers }: IncomingMessage): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined
  return Number(headers['content-length'] ?? 0)
}

/**
 * Reads a request's body to its end into a sink, while the sink is still busy with what came before. A client that waits for
 * `100 Continue` is told to go on here, and nowhere else: whoever refuses a request before never sees its body.
 *
 * @throws {OciError} `BLOB_UPLOAD_INVALID` where the body does not come whole; the sink then has all that came, and the
 *   connection is of no more use
 * @throws what the sink or the signal ends it with; the rest of the body is then still to be read
 */
export function pour(
  request: IncomingMessage,
  response: ServerResponse,
  sink: Sink,
  { signal, slowest = slowestBody }: BodyOptions = {}
): Promise<undefined> {
  if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
  if (request.headers.expect !== undefined) response.writeContinue()
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  let batch: Buffer[] = []
  let size = 0
  let received = 0
  let ended = false
  let broken: Error | undefined
  let writing = false
  let settled = false

  const settle = (error?: Error): void => {
    settled = true
    clearInterval(watch)
    request.off('data', take).off('end', end).off('close', cut)
    signal?.removeEventListener('abort', abort)
    request.pause()
    if (error === undefined) resolve(undefined)
    else reject(error)
  }
  const drain = async (): Promise<void> => {
    writing = true
    try {
      while (!settled && (size >= batchBytes || ((ended || broken !== undefined) && size > 0))) {
        const { bytes, giveBack } = gather(batch, size)
        batch = []
        size = 0
        request.resume()
        await sink(bytes)
        giveBack()
      }
      if (!settled && (ended || broken !== undefined)) settle(broken)
    } catch (error) {
      settle(error as Error)
    } finally {
      writing = false
    }
  }
  const take = (chunk: Buffer): void => {
    batch.push(chunk)
    size += chunk.length
    received += chunk.length
    if (size < batchBytes) return
    if (writing) request.pause()
    else void drain()
  }
  const end = (): void => {
    ended = true
    if (!writing) void drain()
  }
  const cut = (): void => {
    if (ended) return
    broken = brokenOff()
    if (!writing) void drain()
  }
  const abort = (): void => settle(signal?.reason as Error)
  const watch = setInterval(() => {
    // While the disk is what is slow, nobody reads.
    if (!writing && received < slowest.bytes) settle(tooSlow())
    received = 0
  }, slowest.milliseconds)
  watch.unref()
  signal?.addEventListener('abort', abort)
  request.on('data', take).on('end', end).on('close', cut)
  // Either may have happened while somebody asked who this is.
  if (request.readableEnded) end()
  else if (request.destroyed) cut()
  return promise
}

/**
 * Reads a small body into memory.
 *
 * @param most bytes
 * @param tooLarge what to throw for more; before the first byte where the request says so
 */
export async function readWhole(
  request: IncomingMessage,
  response: ServerResponse,
  most: number,
  tooLarge: () => Error,
  {
    taking,
    ...options
  }: BodyOptions & {
    /** Told how many bytes are to be held now; throws where that is too many. */
    readonly taking?: (bytes: number) => void
  } = {}
): Promise<Buffer> {
  if ((declaredLength(request) ?? 0) > most) throw tooLarge()
  const parts: Buffer[] = []
  let size = 0
  await pour(
    request,
    response,
    (bytes) => {
      size += bytes.length
      if (size > most) return Promise.reject(tooLarge())
      taking?.(bytes.length)
      parts.push(Buffer.from(bytes))
      return Promise.resolve()
    },
    options
  )
  return Buffer.concat(parts, size)
}
