import { createServer, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * The pretend internet: names with ports, each leading to a server on loopback, reached the way that locked-down sites reach
 * the real one, through an HTTP proxy with CONNECT. Programs need no override to be pointed at the pretend Azure, only
 * `https_proxy`, which they honour anyway.
 */
export class Network {
  readonly #routes = new Map<string, number>()
  readonly #severed: RegExp[] = []
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()
  readonly #opened = new Map<string, number>()

  private constructor() {
    this.#server = createServer((_request, response) => {
      response.writeHead(405, { 'content-type': 'text/plain' }).end('this proxy speaks CONNECT only\n')
    })
    this.#server.on('connect', (request, client, head) => this.#tunnel(request.url ?? '', client, head))
  }

  static async start(): Promise<Network> {
    const network = new Network()
    network.#server.listen(0, '127.0.0.1')
    await once(network.#server, 'listening')
    return network
  }

  /** `http://127.0.0.1:port`, for `https_proxy`. */
  get proxyUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /**
   * Makes `host:port` lead to a port on loopback. `*.azurecr.io:443` covers every name with one more label or several.
   * A later call for the same name moves it.
   */
  route(name: string, port: number): void {
    this.#routes.set(name.toLowerCase(), port)
  }

  /** Takes a name away again, as when a container stops. */
  unroute(name: string): void {
    this.#routes.delete(name.toLowerCase())
  }

  /** Cuts the link to every `host:port` that matches: open tunnels break, new ones are refused with 502. */
  sever(names: RegExp): void {
    this.#severed.push(names)
    for (const socket of this.#sockets) if (names.test(labels.get(socket) ?? '')) socket.destroy()
  }

  /** Undoes every {@link sever}. */
  restore(): void {
    this.#severed.length = 0
  }

  /** The loopback port behind a name, or undefined where there is none or the link is cut. */
  resolve(name: string): number | undefined {
    const wanted = name.toLowerCase()
    if (this.#severed.some((pattern) => pattern.test(wanted))) return undefined
    const exact = this.#routes.get(wanted)
    if (exact !== undefined) return exact
    for (const [pattern, port] of this.#routes)
      if (pattern.startsWith('*.') && wanted.endsWith(pattern.slice(1))) return port
    return undefined
  }

  /** How many tunnels were opened to a `host:port` so far. */
  tunnelsTo(name: string): number {
    return this.#opened.get(name.toLowerCase()) ?? 0
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #tunnel(name: string, client: Duplex, head: Buffer): void {
    this.#track(client, name)
    const port = this.resolve(name)
    if (port === undefined) {
      client.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n')
      return
    }
    this.#opened.set(name.toLowerCase(), this.tunnelsTo(name) + 1)
    const server: Socket = connect(port, '127.0.0.1')
    this.#track(server, name)
    server.once('connect', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      server.write(head)
      server.pipe(client).pipe(server)
    })
    server.once('close', () => client.destroy())
    client.once('close', () => server.destroy())
  }

  #track(socket: Duplex, name: string): void {
    labels.set(socket, name.toLowerCase())
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // A reset tunnel is the pretend weather; the 'close' that follows takes the other end down.
    socket.on('error', () => undefined)
  }
}

const labels = new WeakMap<Duplex, string>()
