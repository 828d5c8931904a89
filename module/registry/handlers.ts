import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { Caller } from './authorizer.ts'
import type { Content } from './content.ts'
import type { ByteCache } from './byte-cache.ts'
import type { DescriptorCache } from './descriptor-cache.ts'
import type { FallbackCache } from './fallback-referrers.ts'
import type { PushedManifests } from './pushed-manifests.ts'
import type { Uploads } from './uploads.ts'

/** What every handler of the read side works with. */
export interface Serving {
  readonly content: Content
  /** Manifests. */
  readonly cache: ByteCache
  readonly smallBlobs: ByteCache
  readonly descriptors: DescriptorCache
  readonly fallbacks: FallbackCache
  /** Told of what a caller who may have it asked for and is not here yet. */
  readonly onMissing: (repository: Repository, reference: string, correlationId: string) => void
}

/** What the handlers of the write side work with. */
export interface Pushing extends Serving {
  readonly uploads: Uploads
  readonly pushedManifests: PushedManifests
  /** Whether a manifest is taken that names blobs or manifests which its repository does not hold. */
  readonly missingContent: () => 'accepted' | 'refused'
}

/** A request that was let in. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  readonly caller: Caller
  readonly correlationId: string
}

/** Headers of what is named by its digest. `private`: what one token may have, a shared cache must not give to another. */
export function contentHeaders(digest: Digest, immutable: boolean): Record<string, string> {
  return {
    'Docker-Content-Digest': digest,
    ETag: etagOf(digest),
    ...(immutable ? { 'Cache-Control': 'private, max-age=31536000, immutable' } : {})
  }
}

export function etagOf(digest: Digest): string {
  return `"${digest}"`
}

/** Whether `If-None-Match` names what would be sent (RFC 9110, section 13.1.2): pollers then get 304 without a body. */
export function isUnchanged(request: IncomingMessage, digest: Digest): boolean {
  const header = request.headers['if-none-match']
  if (header === undefined) return false
  return header.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === etagOf(digest))
}

/**
 * @returns how many results a page may hold, or undefined for all of them
 * @throws {OciError} `PAGINATION_NUMBER_INVALID`
 */
export function readLimit(query: URLSearchParams): number | undefined {
  const text = query.get('n')
  if (text === null) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new OciError('PAGINATION_NUMBER_INVALID', 'n must be a whole number from 0')
  return Number(text)
}

/** `Link` to the page after `last`, relative, with the angle brackets that clients look for (RFC 8288). */
export function nextPage(path: string, limit: number, last: string): Record<string, string> {
  return { Link: `<${path}?n=${limit}&last=${encodeURIComponent(last)}>; rel="next"` }
}
