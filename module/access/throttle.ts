import { isIPv6 } from 'node:net'
import { OciError } from '../oci/errors.ts'
import { plainAddress } from '../settings/address-range.ts'
import { Lru } from './lru.ts'

/** A bucket of tokens: `burst` at once, and `perSecond` more as time goes by. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/**
 * An engine that pulls a set of twenty images anew sends about a thousand requests. Through a proxy come all the machines of
 * a site. A client token stands for one user or machine: its rate matters only beside others.
 */
const rates = {
  address: { burst: 1000, perSecond: 20 },
  proxied: { burst: 10_000, perSecond: 500 },
  token: { burst: 20_000, perSecond: 1000 }
} as const satisfies Record<string, Rate>

/** Addresses that are remembered: an attacker with more of them gets new buckets, and no more of our memory. */
const mostBuckets = 4096
/** Milliseconds after which a token that asked for nothing counts as gone. */
const alone = 10_000

/** Holds what each caller asks for within bounds. */
export class Throttle {
  readonly #now: () => number
  readonly #addresses: Buckets
  readonly #proxied: Buckets
  readonly #tokens: Buckets
  /** Who asked last, and when somebody else did before: names, the empty one for anonymous callers. */
  #last = { name: '', at: -Infinity, othersAt: -Infinity }

  /** @param now milliseconds of any clock that only goes forward */
  constructor(now: () => number) {
    this.#now = now
    this.#addresses = new Buckets(rates.address)
    this.#proxied = new Buckets(rates.proxied)
    this.#tokens = new Buckets(rates.token)
  }

  /**
   * Takes from the bucket of an address or, for what comes through a proxy, from the one larger bucket of all proxies: they
   * do not tell whom they speak for (the API proxy sends no `X-Forwarded-For`).
   *
   * @throws {OciError} `TOOMANYREQUESTS`
   */
  anonymous(address: string, proxied: boolean): void {
    this.#seen('')
    const wait = proxied ? this.#proxied.take('', this.#now()) : this.#addresses.take(keyOf(address), this.#now())
    if (wait > 0)
      throw tooMany(
        wait,
        `too many anonymous requests from ${proxied ? 'behind this proxy' : 'this address'}; log in with a client token, or try again later`
      )
  }

  /**
   * Takes from a client token's own bucket, wherever the request comes from. A token that is alone may have all there is:
   * only beside others is one held to its rate.
   *
   * @throws {OciError} `TOOMANYREQUESTS`
   */
  token(name: string): void {
    const crowded = this.#seen(name)
    const wait = this.#tokens.take(name, this.#now())
    if (wait > 0 && crowded) throw tooMany(wait, `too many requests with token ${name}; others are waiting too`)
  }

  /** @returns whether somebody else has asked of late */
  #seen(name: string): boolean {
    const now = this.#now()
    if (this.#last.name !== name) this.#last = { name, at: now, othersAt: this.#last.at }
    else this.#last.at = now
    return now - this.#last.othersAt < alone
  }
}

/** A bucket for each key. */
export class Buckets {
  readonly #rate: Rate
  readonly #buckets = new Lru<{ level: number; at: number }>(mostBuckets)

  constructor(rate: Rate) {
    this.#rate = rate
  }

  /** @returns 0, or the seconds until there is another token */
  take(key: string, now: number): number {
    const { burst, perSecond } = this.#rate
    const bucket = this.#buckets.get(key) ?? { level: burst, at: now }
    const level = Math.min(burst, bucket.level + (Math.max(0, now - bucket.at) / 1000) * perSecond)
    const enough = level >= 1
    bucket.level = enough ? level - 1 : level
    bucket.at = now
    this.#buckets.set(key, bucket)
    return enough ? 0 : (1 - level) / perSecond
  }
}

function tooMany(wait: number, message: string): OciError {
  return new OciError('TOOMANYREQUESTS', message, { retryAfterSeconds: Math.max(1, Math.ceil(wait)) })
}

/** One machine has a whole /64 of IPv6 addresses to choose from. */
function keyOf(address: string): string {
  const plain = plainAddress(address)
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - groups.length - after.length }, () => '0')
  return [...groups, ...zeros, ...after].slice(0, 4).join(':')
}
