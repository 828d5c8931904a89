import { algorithmOf, hexOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { readManifest, type Descriptor } from '../oci/manifest.ts'
import { parseTag, type Repository } from '../oci/name.ts'
import type { Exchange, Serving } from './handlers.ts'
import { json, type Reply } from './reply.ts'

/**
 * `GET /v2/<name>/referrers/<digest>`: what stands in the index under the fallback tag `<algorithm>-<hex>`, which clients
 * of registries without this API write and which comes here by sync. A subject that is unknown has no referrers; 404
 * would mean that the API is not there.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
 */
export async function serveReferrers(
  serving: Serving,
  { query }: Exchange,
  repository: Repository,
  subject: Digest
): Promise<Reply> {
  const artifactType = query.get('artifactType')
  const all = await fallback(serving, repository, subject)
  const manifests = artifactType === null ? all : all.filter((each) => each.artifactType === artifactType)
  return json(
    200,
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests },
    {
      'Content-Type': mediaTypes.ociIndex,
      ...(artifactType === null ? {} : { 'OCI-Filters-Applied': 'artifactType' })
    }
  )
}

async function fallback(
  { content, cache }: Serving,
  repository: Repository,
  subject: Digest
): Promise<readonly Descriptor[]> {
  // A tag has 128 characters at the most: the spec cuts longer digests.
  const tag = parseTag(`${algorithmOf(subject)}-${hexOf(subject)}`.slice(0, 128))
  const digest = await content.index.tag(repository, tag)
  if (digest === undefined) return []
  return readManifest(await cache.get(digest, () => content.blobs.bytes(digest))).manifests
}
