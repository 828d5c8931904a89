import { Agent, ProxyAgent, request, type Dispatcher } from 'undici'
import { PullError, type Answer, type Fetch } from './pull.ts'

/** One connection attempt, one silent server: an engine gives up, and edgeAgent tries again later. */
const timeoutMs = 30_000
/** Manifests are at most 4 MiB (registry.md §1.4) and configs far smaller. */
const mostBytes = 8 * 1024 * 1024

export interface EngineFetch {
  readonly fetch: Fetch
  close(): Promise<void>
}

/**
 * The network as the container engine of one device sees it: 127.0.0.1 is the device itself, every other name is on the
 * pretend internet. The cloud's names answer with the cloud's certificates, the device's parent with IoT Edge's.
 *
 * @param options.localPort the loopback port behind a host port of the device
 */
export function engineFetch(options: {
  readonly proxyUrl: string
  readonly cloudCertificate: string
  readonly edgeCertificate: string
  readonly parentHostName: string | undefined
  readonly localPort: (hostPort: number) => number | undefined
}): EngineFetch {
  const limits = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs }
  const direct = new Agent(limits)
  const through = (ca: string): ProxyAgent =>
    new ProxyAgent({ uri: options.proxyUrl, requestTls: { ca, timeout: timeoutMs }, ...limits })
  const cloud = through(options.cloudCertificate)
  const edge = through(options.edgeCertificate)

  const choose = (url: URL): { dispatcher: Dispatcher; target: URL } => {
    if (url.hostname !== '127.0.0.1')
      return { dispatcher: url.hostname === options.parentHostName ? edge : cloud, target: url }
    const hostPort = Number(url.port === '' ? 80 : url.port)
    const port = options.localPort(hostPort)
    if (port === undefined) throw new PullError(`connect to 127.0.0.1:${hostPort}: connection refused`)
    const target = new URL(url)
    target.port = String(port)
    return { dispatcher: direct, target }
  }

  return {
    async fetch(url, headers, signal): Promise<Answer> {
      const { dispatcher, target } = choose(url)
      try {
        const answer = await request(target, { dispatcher, headers: { ...headers, host: url.host }, signal })
        return { status: answer.statusCode, headers: answer.headers, body: await readBody(answer.body) }
      } catch (cause) {
        if (cause instanceof PullError) throw cause
        throw new PullError(`${url.host} cannot be reached: ${reason(cause)}`, { cause })
      }
    },
    async close() {
      await Promise.all([direct.destroy(), cloud.destroy(), edge.destroy()])
    }
  }
}

async function readBody(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > mostBytes) throw new PullError(`the registry sent more than ${mostBytes} bytes where a manifest belongs`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const inner = cause.cause instanceof Error ? ` (${cause.cause.message})` : ''
  return `${cause.message}${inner}`
}
