import type { Handler } from './registry/server.ts'

/** Anything else a client may make up counts as one, so that nobody can fill the memory with names. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])

export interface RequestCount {
  readonly method: string
  readonly status: number
  readonly count: number
}

/** Counts requests as they end, by method and status. */
export class RequestCounter {
  readonly #counts = new Map<string, { readonly method: string; readonly status: number; count: number }>()

  /** Stands before the handlers that answer. It is on the way of every pull: one listener, and one look into a small map. */
  readonly handle: Handler = (request, response) => {
    // A sendfile answer never finishes in Node's sense; every one closes.
    response.once('close', () => this.#count(request.method ?? '', response.headersSent ? response.statusCode : 499))
    return false
  }

  get counts(): RequestCount[] {
    return [...this.#counts.values()].map((each) => ({ ...each }))
  }

  /** @param status 499, as with nginx, where the client left before there was an answer */
  #count(named: string, status: number): void {
    const method = methods.has(named) ? named : 'other'
    const key = `${method} ${status}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { method, status, count: 1 })
    else known.count += 1
  }
}
