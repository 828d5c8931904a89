import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { readListen } from './settings/environment.ts'

/*
 * What the image's HEALTHCHECK runs: ends with 0 where the module of this container answers 200 at /healthz. A base image may
 * hold no other HTTP client than Node.
 */

/** Milliseconds. */
const patience = 5_000
const { host, port } = readListen(process.env)
// An address to listen on is no address to ask.
const asked = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host

function isWell(request: typeof httpRequest): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Its own certificate carries the gateway's name, and this never leaves the container.
    const options = { host: asked, port, path: '/healthz', timeout: patience, rejectUnauthorized: false }
    request(options, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
      .once('timeout', () => resolve(false))
      .once('error', reject)
      .end()
  })
}

const well = await isWell(httpRequest).catch(() => isWell(httpsRequest).catch(() => false))
process.exit(well ? 0 : 1)
