import type { IncomingMessage } from 'node:http'

/** The registry as the client addresses it. */
export interface Origin {
  readonly scheme: 'http' | 'https'
  /** `host[:port]` */
  readonly host: string
}

const hostPattern = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/**
 * Reads the address a client used. IoT Edge's API proxy passes no `Host` on, but sets `X-Forwarded-Host` (with the port)
 * and `X-Forwarded-Proto`; a client that sets them itself misleads nobody but itself. What is no host is not repeated
 * into a header.
 */
export function readOrigin(request: IncomingMessage): Origin {
  const encrypted = 'encrypted' in request.socket
  const forwardedHost = firstOf(request.headers['x-forwarded-host'])
  const forwardedProto = firstOf(request.headers['x-forwarded-proto'])
  const host = [forwardedHost, request.headers.host].find((each) => each !== undefined && hostPattern.test(each))
  const scheme = forwardedProto === 'https' || forwardedProto === 'http' ? forwardedProto : encrypted ? 'https' : 'http'
  return { scheme, host: host ?? localAddress(request) }
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
