import { randomUUID } from 'node:crypto'
import { algorithmOf, digestOf, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { readManifest, referenceOf, type ManifestContents } from '../oci/manifest.ts'
import { parseTag, type Repository, type Tag } from '../oci/name.ts'
import { readWhole } from './body.ts'
import type { Content, ContentChange } from './content.ts'
import type { Exchange, Pushing } from './handlers.ts'
import { empty, type Reply } from './reply.ts'
import type { Reference } from './routes.ts'

/** Registries must take 4 MB (distribution-spec, "Pushing Manifests"); this leaves room for those who count in other units. */
export const mostManifestBytes = 5 * 1024 * 1024
/** The spec asks for ten; request lines have room for about a hundred. */
const mostTags = 100

/** What was Docker's before 2016: its signature is part of the document, so that no digest holds. */
const schemaOne = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/

/**
 * `PUT /v2/<name>/manifests/<reference>`: keeps the bytes as they are, and moves the tags in the same commit.
 *
 * @throws {OciError} `MANIFEST_INVALID` (also 413), `MANIFEST_BLOB_UNKNOWN`, `DIGEST_INVALID`, `TAG_INVALID` (also 414),
 *   `TOOMANYREQUESTS`
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
 */
export async function putManifest(
  pushing: Pushing,
  { request, response, query }: Exchange,
  repository: Repository,
  reference: Reference
): Promise<Reply> {
  const added = reference.kind === 'digest' ? readTags(query) : []
  const contentType = mediaTypeOf(request.headers['content-type'])
  refuseSchemaOne(contentType)
  const held = pushing.pushedManifests.hold()
  try {
    const taking = (bytes: number): void => held.take(bytes)
    const bytes = await readWhole(request, response, mostManifestBytes, tooLarge, { taking })
    return await pushing.pushedManifests.inTurn(bytes.length, () =>
      storeManifest(pushing, repository, reference, { bytes, contentType, added })
    )
  } finally {
    held.giveBack()
  }
}

interface PushedManifest {
  readonly bytes: Buffer
  readonly contentType: string | undefined
  /** Tags to set beside its reference. */
  readonly added: readonly Tag[]
}

async function storeManifest(
  { content, missingContent }: Pushing,
  repository: Repository,
  reference: Reference,
  { bytes, contentType, added }: PushedManifest
): Promise<Reply> {
  const digest = digestOf(bytes, reference.kind === 'digest' ? algorithmOf(reference.digest) : 'sha256')
  if (reference.kind === 'digest' && reference.digest !== digest)
    throw new OciError('DIGEST_INVALID', `the ${bytes.length} bytes received are ${digest}`)
  const contents = readManifest(bytes, contentType)
  refuseSchemaOne(contents.mediaType)
  refuseWhatBrowsersShow(contents.mediaType)
  if (contents.isAmbiguous) throw new OciError('MANIFEST_INVALID', 'manifest invalid: it is both an index and an image')
  const missing = await findMissing(content, repository, contents)
  if (missing.length > 0 && missingContent() === 'refused')
    throw new OciError(
      'MANIFEST_BLOB_UNKNOWN',
      `${repository} lacks ${missing[0] ?? ''}: push what a manifest names first`,
      {
        detail: missing.slice(0, 20).map((each) => ({ digest: each }))
      }
    )
  await keep(content, bytes, digest)
  const tags = reference.kind === 'tag' ? [reference.tag] : added
  const lacking = new Set(missing)
  await content.index.apply([
    // Once more, in the commit that names them: garbage collection may be about to take out links that nothing names.
    ...contents.blobs
      .filter((blob) => !lacking.has(blob.digest))
      .map((blob): ContentChange => ({ kind: 'linkBlob', repository, digest: blob.digest })),
    {
      kind: 'putManifest',
      repository,
      digest,
      mediaType: contents.mediaType,
      size: bytes.length,
      ...referenceOf(contents)
    },
    ...tags.map((tag): ContentChange => ({ kind: 'setTag', repository, tag, digest }))
  ])
  return empty(201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    ...(contents.subject === undefined ? {} : { 'OCI-Subject': contents.subject.digest }),
    ...(added.length === 0 ? {} : { 'OCI-Tag': added.join(', ') }),
    ...(missing.length === 0 ? {} : { Warning: warning(repository, missing.length) })
  })
}

/**
 * Tags to set beside a push by digest.
 *
 * @throws {OciError} `TAG_INVALID`
 */
function readTags(query: URLSearchParams): Tag[] {
  const tags = [...new Set(query.getAll('tag'))].map(parseTag)
  if (tags.length > mostTags)
    throw new OciError('TAG_INVALID', `at most ${mostTags} tags can be set in one request`, { status: 414 })
  return tags
}

/** Parameters are to be ignored (spec, "Pushing Manifests"). */
function mediaTypeOf(contentType: string | undefined): string | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  return type === '' ? undefined : type
}

function refuseSchemaOne(mediaType: string | undefined): void {
  if (mediaType !== undefined && schemaOne.test(mediaType))
    throw new OciError('MANIFEST_INVALID', 'schema 1 manifests are not supported: push with a client of this decade')
}

/** It becomes the Content-Type under which everybody gets these bytes, and a browser shows other kinds (`text/html`) as pages. */
function refuseWhatBrowsersShow(mediaType: string): void {
  if (!/^application\//i.test(mediaType))
    throw new OciError(
      'MANIFEST_INVALID',
      `the media type of a manifest must begin with application/, and this is ${mediaType}`
    )
}

async function findMissing(
  { index }: Content,
  repository: Repository,
  { blobs, manifests }: ManifestContents
): Promise<Digest[]> {
  const missing: Digest[] = []
  for (const { digest } of blobs) if (!(await index.hasBlob(repository, digest))) missing.push(digest)
  for (const { digest } of manifests) if ((await index.manifest(repository, digest)) === undefined) missing.push(digest)
  return missing
}

async function keep({ blobs }: Content, bytes: Buffer, digest: Digest): Promise<void> {
  // A key of its own: the same manifest may come from two clients at once.
  const ingest = await blobs.ingest(`manifest ${randomUUID()}`, algorithmOf(digest))
  try {
    await ingest.expect(bytes.length)
    await ingest.append(bytes)
    await ingest.commit(digest)
  } finally {
    await ingest.discard()
  }
}

/** Clients show these (spec, "Warnings"): whoever did not mean to push a part learns of it. */
function warning(repository: Repository, missing: number): string {
  return `299 - "${repository} lacks ${missing} of the blobs or manifests that this manifest names"`
}

function tooLarge(): OciError {
  return new OciError('MANIFEST_INVALID', `a manifest may have ${mostManifestBytes} bytes at most`, { status: 413 })
}
