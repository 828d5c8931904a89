import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { readManifest } from '../oci/manifest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import type { Repository } from '../oci/name.ts'
import { fallbackReferrers } from './fallback-referrers.ts'
import { readLimit, type Exchange, type Serving } from './handlers.ts'
import type { Reply } from './reply.ts'

/** A page ends at either, whatever `n` says: descriptors repeat annotations, and clients hold a page in memory. */
const mostEntries = 500
const mostCharacters = 1024 * 1024
/** Manifests read at a time. */
const together = 16

/**
 * `GET /v2/<name>/referrers/<digest>`: the manifests whose subject it is. A subject that is unknown has no referrers; 404
 * would mean that the API is not there. Sorted by digest, in pages.
 *
 * @throws {OciError} `PAGINATION_NUMBER_INVALID`
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
 */
export async function serveReferrers(
  serving: Serving,
  { query }: Exchange,
  repository: Repository,
  subject: Digest
): Promise<Reply> {
  const limit = Math.min(readLimit(query) ?? mostEntries, mostEntries)
  const after = query.get('last') ?? ''
  const artifactType = query.get('artifactType') ?? undefined
  const digests = limit === 0 ? [] : await find(serving, repository, subject, { after, limit: limit + 1, artifactType })
  const texts: string[] = []
  let characters = 0
  let shown = 0
  while (shown < Math.min(digests.length, limit) && characters < mostCharacters) {
    const next = digests.slice(shown, Math.min(shown + together, limit))
    for (const text of await Promise.all(next.map((digest) => describe(serving, repository, digest)))) {
      if (characters >= mostCharacters) break
      shown += 1
      if (text === undefined) continue
      texts.push(text)
      characters += text.length
    }
  }
  const last = digests[shown - 1]
  const body = Buffer.from(`{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[${texts.join(',')}]}`)
  return {
    status: 200,
    headers: {
      'Content-Type': mediaTypes.ociIndex,
      'Content-Length': body.length,
      ...(artifactType === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
      ...(last !== undefined && shown < digests.length
        ? { Link: nextPage(repository, subject, { limit, last, artifactType }) }
        : {})
    },
    body
  }
}

interface Sought {
  readonly after: string
  readonly limit: number
  readonly artifactType: string | undefined
}

async function find(
  serving: Serving,
  repository: Repository,
  subject: Digest,
  { artifactType, ...page }: Sought
): Promise<Digest[]> {
  const sought = artifactType === undefined ? page : { ...page, artifactType }
  const [indexed, listed] = await Promise.all([
    serving.content.index.referrers(repository, subject, sought),
    fallbackReferrers(serving, repository, subject, sought)
  ])
  if (listed.length === 0) return indexed
  return [...new Set([...indexed, ...listed])].sort().slice(0, page.limit)
}

/** @returns undefined for a manifest that went meanwhile, or whose bytes were lost: the others stand */
async function describe(serving: Serving, repository: Repository, digest: Digest): Promise<string | undefined> {
  const { content, descriptors } = serving
  const known = descriptors.get(digest)
  if (known !== undefined) return known
  const record = await content.index.manifest(repository, digest)
  if (record === undefined) return undefined
  const { mediaType, size } = record
  const withType = `${digest} ${mediaType}` as const
  const held = descriptors.get(withType)
  if (held !== undefined) return held
  try {
    const { artifactType, annotations, isTyped } = readManifest(await content.blobs.bytes(digest), mediaType)
    const text = JSON.stringify({ mediaType, size, digest, artifactType, annotations })
    descriptors.add(isTyped ? digest : withType, text)
    return text
  } catch (error) {
    if (error instanceof OciError) return undefined
    throw error
  }
}

function nextPage(
  repository: Repository,
  subject: Digest,
  { limit, last, artifactType }: { limit: number; last: Digest; artifactType: string | undefined }
): string {
  const filter = artifactType === undefined ? '' : `artifactType=${encodeURIComponent(artifactType)}&`
  return `</v2/${repository}/referrers/${subject}?${filter}n=${limit}&last=${encodeURIComponent(last)}>; rel="next"`
}
