import { unescape } from 'node:querystring'
import { createOutbound, defaultTimeouts, type Outbound } from './parent/outbound.ts'
import { version } from './version.ts'

/** Milliseconds for one delivery: a receiver that takes longer has not understood that it is to answer and work later. */
const patience = 30_000

/** Posts notifications, through the outbound proxy where the environment names one. */
export class Webhook {
  readonly #variables: Readonly<Record<string, string | undefined>>
  #outbound: Outbound | undefined
  #trustBundle: string | undefined

  constructor(variables: Readonly<Record<string, string | undefined>>) {
    this.#variables = variables
  }

  /** @param trustBundle PEM of authorities that are trusted beside the system's: receivers at the site have theirs from there */
  setTrustBundle(trustBundle: string): void {
    if (trustBundle === this.#trustBundle) return
    this.#trustBundle = trustBundle
    void this.close()
  }

  /** @throws where no 2xx came back; never with the URL, which may hold a key */
  readonly post = async (url: URL, body: unknown, signal: AbortSignal): Promise<void> => {
    this.#outbound ??= createOutbound(this.#variables, this.#trustBundle, defaultTimeouts)
    const dispatcher = await this.#outbound.dispatcher(url)
    const answer = await dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      // As Event Grid's own deliveries, which receivers tell by this header.
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'aeg-event-type': 'Notification',
        'user-agent': `causeway/${version}`,
        ...credentialsOf(url)
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)])
    })
    await answer.body.dump()
    if (answer.statusCode < 200 || answer.statusCode > 299) throw new Error(`${url.host} answered ${answer.statusCode}`)
  }

  async close(): Promise<void> {
    const outbound = this.#outbound
    this.#outbound = undefined
    await outbound?.close()
  }
}

/** A URL's user and password, as clients of HTTP send them. A percent sign that encodes nothing stands for itself, as with curl. */
function credentialsOf({ username, password }: URL): { readonly authorization?: string } {
  if (username === '' && password === '') return {}
  const credentials = `${unescape(username)}:${unescape(password)}`
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}
