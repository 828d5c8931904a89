import type { Agent as HttpAgent } from 'node:http'
import { Agent } from 'node:https'
import { HttpsProxyAgent } from 'https-proxy-agent'

type Variables = Readonly<Record<string, string | undefined>>

/**
 * The proxy for an HTTPS host by the usual variables, lower case before upper. `@azure/*` honours them by itself;
 * azure-iothub knows nothing of proxies, so it is given an agent (facts: azure-sdk §4).
 */
export function proxyFor(host: string, env: Variables): string | undefined {
  const proxy = value(env, 'https_proxy') ?? value(env, 'all_proxy')
  return proxy === undefined || isExempt(host, value(env, 'no_proxy') ?? '') ? undefined : proxy
}

/** An agent that goes through the proxy where there is one for this host. */
export function agentFor(host: string, env: Variables): HttpAgent {
  const proxy = proxyFor(host, env)
  if (proxy === undefined) return new Agent({ keepAlive: true })
  return new KeptProxyAgent(proxy.includes('://') ? proxy : `http://${proxy}`, { keepAlive: true })
}

/**
 * Where the protocol does not stand among a request's options, as with azure-iothub, agent-base looks for `node:https` in the
 * stack: there when a request asks for a connection, and no longer when one is put back. The two had different names, and none
 * was used twice. Whatever goes this way is HTTPS.
 */
class KeptProxyAgent extends HttpsProxyAgent<string> {
  override isSecureEndpoint(): true {
    return true
  }
}

/** `*`, a name with all below it (`.example.com`, `example.com`, `*.example.com`), or an address. */
function isExempt(host: string, list: string): boolean {
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const name = entry
        .replace(/^\*?\./, '')
        .replace(/:443$/, '')
        .toLowerCase()
      return entry === '*' || host.toLowerCase() === name || host.toLowerCase().endsWith(`.${name}`)
    })
}

function value(env: Variables, name: string): string | undefined {
  const found = env[name] ?? env[name.toUpperCase()]
  return found === undefined || found.trim() === '' ? undefined : found.trim()
}
