import { request, type RequestOptions } from 'node:http'
import { text } from 'node:stream/consumers'
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
    const { status, body } = await get(workloadUri, `/trust-bundle?api-version=${apiVersion}`, signal)
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

async function get(
  workloadUri: string,
  path: string,
  signal: AbortSignal
): Promise<{ readonly status: number; readonly body: string }> {
  const { protocol, hostname, port, pathname } = new URL(workloadUri)
  const place: RequestOptions = protocol === 'unix:' ? { socketPath: pathname } : { hostname, port }
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
  // `Host: localhost` is what aziot-edged expects on its socket.
  const headers = protocol === 'unix:' ? { host: 'localhost' } : {}
  request({ ...place, path, headers, signal }, (response) => {
    text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
  })
    .on('error', reject)
    .end()
  return promise
}
