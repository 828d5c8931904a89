import { Agent, fetch } from 'undici'

const timeoutMs = 30_000
const apiVersion = '2019-01-30'

/** What nginx needs before it starts. */
export interface Identity {
  readonly certificate: { readonly cert: string; readonly key: string }
  readonly trustBundle: string
}

/**
 * Fetches the server certificate and the trust bundle from the workload API, as the API proxy does at its start.
 *
 * @param commonName the gateway's host name
 * @throws {Error} naming the variable that is missing or the request that failed
 */
export async function fetchIdentity(
  environment: Readonly<Record<string, string | undefined>>,
  commonName: string
): Promise<Identity> {
  const need = (name: string): string => {
    const value = environment[name]
    if (value === undefined || value === '') throw new Error(`${name} is not set: this runs as an IoT Edge module`)
    return value
  }
  const module = encodeURIComponent(need('IOTEDGE_MODULEID'))
  const generation = encodeURIComponent(need('IOTEDGE_MODULEGENERATIONID'))
  const base = need('IOTEDGE_WORKLOADURI')
  const server = await ask(base, `modules/${module}/genid/${generation}/certificate/server`, {
    commonName,
    expiration: new Date(Date.now() + 5 * 86_400_000).toISOString()
  })
  const bundle = await ask(base, 'trust-bundle')
  const { certificate, privateKey } = server as { certificate: string; privateKey: { bytes: string } }
  return {
    certificate: { cert: certificate, key: privateKey.bytes },
    trustBundle: (bundle as { certificate: string }).certificate
  }
}

async function ask(base: string, path: string, body?: object): Promise<unknown> {
  const { protocol, pathname: socketPath } = new URL(base)
  const isSocket = protocol === 'unix:'
  const url = new URL(`${path}?api-version=${apiVersion}`, isSocket ? 'http://localhost/' : base)
  const answer = await fetch(url, {
    ...(isSocket ? { dispatcher: new Agent({ connect: { socketPath } }) } : {}),
    ...(body === undefined
      ? {}
      : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    signal: AbortSignal.timeout(timeoutMs)
  })
  if (!answer.ok) throw new Error(`the workload API answered ${answer.status} to ${url.pathname}`)
  return answer.json()
}
