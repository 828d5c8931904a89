import type { IncomingMessage } from 'node:http'
import type { Client } from './authorizer.ts'

/** The registry as the client addresses it. */
export interface Origin {
  readonly scheme: 'http' | 'https'
  /** `host[:port]` */
  readonly host: string
}

const hostPattern = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/**
 * Reads the address a client used. IoT Edge's API proxy passes no `Host` on, but sets `X-Forwarded-Host` (with the port)
 * and `X-Forwarded-Proto`. From anybody else they are passed over: a shared cache on the way, or a page in a browser, could
 * be made to hand a realm to others that collects their passwords. What is no host is not repeated into a header.
 *
 * @param trusted whether the connection is a proxy's whose word counts
 */
export function readOrigin(request: IncomingMessage, trusted: boolean): Origin {
  const forwardedHost = trusted ? firstOf(request.headers['x-forwarded-host']) : undefined
  const forwardedProto = trusted ? firstOf(request.headers['x-forwarded-proto']) : undefined
  const host = [forwardedHost, request.headers.host].find((each) => each !== undefined && hostPattern.test(each))
  const scheme =
    forwardedProto === 'https' || forwardedProto === 'http' ? forwardedProto : isEncrypted(request) ? 'https' : 'http'
  return { scheme, host: host ?? localAddress(request) }
}

/** Who is at the other end of the connection: behind a proxy, the proxy. */
export function readClient(request: IncomingMessage, correlationId: string): Client {
  return { address: request.socket.remoteAddress ?? '', encrypted: isEncrypted(request), correlationId }
}

function isEncrypted({ socket }: IncomingMessage): boolean {
  return 'encrypted' in socket
}

/** HTTP/1.0 clients send no `Host`. */
function localAddress({ socket }: IncomingMessage): string {
  const address = socket.localAddress ?? '127.0.0.1'
  return `${address.includes(':') ? `[${address}]` : address}:${socket.localPort ?? 80}`
}

/** Behind several proxies the first entry is the client's. */
function firstOf(header: string | string[] | undefined): string | undefined {
  const [text] = Array.isArray(header) ? header : [header]
  return text?.split(',', 1)[0]?.trim()
}
