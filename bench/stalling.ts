import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Content } from './content.ts'
import type { Running } from './servers.ts'

export const stalledReaders = 64

/** Does some work while so many readers have begun a blob of 64 MiB and take no more of it. */
export async function whileStalled<T>(
  server: Running,
  content: Content,
  readers: number,
  work: () => Promise<T>
): Promise<T> {
  const stalled = await Promise.all(Array.from({ length: readers }, () => stall(server, content)))
  try {
    return await work()
  } finally {
    for (const socket of stalled) socket.destroy()
  }
}

/** A reader that takes the first bytes of a large blob and no more. */
async function stall(server: Running, { repository, blobs }: Content): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  const headers = Object.entries(await server.headers()).map(([name, value]) => `${name}: ${value}\r\n`)
  const path = `/v2/${repository}/blobs/${blobs.get('64 MiB')?.digest ?? ''}`
  socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n${headers.join('')}\r\n`)
  await once(socket, 'readable')
  return socket
}
