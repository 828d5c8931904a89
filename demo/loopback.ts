import { Agent, fetch, type Response } from 'undici'

/** Milliseconds that one request on loopback may take. */
const patience = 10_000
/** Straight there, whatever proxy the environment of whoever runs this names (`NODE_USE_ENV_PROXY`). */
const dispatcher = new Agent()

/** Asks a server on loopback. */
export function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(url, { headers, dispatcher, signal: AbortSignal.timeout(patience) })
}
