import { Agent, fetch, ProxyAgent } from 'undici'
import { networkCodeOf } from '../azure/errors.ts'
import { proxyFor } from '../azure/proxy.ts'
import { throwIfCancelled } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'

/** Whether a cloud registry takes a password now. */
export type Proof = (token: string, password: string) => Promise<boolean>

/** Milliseconds for one request. */
const requestTimeout = 20_000

/**
 * Asks the cloud registry for a token, as a container engine that logs in does: a password counts when that is given, and not
 * before (a new one takes Azure up to two minutes).
 *
 * @see https://github.com/Azure/acr/blob/main/docs/Token-BasicAuth.md
 */
export function registryProof(
  loginServer: string,
  options: { readonly env: Readonly<Record<string, string | undefined>>; readonly signal: AbortSignal }
): Proof {
  const proxy = proxyFor(loginServer, options.env)
  const uri = proxy === undefined || proxy.includes('://') ? proxy : `http://${proxy}`
  const dispatcher = uri === undefined ? new Agent() : new ProxyAgent(uri)
  const url = `https://${loginServer}/oauth2/token?service=${encodeURIComponent(loginServer)}`
  return async (token, password) => {
    try {
      const response = await fetch(url, {
        dispatcher,
        headers: { authorization: `Basic ${Buffer.from(`${token}:${password}`).toString('base64')}` },
        signal: AbortSignal.any([options.signal, AbortSignal.timeout(requestTimeout)])
      })
      await response.body?.cancel()
      if (response.ok) return true
      // Not yet, or not any more: asked again until the time is over. So is a registry that is busy.
      if ([401, 403, 429].includes(response.status) || response.status >= 500) return false
      throw new GeneratorError('AZURE_REFUSED', `${loginServer} answers ${response.status} to a login as ${token}`)
    } catch (error) {
      throwIfCancelled(options.signal)
      if (error instanceof GeneratorError) throw error
      const reason = networkCodeOf(error) ?? (error as Error).name
      throw new GeneratorError(
        'AZURE_UNREACHABLE',
        `logging in as ${token}: ${loginServer} cannot be reached (${reason}); check the network; behind a proxy, set https_proxy`
      )
    }
  }
}
