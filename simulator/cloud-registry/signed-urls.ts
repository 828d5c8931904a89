import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { algorithmOf, hexOf, isDigest, type Digest } from '../../module/oci/digest.ts'

/** The addresses of blobs in the storage behind a registry: who has one may read until it expires. */
export class SignedUrls {
  readonly #key = randomBytes(32)
  readonly #container: string
  readonly #now: () => number

  constructor(name: string, now: () => number) {
    this.#container = createHash('sha256').update(name).digest('hex').slice(0, 32)
    this.#now = now
  }

  /** @param lifetime seconds */
  sign(host: string, digest: Digest, lifetime: number): string {
    const hex = hexOf(digest)
    const path = `/${this.#container}/docker/registry/v2/blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`
    const expiry = new Date(this.#now() + lifetime * 1000).toISOString()
    const query = new URLSearchParams({
      se: expiry,
      sig: this.#signature(host, path, expiry),
      sp: 'r',
      spr: 'https',
      sr: 'b',
      sv: '2018-03-28'
    })
    return `https://${host}${path}?${query.toString()}`
  }

  /** The digest behind an address, or why it does not work. */
  read(host: string, url: URL): { readonly digest: Digest } | { readonly refused: 'signature' | 'expired' } {
    const expiry = url.searchParams.get('se') ?? ''
    const given = Buffer.from(url.searchParams.get('sig') ?? '')
    const expected = Buffer.from(this.#signature(host, url.pathname, expiry))
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return { refused: 'signature' }
    if (this.#now() >= Date.parse(expiry)) return { refused: 'expired' }
    const [, algorithm = '', hex = ''] = /\/blobs\/(\w+)\/[0-9a-f]{2}\/([0-9a-f]+)\/data$/.exec(url.pathname) ?? []
    const digest = `${algorithm}:${hex}`
    return isDigest(digest) ? { digest } : { refused: 'signature' }
  }

  #signature(host: string, path: string, expiry: string): string {
    return createHmac('sha256', this.#key).update(`${host}\n${path}\n${expiry}`).digest('base64')
  }
}
