import type { IncomingMessage, ServerResponse } from 'node:http'
import { correlationHeader } from '../log/correlation.ts'
import type { Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import { contentSecurityPolicy, drawDocument, drawRefusal } from './document.ts'
import { everybody, type PageFacts, type Viewer } from './facts.ts'
import { Live } from './live.ts'
import { drawSections, type Sections } from './sections.ts'

/** Whom the page asks who may see it. */
export interface Doorkeeper {
  /** @throws {OciError} `TOOMANYREQUESTS` */
  authorize(
    authorization: string | undefined,
    need: { readonly kind: 'login' },
    client: { readonly address: string; readonly encrypted: boolean; readonly correlationId: string }
  ): Promise<
    | { readonly kind: 'allowed'; readonly caller: Viewer }
    | { readonly kind: 'challenge' | 'denied'; readonly message: string }
  >
}

export interface PageOptions {
  readonly facts: () => PageFacts
  /** Whether everybody may see it, by the settings in force. */
  readonly isOpen: () => boolean
  readonly doorkeeper: Doorkeeper
  readonly log: Log
  /** Milliseconds between two signs of life to open pages. */
  readonly heartbeatMs?: number
}

export interface Page {
  /** Answers `/acr`, `/acr/` and `/acr/events`. */
  readonly handle: (request: IncomingMessage, response: ServerResponse, correlationId: string) => boolean
  /** Something changed that the page may tell of. */
  readonly changed: () => void
  close(): void
}

/** Milliseconds; below the time in which {@link Live} gathers changes, so that the last change is never left out. */
const freshMs = 500

/** The page for the person at the site. It is below `/acr`, which IoT Edge's API proxy routes to the registry. */
export function createPage(given: PageOptions): Page {
  const options = { ...given, facts: shared(given.facts) }
  const live = new Live(given.heartbeatMs)
  return {
    handle(request, response, correlationId) {
      const path = request.url?.split('?', 1)[0]
      if (path !== '/acr' && path !== '/acr/' && path !== '/acr/events') return false
      request.resume()
      response.setHeader(correlationHeader, correlationId)
      // Relative: a proxy in front knows the scheme, the name and the port that the reader used, and this module may not.
      if (path === '/acr') return redirect(response, 'acr/')
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { allow: 'GET, HEAD' }).end()
        return true
      }
      const asked = { request, response, correlationId }
      const answer = path === '/acr/' ? showPage(options, asked) : follow(options, live, asked)
      answer.catch((error: unknown) => {
        if (!(error instanceof OciError))
          options.log.error('the page cannot be shown', { reason: String(error), correlationId })
        refuse(request, response, error)
      })
      return true
    },
    changed: () => live.changed(),
    close: () => live.close()
  }
}

/** Many readers are told of the same change: what is so is looked up once for all of them. */
function shared(look: () => PageFacts): () => PageFacts {
  let last: { readonly at: number; readonly facts: PageFacts } | undefined
  return () => {
    const at = performance.now()
    if (last === undefined || at - last.at > freshMs) last = { at, facts: look() }
    return last.facts
  }
}

async function showPage(options: PageOptions, asked: Asked): Promise<void> {
  const { request, response } = asked
  const viewer = await admit(options, asked)
  if (!('may' in viewer)) {
    turnAway(request, response, viewer)
    return
  }
  const facts = options.facts()
  send(request, response, 200, drawDocument(facts.name, drawSections(facts, viewer)))
}

async function follow(options: PageOptions, live: Live, asked: Asked): Promise<void> {
  const { request, response } = asked
  const viewer = await admit(options, asked)
  if (!('may' in viewer)) {
    turnAway(request, response, viewer)
    return
  }
  if (live.isFull) throw new OciError('UNAVAILABLE', 'too many pages are open', { retryAfterSeconds: 60 })
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    // The API proxy's nginx gathers answers otherwise, and nothing would be live.
    'x-accel-buffering': 'no'
  })
  if (request.method === 'HEAD') return void response.end()
  response.flushHeaders()
  // What has no end is not waited for by who ended their side: they went away.
  const leave = (): void => void response.end()
  request.socket.once('end', leave)
  if (request.socket.readableEnded) leave()
  live.add({
    response,
    async draw(): Promise<Sections | undefined> {
      // A client token that was disabled, or a page that was closed to everybody, ends what is open as well.
      const still = await admit(options, asked)
      return 'may' in still ? drawSections(options.facts(), still) : undefined
    }
  })
}

/** A request for the page, or for what changes of it. */
interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly correlationId: string
}

interface Refusal {
  readonly kind: 'challenge' | 'denied'
  readonly message: string
}

async function admit(
  { isOpen, doorkeeper }: PageOptions,
  { request, correlationId }: Asked
): Promise<Viewer | Refusal> {
  if (isOpen()) return everybody
  const { socket, headers } = request
  const client = { address: socket.remoteAddress ?? '', encrypted: 'encrypted' in socket, correlationId }
  const decision = await doorkeeper.authorize(headers.authorization, { kind: 'login' }, client)
  return decision.kind === 'allowed' ? decision.caller : decision
}

function turnAway(request: IncomingMessage, response: ServerResponse, { kind, message }: Refusal): void {
  if (kind === 'denied') {
    send(request, response, 403, drawRefusal('Not from here', message))
    return
  }
  const body = drawRefusal('Who are you?', 'Log in with the name and a password of a client token of this device.')
  send(request, response, 401, body, { 'www-authenticate': 'Basic realm="connected registry", charset="UTF-8"' })
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  const { status, message, retryAfterSeconds } =
    error instanceof OciError ? error : new OciError('UNKNOWN', 'this page cannot be shown; the log says why')
  const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }
  send(request, response, status, drawRefusal('Not now', message), headers)
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {}
): void {
  response.writeHead(status, {
    ...headers,
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'content-security-policy': contentSecurityPolicy,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff'
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function redirect(response: ServerResponse, location: string): true {
  response.writeHead(308, { location }).end()
  return true
}
