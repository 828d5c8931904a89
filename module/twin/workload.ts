import { request, type RequestOptions } from 'node:http'
import { text } from 'node:stream/consumers'
import type { ModuleIdentity } from './environment.ts'
import { messageOf, TwinError } from './errors.ts'

/** The oldest version of the workload API, which every IoT Edge release speaks and the SDK asks for too. */
const apiVersion = '2018-06-28'

/**
 * Asks IoT Edge's workload API for the certificates that this device trusts.
 *
 * @param workloadUri `unix:///path` or `http://host:port/`
 * @param signal gives up, with whatever time-out the caller chose
 * @returns PEM, one certificate or several
 * @throws {TwinError} `WORKLOAD_UNREACHABLE`
 */
export async function fetchTrustBundle(workloadUri: string, signal: AbortSignal): Promise<string> {
  try {
    const { status, body } = await ask(workloadUri, `/trust-bundle?api-version=${apiVersion}`, signal)
    if (status !== 200) throw new Error(`it answered ${status}`)
    const { certificate } = JSON.parse(body) as { readonly certificate?: unknown }
    if (typeof certificate !== 'string' || certificate === '') throw new Error('it answered without a certificate')
    return certificate
  } catch (error) {
    const reason = signal.aborted ? 'no answer in time' : messageOf(error)
    throw new TwinError('WORKLOAD_UNREACHABLE', `no trust bundle from the workload API at ${workloadUri}: ${reason}`, {
      cause: error
    })
  }
}

/** What IoT Edge makes for a module that serves TLS. */
export interface WorkloadCertificate {
  /** PEM: the certificate, then those up to the device's authority. */
  readonly certificate: string
  /** PEM. */
  readonly key: string
}

/** Days that are asked for; aziot-edged shortens them to what its own certificate has left. */
const certificateDays = 30

/**
 * Asks IoT Edge's workload API for a server certificate, which whoever trusts the device trusts.
 *
 * @param commonName what clients call this server; the module's own name is added by IoT Edge
 * @param signal gives up, with whatever time-out the caller chose
 * @throws {TwinError} `WORKLOAD_UNREACHABLE`
 * @see https://github.com/Azure/iotedge/blob/main/edgelet/api/workload.yaml
 */
export async function fetchServerCertificate(
  identity: Pick<ModuleIdentity, 'workloadUri' | 'moduleId' | 'generationId'>,
  commonName: string,
  signal: AbortSignal
): Promise<WorkloadCertificate> {
  const { workloadUri, moduleId, generationId } = identity
  const path = `/modules/${encodeURIComponent(moduleId)}/genid/${encodeURIComponent(generationId)}/certificate/server`
  const expiration = new Date(Date.now() + certificateDays * 86_400_000).toISOString()
  try {
    const { status, body } = await ask(
      workloadUri,
      `${path}?api-version=${apiVersion}`,
      signal,
      JSON.stringify({ commonName, expiration })
    )
    if (status !== 201 && status !== 200) throw new Error(`it answered ${status}`)
    const { certificate, privateKey } = JSON.parse(body) as {
      readonly certificate?: unknown
      readonly privateKey?: { readonly bytes?: unknown }
    }
    if (typeof certificate !== 'string' || typeof privateKey?.bytes !== 'string')
      throw new Error('it answered without a certificate and its key')
    return { certificate, key: privateKey.bytes }
  } catch (error) {
    // What was answered may hold a key, and a JSON parser's words would repeat it.
    const words = error instanceof SyntaxError ? 'it answered something that is no JSON' : messageOf(error)
    throw new TwinError(
      'WORKLOAD_UNREACHABLE',
      `no server certificate from the workload API at ${workloadUri}: ${signal.aborted ? 'no answer in time' : words}`
    )
  }
}

async function ask(
  workloadUri: string,
  path: string,
  signal: AbortSignal,
  json?: string
): Promise<{ readonly status: number; readonly body: string }> {
  const { protocol, hostname, port, pathname } = new URL(workloadUri)
  const place: RequestOptions = protocol === 'unix:' ? { socketPath: pathname } : { hostname, port }
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
  const headers = {
    // `Host: localhost` is what aziot-edged expects on its socket.
    ...(protocol === 'unix:' ? { host: 'localhost' } : {}),
    ...(json === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
  }
  request({ ...place, path, headers, signal, method: json === undefined ? 'GET' : 'POST' }, (response) => {
    text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
  })
    .on('error', reject)
    .end(json)
  return promise
}
