import type { Agent, Dispatcher, ProxyAgent } from 'undici'
import { ParentError } from './errors.ts'
import { trustedRoots } from './trust.ts'
import type { ParentWatch } from './watch.ts'

/** How long the parent may keep this module waiting, each in milliseconds. */
export interface ParentTimeouts {
  /** For a connection, TLS included. */
  readonly connect: number
  /** From the request to the answer's headers. */
  readonly headers: number
  /** Between two pieces of an answer's body. */
  readonly bodyIdle: number
}

/** Gateways sit on slow links: generous, and yet short enough that a dead link is noticed within a pass. */
export const defaultTimeouts: ParentTimeouts = { connect: 20_000, headers: 60_000, bodyIdle: 60_000 }

/** Connections to the network: direct, or through the proxies that the environment names. */
export interface Outbound {
  /** @throws {ParentError} where the proxy's variable cannot be used: it fails the requests that need it, not the module */
  dispatcher(url: URL): Promise<Dispatcher>
  /** {@link ParentTimeouts.bodyIdle} */
  readonly bodyIdle: number
  /** Looks at every answer. */
  readonly watch?: ParentWatch
  /** Ends every connection at once. */
  close(): Promise<void>
}

/**
 * @param environment `https_proxy`, `http_proxy` and `no_proxy`, in lower or upper case (lower wins, as with curl); a proxy URL
 *   may carry Basic credentials
 */
export function createOutbound(
  environment: Readonly<Record<string, string | undefined>>,
  extraCertificates: string | undefined,
  timeouts: ParentTimeouts
): Outbound {
  const proxies = { 'https:': readProxy(environment, 'https_proxy'), 'http:': readProxy(environment, 'http_proxy') }
  const exceptions = readExceptions(value(environment, 'no_proxy') ?? '')
  const agents = new Map<Proxy | undefined, Promise<Agent | ProxyAgent>>()
  let closed = false
  return {
    bodyIdle: timeouts.bodyIdle,
    dispatcher: async (url) => {
      const wanted = url.protocol === 'https:' ? proxies['https:'] : proxies['http:']
      const isDirect = wanted === undefined || exceptions.some((exception) => exception(url))
      if (!isDirect && wanted instanceof ParentError) throw wanted
      const proxy = isDirect || wanted instanceof ParentError ? undefined : wanted
      if (closed) throw new ParentError('PARENT_UNREACHABLE', 'the connections to the network were closed meanwhile')
      const agent = agents.get(proxy) ?? makeAgent(proxy, extraCertificates, timeouts)
      agents.set(proxy, agent)
      return agent
    },
    close: async () => {
      closed = true
      await Promise.all([...agents.values()].map(async (agent) => (await agent).destroy()))
    }
  }
}

async function makeAgent(
  proxy: Proxy | undefined,
  extraCertificates: string | undefined,
  timeouts: ParentTimeouts
): Promise<Agent | ProxyAgent> {
  // It takes a good part of a start to load, and nobody asks the parent before the first answer.
  const { Agent, Pool, ProxyAgent } = await import('undici')
  const ca = trustedRoots(extraCertificates)
  const tls = { timeout: timeouts.connect, ...(ca === undefined ? {} : { ca }) }
  const common = {
    headersTimeout: timeouts.headers,
    bodyTimeout: timeouts.bodyIdle,
    // Answers of registries carry long tokens and links.
    maxHeaderSize: 64 * 1024
  }
  if (proxy === undefined) return new Agent({ ...common, connect: tls })
  const credentials = `${proxy.username}:${proxy.password}`
  return new ProxyAgent({
    ...common,
    uri: proxy.origin,
    ...(credentials === ':' ? {} : { token: `Basic ${Buffer.from(credentials).toString('base64')}` }),
    requestTls: tls,
    proxyTls: tls,
    // Without it a proxy that accepts and then says nothing holds a request for undici's default of five minutes.
    clientFactory: (origin, options) => new Pool(origin, { ...options, headersTimeout: timeouts.connect }),
    // Plain http goes to the proxy as an ordinary request: many proxies allow CONNECT to port 443 only.
    proxyTunnel: false
  })
}

/**
 * The outbound proxy that a request goes through, without its credentials.
 *
 * @returns undefined where it goes straight
 * @throws {ParentError} where the proxy's variable cannot be used
 */
export function proxyFor(environment: Readonly<Record<string, string | undefined>>, url: URL): URL | undefined {
  const proxy = readProxy(environment, url.protocol === 'https:' ? 'https_proxy' : 'http_proxy')
  const isExcepted = readExceptions(value(environment, 'no_proxy') ?? '').some((exception) => exception(url))
  if (proxy === undefined || isExcepted) return undefined
  if (proxy instanceof ParentError) throw proxy
  return new URL(proxy.origin)
}

function value(environment: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  const found = environment[name]?.trim() ?? environment[name.toUpperCase()]?.trim()
  return found === '' ? undefined : found
}

interface Proxy {
  readonly origin: string
  readonly username: string
  readonly password: string
}

function readProxy(
  environment: Readonly<Record<string, string | undefined>>,
  name: string
): Proxy | ParentError | undefined {
  const text = value(environment, name)
  if (text === undefined) return undefined
  try {
    const url = new URL(text.includes('://') ? text : `http://${text}`)
    if (url.protocol === 'http:' || url.protocol === 'https:')
      return {
        origin: url.origin,
        username: decodeURIComponent(url.username),
        password: decodeURIComponent(url.password)
      }
  } catch {
    // Neither the text nor the URL parser's words about it are repeated: they may hold a password.
  }
  return new ParentError(
    'PARENT_UNREACHABLE',
    `${name} cannot be used: it must read http://[user:password@]host[:port], with other characters of user and password percent-encoded`
  )
}

/** Host names in no_proxy cover what is below them (`example.com` and `.example.com` alike); a port narrows; `*` is all. */
function readExceptions(text: string): ((url: URL) => boolean)[] {
  return text
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .map((entry) => {
      if (entry === '*') return () => true
      const [, name = entry, port] = /^([^:]+|\[.*\]):(\d+)$/.exec(entry) ?? []
      const host = name
        .replace(/^\*?\./, '')
        .replace(/^\[|\]$/g, '')
        .toLowerCase()
      return (url) => {
        const asked = url.hostname.replace(/^\[|\]$/g, '')
        if (port !== undefined && port !== portOf(url)) return false
        return asked === host || asked.endsWith(`.${host}`)
      }
    })
}

function portOf(url: URL): string {
  return url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
}
