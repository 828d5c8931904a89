import { request } from 'node:https'

/** Where the API proxy answers, as this module reaches it. */
export interface ProxyAddress {
  readonly host: string
  readonly port: number
}

/** What came of asking for `/v2/` through the API proxy. */
export interface ProxyProbe {
  /** `https://IoTEdgeAPIProxy:8000/v2/` */
  readonly url: string
  /** As the client sees it: 401 is what a registry says, 502 what nginx says while it does not find one. Absent without an answer. */
  readonly status?: number
  /** Whether a registry answered, and not the proxy itself. */
  readonly registry: boolean
  /** Why there was no answer: Node's code, such as `ENOTFOUND` where nobody is called so here. */
  readonly error?: string
}

/** What IoT Edge's own deployment manifests call it, and where it listens. */
export const usualProxy: ProxyAddress = { host: 'IoTEdgeAPIProxy', port: 8000 }

/** Milliseconds: the proxy is on the same device, and whoever asks has 30 seconds. */
const patience = 10_000

/**
 * Asks for `/v2/` as a client behind the API proxy does, to see whether that leads to a registry: nginx looks up the registry's
 * address when it starts and never again, and answers 502 after its container was made anew (facts: connected-registry §6). Nothing
 * secret is sent, so the certificate, which is for the device's name and not for the module's, is not looked at.
 */
export function probeProxy({ host, port }: ProxyAddress, signal: AbortSignal): Promise<ProxyProbe> {
  const url = `https://${host}:${port}/v2/`
  return new Promise((resolve) => {
    const asked = request(
      {
        host,
        port,
        path: '/v2/',
        method: 'GET',
        rejectUnauthorized: false,
        // A kept connection would go to the workers that a reload has told to end.
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(patience)])
      },
      (answer) => {
        answer.resume()
        const status = answer.statusCode ?? 0
        const registry = answer.headers['docker-distribution-api-version'] !== undefined && status < 500
        resolve({ url, status, registry })
      }
    )
    asked.once('error', (error: NodeJS.ErrnoException) => {
      resolve({
        url,
        registry: false,
        error: error.name === 'AbortError' ? 'ETIMEDOUT' : (error.code ?? error.message)
      })
    })
    asked.end()
  })
}
