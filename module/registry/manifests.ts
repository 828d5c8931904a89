import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { contentHeaders, isUnchanged, type Exchange, type Serving } from './handlers.ts'
import type { Reply } from './reply.ts'
import type { Reference } from './routes.ts'
import type { ManifestRecord } from './content.ts'

/**
 * GET and HEAD of a manifest. The stored type is sent whatever `Accept` says: converting would change the digest.
 *
 * @throws {OciError} `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`
 */
export async function serveManifest(
  serving: Serving,
  { request, correlationId }: Exchange,
  repository: Repository,
  reference: Reference
): Promise<Reply> {
  const manifest = await find(serving, repository, reference)
  if (manifest === undefined) return missing(serving, repository, reference, correlationId)
  const headers = contentHeaders(manifest.digest, reference.kind === 'digest')
  if (isUnchanged(request, manifest.digest)) return { status: 304, headers }
  let body: Buffer
  try {
    body = await serving.cache.get(manifest.digest, () => serving.content.blobs.bytes(manifest.digest))
  } catch (error) {
    // Its bytes were lost from the disk: that is for the next sync to mend, like what never came.
    if (error instanceof OciError && error.code === 'BLOB_UNKNOWN')
      return missing(serving, repository, reference, correlationId)
    throw error
  }
  return {
    status: 200,
    headers: { ...headers, 'Content-Type': manifest.mediaType, 'Content-Length': body.length },
    body
  }
}

async function find(
  { content }: Serving,
  repository: Repository,
  reference: Reference
): Promise<ManifestRecord | undefined> {
  const digest = reference.kind === 'digest' ? reference.digest : await content.index.tag(repository, reference.tag)
  return digest === undefined ? undefined : content.index.manifest(repository, digest)
}

async function missing(
  { content, onMissing }: Serving,
  repository: Repository,
  reference: Reference,
  correlationId: string
): Promise<never> {
  const name = reference.kind === 'digest' ? reference.digest : reference.tag
  onMissing(repository, name, correlationId)
  if ((await content.index.tags(repository, { limit: 0 })) === undefined)
    throw new OciError('NAME_UNKNOWN', `repository ${repository} is not here, or not yet`)
  throw new OciError('MANIFEST_UNKNOWN', `${repository} has no ${name} here, or not yet`)
}
