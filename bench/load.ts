import { connect, type Socket } from 'node:net'

/*
 * A load client in a process of its own: some keep-alive connections, each with one request after another on it. It only
 * counts: bodies are read into one buffer, 1 MiB at a time, because small reads would make it the bottleneck. Prints JSON.
 */

export interface LoadOrder {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly method: 'GET' | 'HEAD'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export interface LoadResult {
  readonly requests: number
  /** Of bodies. */
  readonly bytes: number
  readonly seconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

const headEnd = Buffer.from('\r\n\r\n')
const shared = Buffer.allocUnsafeSlow(1024 * 1024)

if (process.argv[1] === import.meta.filename) {
  const order = JSON.parse(process.argv[2] ?? '{}') as LoadOrder
  process.stdout.write(JSON.stringify(await load(order)))
  process.exit()
}

async function load({ port, connections, seconds, method, path, headers }: LoadOrder): Promise<LoadResult> {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  const request = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  const times: number[] = []
  let bytes = 0
  const began = performance.now()
  const until = began + seconds * 1000

  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      /** Of the body; undefined while the head is awaited. */
      let left: number | undefined
      let head = Buffer.alloc(0)
      let sentAt = 0
      const ask = (socket: Socket): void => {
        sentAt = performance.now()
        left = undefined
        socket.write(request)
      }
      const take = (count: number): void => {
        let chunk = shared.subarray(0, count)
        if (left === undefined) {
          head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
          const end = head.indexOf(headEnd)
          if (end < 0) {
            head = Buffer.from(head)
            return
          }
          const text = head.toString('latin1', 0, end)
          const status = Number(text.slice(9, 12))
          if (status !== 200) {
            socket.destroy(new Error(`${method} ${path}: ${text}`))
            return
          }
          left = method === 'HEAD' ? 0 : Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? NaN)
          chunk = head.subarray(end + headEnd.length)
          head = Buffer.alloc(0)
        }
        left -= chunk.length
        bytes += chunk.length
        if (left > 0) return
        const now = performance.now()
        times.push(now - sentAt)
        if (now >= until) {
          socket.destroy()
          resolve()
        } else ask(socket)
      }
      const socket = connect(
        {
          port,
          host: '127.0.0.1',
          onread: {
            buffer: shared,
            callback: (count) => {
              take(count)
              return true
            }
          }
        },
        () => ask(socket)
      )
      socket.setNoDelay(true)
      socket.on('error', reject)
      socket.on('close', () => reject(new Error(`${method} ${path}: the server closed the connection`)))
    })

  await Promise.all(Array.from({ length: connections }, run))
  times.sort((a, b) => a - b)
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN
  return { requests: times.length, bytes, seconds: (performance.now() - began) / 1000, p50: at(0.5), p99: at(0.99) }
}
