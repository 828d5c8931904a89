import { randomBytes, randomUUID } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import type { Host } from '../cloud-http.ts'

export const pipelinesHost = 'dev.azure.com'

/** What the application's federated credential says of whom it trusts; the same for each service connection. */
const issuer = 'https://vstoken.dev.azure.com/00000000-0000-0000-0000-0000000000dd'
const audience = 'api://AzureADTokenExchange'

/**
 * Azure Pipelines as far as workload identity federation needs it: a running job asks for a token of its service connection, and
 * Entra takes that in place of a secret. (REST: distributedtask oidctoken create, 7.1; it lives ten minutes.)
 */
export class PipelineIdentity {
  /** The job's `System.AccessToken`. */
  readonly accessToken = randomBytes(24).toString('base64url')
  readonly serviceConnectionId: string = randomUUID()
  /** `System.OidcRequestUri` of the job. */
  readonly requestUri = `https://${pipelinesHost}/plant/_apis/distributedtask/hubs/build/plans/1/jobs/1/oidctoken`
  readonly #key = randomBytes(32)
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  readonly serve: Host = async (exchange) => {
    const expected = new URL(this.requestUri)
    if (exchange.method !== 'POST' || exchange.url.pathname !== expected.pathname) {
      exchange.bytes(404, Buffer.alloc(0))
      return
    }
    // It sends whoever has no right to a page to sign in, with 203 where a redirect is not wanted.
    if (exchange.header('authorization') !== `Bearer ${this.accessToken}`) {
      exchange.bytes(203, Buffer.from('<html>Sign in</html>'))
      return
    }
    if (exchange.url.searchParams.get('serviceConnectionId') !== this.serviceConnectionId) {
      exchange.json(404, { message: 'The service connection is not found, or is not authorized for this pipeline.' })
      return
    }
    exchange.json(200, { oidcToken: await this.#issue() })
  }

  /** Whether Entra's federated credential takes an assertion. */
  async trusts(assertion: string): Promise<boolean> {
    try {
      await jwtVerify(assertion, this.#key, {
        ...{ algorithms: ['HS256'], issuer, audience, subject: this.#subject },
        currentDate: new Date(this.#now())
      })
      return true
    } catch {
      return false
    }
  }

  get #subject(): string {
    return `sc://plant/causeway/${this.serviceConnectionId}`
  }

  #issue(): Promise<string> {
    const now = Math.floor(this.#now() / 1000)
    const claims = { iss: issuer, aud: audience, sub: this.#subject, iat: now, nbf: now, exp: now + 600 }
    return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(this.#key)
  }
}
