import { HubError } from './errors.ts'

/** What the hub counts calls by. */
type Kind = 'configurations' | 'queries' | 'twin reads' | 'twin updates' | 'identities'

/** Calls a minute of one S1 unit, and how many may come at once (azure-sdk.md §7): some throttles count by the second. */
const limits: Readonly<Record<Kind, { readonly perMinute: number; readonly atOnce: number }>> = {
  configurations: { perMinute: 20, atOnce: 20 },
  queries: { perMinute: 20, atOnce: 20 },
  'twin reads': { perMinute: 6000, atOnce: 100 },
  'twin updates': { perMinute: 3000, atOnce: 50 },
  identities: { perMinute: 100, atOnce: 100 }
}

/** The hub's throttles: a bucket for each kind of call, which fills up again as time goes by. */
export class Throttles {
  readonly #now: () => number
  readonly #units: number
  readonly #buckets = new Map<Kind, { calls: number; at: number }>()

  /** @param units of the hub; each adds its own */
  constructor(units: number, now: () => number = () => performance.now()) {
    this.#units = units
    this.#now = now
  }

  /** @throws HubError ThrottlingBacklogTimeout (429) */
  take(method: string, path: readonly string[]): void {
    const kind = kindOf(method, path)
    if (kind === undefined) return
    const { perMinute, atOnce } = limits[kind]
    const now = this.#now()
    const bucket = this.#buckets.get(kind) ?? { calls: atOnce * this.#units, at: now }
    const filled = bucket.calls + ((now - bucket.at) * perMinute * this.#units) / 60_000
    const calls = Math.min(atOnce * this.#units, filled)
    if (calls < 1) {
      this.#buckets.set(kind, { calls, at: now })
      throw new HubError(
        'ThrottlingBacklogTimeout',
        `Throttled on ${kind}: ${perMinute * this.#units} a minute. Wait 10 seconds and try again.`
      )
    }
    this.#buckets.set(kind, { calls: calls - 1, at: now })
  }
}

function kindOf(method: string, [collection, id, part]: readonly string[]): Kind | undefined {
  if (collection === 'configurations' || part === 'applyConfigurationContent') return 'configurations'
  if (collection === 'devices') return id === 'query' && method === 'POST' ? 'queries' : 'identities'
  if (collection !== 'twins') return undefined
  if (method === 'GET') return 'twin reads'
  return method === 'PATCH' || method === 'PUT' ? 'twin updates' : undefined
}
