import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { Serving } from './handlers.ts'
import { empty, type Reply } from './reply.ts'
import type { Reference } from './routes.ts'

/**
 * `DELETE` of a tag, which leaves its manifest, or of a manifest by digest, with all of its tags. It is gone at once; the
 * bytes go with the next garbage collection, when nothing else names them.
 *
 * @throws {OciError} `MANIFEST_UNKNOWN`
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#content-management
 */
export async function deleteManifest(
  { content: { index } }: Serving,
  repository: Repository,
  reference: Reference
): Promise<Reply> {
  if (reference.kind === 'tag') {
    const { tag } = reference
    if ((await index.tag(repository, tag)) === undefined)
      throw new OciError('MANIFEST_UNKNOWN', `${repository} has no tag ${tag} here`)
    await index.apply([{ kind: 'removeTag', repository, tag }])
  } else {
    const { digest } = reference
    if ((await index.manifest(repository, digest)) === undefined)
      throw new OciError('MANIFEST_UNKNOWN', `${repository} has no manifest ${digest} here`)
    await index.apply([{ kind: 'removeManifest', repository, digest }])
  }
  return empty(202)
}

/** `DELETE` of a blob: from this repository; others keep it. @throws {OciError} `BLOB_UNKNOWN` */
export async function deleteBlob(
  { content: { index } }: Serving,
  repository: Repository,
  digest: Digest
): Promise<Reply> {
  if (!(await index.hasBlob(repository, digest)))
    throw new OciError('BLOB_UNKNOWN', `${repository} has no blob ${digest} here`)
  await index.apply([{ kind: 'unlinkBlob', repository, digest }])
  return empty(202)
}
