import type { Dispatcher } from 'undici'
import { arrivals } from './body.ts'
import { fromNetwork, ParentError, speaksOfTime } from './errors.ts'
import type { Outbound } from './outbound.ts'
import { Outgoing, type OutgoingBody } from './outgoing.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

/** A request to the parent, or to where it sends us. */
export interface Question {
  readonly method: Method
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | OutgoingBody | undefined
  readonly signal?: AbortSignal | undefined
}

/** What came back; the body is read or discarded by whoever holds it, or the connection stays taken. */
export interface Answer {
  /** Where it really came from, after redirects. */
  readonly url: URL
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Dispatcher.ResponseData['body']
  /** Milliseconds between two pieces of the body, at the most. */
  readonly bodyIdle: number
}

/** ACR sends once, to its blob storage; content networks in front of others add one or two. */
const mostRedirects = 5
/**
 * Bytes a second that an answer which is read as a whole comes with at the least: a sixteenth of a thin link of 2 kB/s, which
 * as many answers, layers and pushes may share. A manifest of 4 MiB, half an hour of such a link, may take nine hours; what
 * drips byte by byte, so that no time-out between two pieces ever ends it, is given up.
 */
const slowestWhole = 128
/** Milliseconds that the rest of an unwanted body is waited for: a connection is worth no more. */
const longestDiscard = 10_000

/**
 * Asks, without following redirects.
 *
 * @throws {ParentError} where the network gives no answer, and `PARENT_LOOP`; the signal's reason where the caller gave up
 */
export async function ask(outbound: Outbound, question: Question): Promise<Answer> {
  const { url, method, headers, body, signal } = question
  signal?.throwIfAborted()
  const asked = Date.now()
  const what = { origin: url.origin, path: `${url.pathname}${url.search}`, method, headers: { ...headers } }
  let answer: Answer
  try {
    const dispatcher = await outbound.dispatcher(url)
    const { statusCode, ...rest } =
      body !== undefined && 'pieces' in body
        ? await stream(dispatcher, what, body, signal)
        : await dispatcher.request({
            ...what,
            // undici ends the connection after each HEAD, for servers that send a body with it: over a satellite a new one
            // costs seconds, and six kilobytes of TLS, for every unchanged tag. Such a body would break the next answer, which
            // is asked again.
            ...(method === 'HEAD' ? { reset: false } : {}),
            ...(body === undefined ? {} : { body }),
            signal: signal ?? null
          })
    answer = { url, status: statusCode, headers: rest.headers, body: rest.body, bodyIdle: outbound.bodyIdle }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof NotSent) throw error.cause
    if (speaksOfTime(error)) outbound.watch?.certificateTime()
    throw fromNetwork(error, url.host)
  }
  const wrong = outbound.watch?.answered(url, answer.status, answer.headers, asked)
  if (wrong === undefined) return answer
  await discard(answer)
  throw wrong
}

/** A body that may take longer to send than any answer: what is timed is how long the link takes no more of it. */
async function stream(
  dispatcher: Dispatcher,
  what: Pick<Dispatcher.RequestOptions, 'origin' | 'path' | 'method'> & { readonly headers: Question['headers'] },
  body: OutgoingBody,
  signal: AbortSignal | undefined
): Promise<Dispatcher.ResponseData> {
  const outgoing = new Outgoing(body)
  try {
    return await dispatcher.request({
      ...what,
      headers: { ...what.headers, 'content-length': String(body.length) },
      body: outgoing.stream,
      // undici's own time-out for an answer also runs while a slow link takes its time with the body.
      headersTimeout: 0,
      signal: signal === undefined ? outgoing.stalled : AbortSignal.any([signal, outgoing.stalled])
    })
  } catch (error) {
    if (outgoing.failure !== undefined) throw new NotSent(outgoing.failure)
    throw outgoing.stalled.aborted ? outgoing.stalled.reason : error
  } finally {
    outgoing.end()
  }
}

/** The bytes could not be had here: no fault of the network. */
class NotSent extends Error {
  override readonly cause: Error

  constructor(cause: Error) {
    super(cause.message)
    this.cause = cause
  }
}

/**
 * Asks and follows redirects. `Authorization` goes to the first origin only: where a registry sends us (blob storage with a
 * signed link) a second proof of identity is refused at best and collected at worst. Other headers, `Range` too, are kept.
 *
 * @throws {ParentError} as {@link ask}, and `PARENT_PROTOCOL` for redirects that lead nowhere
 */
export async function askFollowing(outbound: Outbound, question: Question): Promise<Answer> {
  let url = question.url
  for (let hops = 0; hops <= mostRedirects; hops += 1) {
    const answer = await ask(outbound, { ...question, url, headers: headersFor(question, url) })
    const location = one(answer.headers['location'])
    if (answer.status < 300 || answer.status === 304 || answer.status >= 400 || location === undefined) return answer
    await discard(answer)
    const target = URL.parse(location, url.href)
    if (target === null || !['http:', 'https:'].includes(target.protocol))
      throw new ParentError('PARENT_PROTOCOL', `${url.host} redirects to something that is no address`)
    if (url.protocol === 'https:' && target.protocol === 'http:')
      throw new ParentError(
        'PARENT_PROTOCOL',
        `${url.host} redirects from https to http (${target.host}): not followed`
      )
    url = target
  }
  throw new ParentError('PARENT_PROTOCOL', `${question.url.host} redirects more than ${mostRedirects} times`)
}

function headersFor(question: Question, url: URL): Question['headers'] {
  if (url.origin === question.url.origin) return question.headers
  return Object.fromEntries(Object.entries(question.headers).filter(([name]) => name.toLowerCase() !== 'authorization'))
}

/**
 * Reads a whole body, in a time that its size bounds.
 *
 * @param limit bytes; a longer body is `PARENT_PROTOCOL`
 * @throws {ParentError} also `PARENT_FAILED` where it comes too slowly: others of the parent's answers may well come
 */
export async function readAll(answer: Answer, limit: number, signal?: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  const begun = performance.now()
  for await (const chunk of readBody(answer, signal)) {
    length += chunk.length
    const seconds = (performance.now() - begun) / 1000
    // A link may be away twice for as long as it may be once, also where few bytes are to come.
    if (seconds > (2 * answer.bodyIdle) / 1000 + length / slowestWhole)
      throw new ParentError(
        'PARENT_FAILED',
        `${answer.url.host} answers too slowly: ${length} bytes came in ${Math.round(seconds)} s`
      )
    if (length > limit)
      throw new ParentError('PARENT_PROTOCOL', `${answer.url.host} answers more than ${limit} bytes where few belong`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * The body's bytes as they come; leaving the loop early closes the connection.
 *
 * @param readAhead bytes that may wait to be read
 */
export async function* readBody(
  answer: Answer,
  signal?: AbortSignal,
  readAhead?: number
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* arrivals(answer.body, readAhead)
  } catch (error) {
    signal?.throwIfAborted()
    throw fromNetwork(error, answer.url.host)
  }
}

/** Frees the connection of an answer whose body nobody wants. */
export async function discard(answer: Answer): Promise<void> {
  // A body that breaks while being thrown away is no news; the connection is gone either way.
  const signal = AbortSignal.timeout(longestDiscard)
  await answer.body.dump({ limit: 128 * 1024, signal }).catch(() => undefined)
}

/** The first of a header's values. */
export function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
