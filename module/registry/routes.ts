import { parseDigest, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { parseRepository, parseTag, type Repository, type Tag } from '../oci/name.ts'

/** What a path of the distribution API names, whatever the method. */
export type Route =
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: Repository }
  | { readonly kind: 'manifest'; readonly repository: Repository; readonly reference: Reference }
  | { readonly kind: 'blob'; readonly repository: Repository; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly repository: Repository }
  | { readonly kind: 'upload'; readonly repository: Repository; readonly id: string }
  | { readonly kind: 'referrers'; readonly repository: Repository; readonly digest: Digest }

/** How a manifest is asked for. */
export type Reference =
  { readonly kind: 'tag'; readonly tag: Tag } | { readonly kind: 'digest'; readonly digest: Digest }

/**
 * Reads a path from its right end: repository names may themselves hold `blobs`, `manifests` or `tags` as segments.
 *
 * @param path without its query
 * @returns undefined where the path is none of `/v2`
 * @throws {OciError} `NAME_INVALID`, `DIGEST_INVALID`, `TAG_INVALID`, or `NAME_UNKNOWN` for a path below `/v2` that is none
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints
 */
export function readRoute(path: string): Route | undefined {
  if (path === '/v2' || path === '/v2/') return { kind: 'ping' }
  if (!path.startsWith('/v2/')) return undefined
  const segments = path.slice('/v2/'.length).split('/').map(decode)
  const last = segments.at(-1) ?? ''
  const before = segments.at(-2) ?? ''
  const name = (trailing: number): Repository => parseRepository(segments.slice(0, -trailing).join('/'))
  if (segments.length === 1 && last === '_catalog') return { kind: 'catalog' }
  if (before === 'tags' && last === 'list') return { kind: 'tags', repository: name(2) }
  if (before === 'manifests') return { kind: 'manifest', repository: name(2), reference: readReference(last) }
  // With and without the slash at its end: docker sends one, some clients leave it out.
  if (before === 'blobs' && last === 'uploads') return { kind: 'uploads', repository: name(2) }
  if (segments.at(-3) === 'blobs' && before === 'uploads')
    return last === '' ? { kind: 'uploads', repository: name(3) } : { kind: 'upload', repository: name(3), id: last }
  if (before === 'blobs') return { kind: 'blob', repository: name(2), digest: parseDigest(last) }
  if (before === 'referrers') return { kind: 'referrers', repository: name(2), digest: parseDigest(last) }
  throw new OciError('NAME_UNKNOWN', 'no such path in the distribution API')
}

function readReference(text: string): Reference {
  return text.includes(':') ? { kind: 'digest', digest: parseDigest(text) } : { kind: 'tag', tag: parseTag(text) }
}

/** Some clients write a digest's colon as `%3A`. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new OciError('NAME_INVALID', 'the path is not properly percent-encoded')
  }
}
