import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Passes TCP on to a port of loopback. While it is silent it passes nothing and closes nothing; what waits goes on after that. */
export class SilentLink {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isSilent = false

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1')
      for (const [from, to] of [
        [client, upstream],
        [upstream, client]
      ] as const) {
        this.#sockets.add(from)
        from.on('data', (bytes) => to.write(bytes))
        if (this.#isSilent) from.pause()
        from.on('error', () => undefined)
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
      }
    })
  }

  static async start(target: number): Promise<SilentLink> {
    const link = new SilentLink(target)
    await once(link.#server.listen(0, '127.0.0.1'), 'listening')
    return link
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent
    for (const socket of this.#sockets)
      if (isSilent) socket.pause()
      else socket.resume()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
