import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { ServerCertificate } from './certificates.ts'

/**
 * One request as the pretend cloud saw it. It is entered on arrival and filled in while the answer leaves, so a test that has
 * read the whole answer finds it complete. Bodies and headers are not kept: they carry passwords.
 */
export interface LoggedRequest {
  readonly at: number
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  readonly range?: string
  /** 0 until answered. */
  readonly status: number
  /** Bytes of body handed to the connection. */
  readonly bytesSent: number
}

/** How a body is sent; both are for making bad links. */
export interface StreamOptions {
  /** Bytes a second, for this answer alone. */
  readonly bytesPerSecond?: number | undefined
  /** Breaks the connection after so many bytes. */
  readonly cutAfter?: number | undefined
}

/** The hosts of the pretend cloud read requests and answer through this, so that every answer is logged in one way. */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly method: string
  readonly #entry: Mutable<LoggedRequest>

  constructor(request: IncomingMessage, response: ServerResponse, host: string, entry: Mutable<LoggedRequest>) {
    this.request = request
    this.response = response
    this.url = new URL(`https://${host}${request.url ?? '/'}`)
    this.method = request.method ?? 'GET'
    this.#entry = entry
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /**
   * The whole body.
   *
   * @param limit bytes; more than that breaks the request off
   */
  async body(limit: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let length = 0
    for await (const part of this.request as AsyncIterable<Buffer>) {
      length += part.length
      if (length > limit) throw new BodyTooLarge(limit)
      parts.push(part)
    }
    return Buffer.concat(parts)
  }

  async form(): Promise<URLSearchParams> {
    return new URLSearchParams((await this.body(1 << 20)).toString('utf8'))
  }

  empty(status: number, headers: Headers = {}): void {
    this.#head(status, status === 204 || status === 304 ? headers : { 'content-length': 0, ...headers })
    this.response.end()
  }

  json(status: number, body: unknown, headers: Headers = {}): void {
    this.bytes(status, Buffer.from(JSON.stringify(body)), {
      'content-type': 'application/json; charset=utf-8',
      ...headers
    })
  }

  /** Sends bytes in memory; HEAD gets the length and no body. */
  bytes(status: number, body: Buffer, headers: Headers = {}): void {
    this.#head(status, { 'content-length': body.length, ...headers })
    if (this.method === 'HEAD') {
      this.response.end()
      return
    }
    this.#entry.bytesSent += body.length
    this.response.end(body)
  }

  /** Sends a stream of known length (`headers` carry it), slowly or not to its end where asked. */
  async stream(status: number, source: Readable, headers: Headers, options: StreamOptions = {}): Promise<void> {
    this.#head(status, headers)
    // Without this a client waits for its first byte until the first pause is over.
    this.response.flushHeaders()
    const gone = new AbortController()
    this.response.once('close', () => gone.abort())
    const started = performance.now()
    let sent = 0
    try {
      for await (const part of slices(source, options.bytesPerSecond)) {
        const piece = options.cutAfter === undefined ? part : part.subarray(0, options.cutAfter - sent)
        sent += piece.length
        this.#entry.bytesSent += piece.length
        const room = this.response.write(piece)
        if (options.cutAfter !== undefined && sent >= options.cutAfter) {
          // Ended and not destroyed: what was sent arrives, and then nothing more.
          this.response.socket?.end()
          return
        }
        if (!room) await once(this.response, 'drain', { signal: gone.signal })
        if (options.bytesPerSecond !== undefined)
          await setTimeout(
            Math.max(0, started + (sent / options.bytesPerSecond) * 1000 - performance.now()),
            undefined,
            {
              signal: gone.signal
            }
          )
      }
      this.response.end()
    } catch (error) {
      if (!gone.signal.aborted) throw error
    } finally {
      source.destroy()
    }
  }

  #head(status: number, headers: Headers): void {
    this.#entry.status = status
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.response.setHeader(name, value)
    this.response.writeHead(status)
  }
}

export type Headers = Readonly<Record<string, string | number | readonly string[] | undefined>>

/** A body longer than the host takes. */
export class BodyTooLarge extends Error {
  constructor(limit: number) {
    super(`a body of more than ${limit} bytes`)
  }
}

/** What answers for one host name. */
export type Host = (exchange: Exchange) => Promise<void> | void

/** One TLS server for every name of the pretend cloud; it tells them apart by `Host`, as the clouds' front doors do. */
export class CloudServer {
  readonly requests: LoggedRequest[] = []
  readonly #hosts = new Map<string, Host>()
  readonly #now: () => number
  readonly #server: Server

  private constructor(server: Server, now: () => number) {
    this.#server = server
    this.#now = now
  }

  static async start(certificate: ServerCertificate, now: () => number): Promise<CloudServer> {
    // Uploads of large layers over slow links last longer than Node's five minutes for a request.
    const server = createServer({ ...certificate, keepAliveTimeout: 70_000, requestTimeout: 0 })
    const cloud = new CloudServer(server, now)
    server.on('request', (request, response) => void cloud.#serve(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return cloud
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Lets `host` answer for a name, in place of what answered before. */
  add(name: string, host: Host): void {
    this.#hosts.set(name.toLowerCase(), host)
  }

  remove(name: string): void {
    this.#hosts.delete(name.toLowerCase())
  }

  hosts(): string[] {
    return [...this.#hosts.keys()]
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = (request.headers.host ?? '').replace(/:443$/, '').toLowerCase()
    const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s)
    const range = request.headers.range
    const entry: Mutable<LoggedRequest> = {
      at: this.#now(),
      method: request.method ?? 'GET',
      host,
      path,
      query,
      ...(range === undefined ? {} : { range }),
      status: 0,
      bytesSent: 0
    }
    this.requests.push(entry)
    response.on('error', () => undefined)
    try {
      const exchange = new Exchange(request, response, host, entry)
      const serve = this.#hosts.get(host)
      if (serve === undefined) exchange.bytes(421, Buffer.from('no such host in the pretend cloud\n'))
      else await serve(exchange)
    } catch (error) {
      entry.status = error instanceof BodyTooLarge ? 413 : 500
      if (!response.headersSent)
        response.writeHead(entry.status, { 'content-type': 'text/plain', connection: 'close' }).end('refused\n')
      else response.destroy()
      // The cloud's own mistakes must be seen, or a test hunts for them in its client. A client that left is no mistake.
      if (entry.status === 500 && !request.destroyed)
        process.emitWarning(error instanceof Error ? error : String(error))
    }
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Small enough pieces that a slow answer trickles, ten times a second, and does not come in gusts. */
async function* slices(source: Readable, bytesPerSecond: number | undefined): AsyncGenerator<Buffer> {
  const most = bytesPerSecond === undefined ? Infinity : Math.max(1, Math.floor(bytesPerSecond / 10))
  for await (const part of source as AsyncIterable<Buffer>)
    for (let start = 0; start < part.length; start += most) yield part.subarray(start, start + most)
}
