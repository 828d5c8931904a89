import { digestOf, isDigest, algorithmOf } from '../../module/oci/digest.ts'
import { OciError } from '../../module/oci/errors.ts'
import { readManifest } from '../../module/oci/manifest.ts'
import { mediaTypes } from '../../module/oci/media-types.ts'
import { isTag } from '../../module/oci/name.ts'
import type { Exchange } from '../cloud-http.ts'
import { RegistryError, registryHeaders } from './errors.ts'
import { describe } from './images.ts'
import type { Repositories, RepositoryContent, StoredManifest } from './repositories.ts'

/** Azure's limit. */
const largestManifest = 4 << 20

/** GET and HEAD. */
export function readStoredManifest(
  exchange: Exchange,
  content: RepositoryContent | undefined,
  reference: string
): void {
  const manifest = content?.find(reference)
  if (manifest === undefined) throw unknown(reference)
  checkAccept(exchange, manifest)
  exchange.bytes(200, manifest.bytes, {
    ...registryHeaders,
    'content-type': manifest.mediaType,
    'docker-content-digest': manifest.digest,
    etag: `"${manifest.digest}"`
  })
}

/** PUT, which takes a manifest only when all that it names is here. */
export async function writeManifest(
  exchange: Exchange,
  repositories: Repositories,
  repository: string,
  reference: string
): Promise<void> {
  if (!isTag(reference) && !isDigest(reference))
    throw new RegistryError('TAG_INVALID', { message: `invalid tag or digest: ${reference}` })
  const bytes = await exchange.body(largestManifest)
  const digest = isDigest(reference) ? digestOf(bytes, algorithmOf(reference)) : digestOf(bytes)
  if (isDigest(reference) && reference !== digest) throw new RegistryError('DIGEST_INVALID')
  const content = repositories.ensure(repository)
  const manifest = parse(bytes, exchange.header('content-type'), digest)
  const missing = [
    ...manifest.blobs.filter((blob) => !content.blobs.has(blob)),
    ...manifest.manifests.filter((child) => !content.manifests.has(child))
  ]
  if (missing.length > 0) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', { detail: { digest: missing[0] } })
  content.manifests.set(digest, manifest)
  if (!isDigest(reference)) content.tags.set(reference, digest)
  exchange.empty(201, {
    ...registryHeaders,
    location: `/v2/${repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(manifest.subject === undefined ? {} : { 'oci-subject': manifest.subject })
  })
}

/** DELETE: by digest the manifest with its tags, by tag the tag alone. */
export function deleteManifest(exchange: Exchange, content: RepositoryContent | undefined, reference: string): void {
  const manifest = content?.find(reference)
  if (content === undefined || manifest === undefined) throw unknown(reference)
  if (isDigest(reference)) content.remove(reference)
  else content.tags.delete(reference)
  exchange.empty(202, registryHeaders)
}

/** The manifests whose subject a digest is; an unknown one has none. */
export function listReferrers(exchange: Exchange, content: RepositoryContent | undefined, digest: string): void {
  if (!isDigest(digest)) throw new RegistryError('DIGEST_INVALID', { message: `not a digest: ${digest}` })
  const filter = exchange.url.searchParams.get('artifactType')
  const manifests = [...(content?.manifests.values() ?? [])]
    .filter((manifest) => manifest.subject === digest && (filter === null || manifest.artifactType === filter))
    .map((manifest) => ({
      ...describe(manifest),
      ...(manifest.artifactType === undefined ? {} : { artifactType: manifest.artifactType }),
      ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations })
    }))
  exchange.json(
    200,
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests },
    {
      ...registryHeaders,
      'content-type': mediaTypes.ociIndex,
      ...(filter === null ? {} : { 'oci-filters-applied': 'artifactType' })
    }
  )
}

/** The registry converts nothing: a client that does not name an OCI type is told that there is no such manifest. */
function checkAccept(exchange: Exchange, manifest: StoredManifest): void {
  const kinds: Partial<Record<string, string>> = {
    [mediaTypes.ociManifest]: 'manifest',
    [mediaTypes.ociIndex]: 'index'
  }
  const kind = kinds[manifest.mediaType]
  const accepted = (exchange.header('accept') ?? '').split(',').map((type) => type.split(';', 1)[0]?.trim())
  if (kind !== undefined && !accepted.includes(manifest.mediaType))
    throw new RegistryError('MANIFEST_UNKNOWN', {
      message: `OCI ${kind} found, but accept header does not support OCI ${kind === 'index' ? 'indexes' : 'manifests'}`
    })
}

function parse(bytes: Buffer, contentType: string | undefined, digest: StoredManifest['digest']): StoredManifest {
  try {
    const read = readManifest(bytes, contentType)
    return {
      digest,
      mediaType: read.mediaType,
      bytes,
      manifests: read.manifests.map((child) => child.digest),
      blobs: read.blobs.map((blob) => blob.digest),
      ...(read.subject === undefined ? {} : { subject: read.subject.digest }),
      ...(read.artifactType === undefined ? {} : { artifactType: read.artifactType }),
      ...(read.annotations === undefined ? {} : { annotations: read.annotations })
    }
  } catch (error) {
    if (error instanceof OciError) throw new RegistryError('MANIFEST_INVALID', { message: error.message })
    throw error
  }
}

function unknown(reference: string): RegistryError {
  return isDigest(reference)
    ? new RegistryError('MANIFEST_UNKNOWN', {
        message: `manifest ${reference} is not found`,
        detail: { Revision: reference }
      })
    : new RegistryError('MANIFEST_UNKNOWN', {
        message: `manifest tagged by "${reference}" is not found`,
        detail: { Tag: reference }
      })
}
