import { once } from 'node:events'
import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { OutgoingHttpHeaders, RequestOptions, ServerResponse } from 'node:http'
import { createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { goesOn, type Routing } from './routing.ts'

/** nginx's proxy_read_timeout of the template. */
const readTimeoutMs = 3_600_000

export interface ApiProxyOptions {
  readonly routing: Routing
  /** Names of the module network, as `module:port` → loopback port: looked at once, as nginx does. */
  readonly names: Readonly<Record<string, number>>
  readonly certificate: { readonly cert: string; readonly key: string }
  /** What the parent's certificate is verified with. */
  readonly trustBundle: string
  /** The pretend internet. */
  readonly proxyUrl: string
  readonly log: (line: string) => void
}

export interface ApiProxy {
  readonly port: number
  close(): Promise<void>
}

/** Where requests go: how to open one, and the headers that change on the way. */
interface Upstream {
  open(options: RequestOptions): ClientRequest
  headers(request: IncomingMessage): OutgoingHttpHeaders
}

/**
 * Starts the pretend API proxy.
 *
 * @param listen port 0 takes any
 * @throws {Error} `host not found in upstream`, for which nginx does not start at all
 */
export async function startApiProxy(
  options: ApiProxyOptions,
  listen: { readonly host: string; readonly port: number }
): Promise<ApiProxy> {
  const upstream = findUpstream(options)
  const server = createServer({ ...options.certificate, minVersion: 'TLSv1.2' }, (request, response) => {
    void serve(request, response, options, upstream)
  })
  // Uploads and downloads take as long as they take.
  server.requestTimeout = 0
  server.listen(listen.port, listen.host)
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => close(server) }
}

function findUpstream({ routing, names, proxyUrl, trustBundle }: ApiProxyOptions): Upstream | undefined {
  switch (routing.kind) {
    case 'none':
      return undefined
    case 'registry': {
      const port = names[routing.address.toLowerCase()]
      if (port === undefined) throw new Error(`host not found in upstream "${routing.address}"`)
      return {
        open: (request) => httpRequest({ ...request, host: '127.0.0.1', port }),
        headers: (request) => ({
          ...passedOn(request.headers),
          // Host is not forwarded: nginx names its upstream.
          host: routing.address,
          'x-forwarded-host': request.headers.host ?? '',
          'x-forwarded-proto': 'https'
        })
      }
    }
    case 'relay': {
      const { host, port } = routing
      const agent = new HttpsProxyAgent(proxyUrl)
      return {
        open: (request) => httpsRequest({ ...request, host, port, servername: host, ca: trustBundle, agent }),
        headers: (request) => ({ ...passedOn(request.headers), host: `${host}:${port}` })
      }
    }
  }
}

/** Hop-by-hop headers end here (RFC 9110 §7.6.1). */
function passedOn(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const { connection: _c, 'keep-alive': _k, 'proxy-connection': _p, upgrade: _u, te: _t, ...rest } = headers
  // Node sets the framing of the body itself from these two.
  return rest
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { routing, log }: ApiProxyOptions,
  upstream: Upstream | undefined
): Promise<void> {
  const path = request.url ?? '/'
  const end = (status: number, text: string): void => {
    if (response.headersSent) response.destroy()
    else response.writeHead(status, { 'content-type': 'text/html', server: 'nginx' }).end(`${status} ${text}\n`)
  }
  response.once('close', () => log(`"${request.method ?? ''} ${path.split('?')[0] ?? ''}" ${response.statusCode}\n`))
  if (upstream === undefined || !goesOn(routing, path)) {
    end(404, 'Not Found')
    request.resume()
    return
  }
  const headers = upstream.headers(request)
  const onward = upstream.open({ method: request.method ?? 'GET', path, headers, timeout: readTimeoutMs })
  onward.once('timeout', () => onward.destroy(new Error('upstream timed out')))
  response.once('close', () => onward.destroy())
  // Errors before the answer reject the wait below; one behind it has already reached the answer's own stream.
  onward.on('error', () => undefined)
  request.pipe(onward)
  try {
    const [answer] = (await once(onward, 'response')) as [IncomingMessage]
    response.writeHead(answer.statusCode ?? 502, passedOn(answer.headers))
    await pipeline(answer, response)
  } catch (error) {
    log(`upstream failed: ${(error as Error).message}\n`)
    end(502, 'Bad Gateway')
  }
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
