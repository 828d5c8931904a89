import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Bounds what connections cost on which no request is under way: those of clients that dribble a header for as long as they
 * may (slow loris), of those that were cut off without a word, and those that are kept for the next request. One more than
 * that ends the one that has been idle longest, so that a flood of them never keeps out who has something to ask.
 */
export function limitIdle(server: Server, most: number): void {
  /** In the order in which they became idle. */
  const idle = new Set<Socket>()
  /** Requests under way: there are several where a client does not wait for answers. */
  const working = new Map<Socket, number>()

  const rest = (socket: Socket): void => {
    idle.add(socket)
    const [oldest] = idle
    if (idle.size <= most || oldest === undefined) return
    idle.delete(oldest)
    oldest.destroy()
  }
  const work = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    idle.delete(socket)
    working.set(socket, (working.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const left = (working.get(socket) ?? 1) - 1
      if (left > 0) working.set(socket, left)
      else {
        working.delete(socket)
        if (!socket.destroyed) rest(socket)
      }
    })
  }
  server.on('connection', (socket: Socket) => {
    rest(socket)
    socket.once('close', () => idle.delete(socket))
  })
  server.on('request', work).on('checkContinue', work).on('checkExpectation', work)
}
