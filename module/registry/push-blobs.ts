import { parseDigest, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { declaredLength } from './body.ts'
import { readContentRange } from './content-range.ts'
import type { Content, ContentIngest } from './content.ts'
import { contentHeaders, type Exchange, type Pushing } from './handlers.ts'
import { receiveBody } from './receive-body.ts'
import { empty, errorReply, type Reply } from './reply.ts'

/**
 * `POST /v2/<name>/blobs/uploads/`: mounts a blob, takes a whole one, or begins an upload.
 *
 * @throws {OciError} `DIGEST_INVALID`, `BLOB_UPLOAD_INVALID`, `TOOMANYREQUESTS`
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
 */
export async function beginUpload(pushing: Pushing, exchange: Exchange, repository: Repository): Promise<Reply> {
  const { query, caller } = exchange
  const mount = query.get('mount')
  if (mount !== null && (await mountBlob(pushing, exchange, repository, parseDigest(mount))))
    return created(repository, parseDigest(mount))
  const digest = query.get('digest')
  if (digest !== null && mount === null) return takeWhole(pushing, exchange, repository, parseDigest(digest))
  const id = await pushing.uploads.begin(caller.name, repository, readAlgorithm(query))
  return progress(202, repository, id, 0)
}

/**
 * `PATCH`: adds to an upload, at its end.
 *
 * @throws {OciError} `BLOB_UPLOAD_UNKNOWN`, `BLOB_UPLOAD_INVALID`, `SIZE_INVALID`
 */
export async function continueUpload(
  { uploads }: Pushing,
  exchange: Exchange,
  repository: Repository,
  id: string
): Promise<Reply> {
  return uploads.use(repository, id, async (ingest, signal) => {
    const refused = await addChunk(exchange, repository, id, ingest, signal)
    return refused ?? progress(202, repository, id, ingest.offset)
  })
}

/**
 * `PUT …?digest=`: adds what is left, verifies the whole, and makes it a blob of the repository, durably.
 *
 * @throws {OciError} `DIGEST_INVALID`, `BLOB_UPLOAD_UNKNOWN`, `BLOB_UPLOAD_INVALID`, `SIZE_INVALID`
 */
export async function finishUpload(
  { uploads, content }: Pushing,
  exchange: Exchange,
  repository: Repository,
  id: string
): Promise<Reply> {
  const digest = parseDigest(exchange.query.get('digest') ?? '')
  return uploads.use(repository, id, async (ingest, signal) => {
    const refused = await addChunk(exchange, repository, id, ingest, signal)
    if (refused !== undefined) return refused
    try {
      await commit(content, ingest, repository, digest)
    } finally {
      uploads.ended(repository, id)
    }
    return created(repository, digest)
  })
}

/** `GET`: how far an upload has come. @throws {OciError} `BLOB_UPLOAD_UNKNOWN` */
export async function describeUpload({ uploads }: Pushing, repository: Repository, id: string): Promise<Reply> {
  return progress(204, repository, id, await uploads.offset(repository, id))
}

/** `DELETE`: the client gives the upload up. @throws {OciError} `BLOB_UPLOAD_UNKNOWN` */
export async function cancelUpload({ uploads }: Pushing, repository: Repository, id: string): Promise<Reply> {
  return uploads.use(repository, id, async (ingest) => {
    uploads.ended(repository, id)
    await ingest.discard()
    return empty(204)
  })
}

/**
 * Links a blob that another repository holds. Only where the caller may pull from some repository that holds it, named by
 * `from` or not: a digest is no password. For everybody else the answer is that of a blob which is absent, so a mount tells
 * nobody what others have.
 */
async function mountBlob(
  { content }: Pushing,
  { caller }: Exchange,
  repository: Repository,
  digest: Digest
): Promise<boolean> {
  const holders = await content.index.holders(digest)
  // Looked for in any case, so that the time it takes tells nothing either.
  const present = (await content.blobs.size(digest)) !== undefined
  if (!present || !holders.some((holder) => caller.may('pull', holder))) return false
  await content.index.apply([{ kind: 'linkBlob', repository, digest }])
  return true
}

async function takeWhole(
  { content, uploads }: Pushing,
  { request, response, caller }: Exchange,
  repository: Repository,
  digest: Digest
): Promise<Reply> {
  const id = await uploads.begin(caller.name, repository, digest.startsWith('sha512:') ? 'sha512' : 'sha256')
  return uploads.use(repository, id, async (ingest, signal) => {
    try {
      await admit(request, ingest)
      await receiveBody(request, response, ingest, { signal })
      await commit(content, ingest, repository, digest)
      return created(repository, digest)
    } finally {
      uploads.ended(repository, id)
      // Nobody was told of this upload, so nobody goes on with it.
      await ingest.discard()
    }
  })
}

/** @returns the refusal of a chunk that does not begin where the upload ends */
async function addChunk(
  { request, response }: Exchange,
  repository: Repository,
  id: string,
  ingest: ContentIngest,
  signal: AbortSignal
): Promise<Reply | undefined> {
  const range = readContentRange(request)
  if (range !== undefined && range.first !== ingest.offset) {
    const message = `the upload has ${ingest.offset} bytes: go on from there`
    return errorReply(new OciError('RANGE_INVALID', message), progressHeaders(repository, id, ingest.offset))
  }
  await admit(request, ingest)
  await receiveBody(request, response, ingest, { signal })
  if (range !== undefined && ingest.offset !== range.last + 1)
    throw new OciError('SIZE_INVALID', `Content-Range ends at byte ${range.last}, and the body at ${ingest.offset - 1}`)
  return undefined
}

/** Before the first byte, where their number is known. */
async function admit(request: Exchange['request'], ingest: ContentIngest): Promise<void> {
  const length = declaredLength(request)
  if (length !== undefined && length > 0) await ingest.expect(length)
}

/** Acknowledged means: verified, fsynced, and its link committed. */
async function commit(
  { index }: Content,
  ingest: ContentIngest,
  repository: Repository,
  digest: Digest
): Promise<void> {
  await ingest.commit(digest)
  await index.apply([{ kind: 'linkBlob', repository, digest }])
}

function created(repository: Repository, digest: Digest): Reply {
  const { 'Docker-Content-Digest': header } = contentHeaders(digest, true)
  return empty(201, { Location: `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest': header })
}

function progress(status: number, repository: Repository, id: string, offset: number): Reply {
  return empty(status, progressHeaders(repository, id, offset))
}

/** Relative, since behind the API proxy the address is another one, and the same from the first request to the last. */
function progressHeaders(repository: Repository, id: string, offset: number): Record<string, string> {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    // Both ends inclusive: nothing and one byte look alike, as docker has it.
    Range: `0-${Math.max(offset - 1, 0)}`,
    'Docker-Upload-UUID': id
  }
}

/**
 * What the digest will be made with; only the first request of an upload can say so before the bytes come.
 *
 * @throws {OciError} `DIGEST_INVALID`
 */
function readAlgorithm(query: URLSearchParams): DigestAlgorithm {
  const algorithm = query.get('digest-algorithm') ?? 'sha256'
  if (algorithm === 'sha256' || algorithm === 'sha512') return algorithm
  throw new OciError('DIGEST_INVALID', `digests are sha256 or sha512 here, not ${algorithm.slice(0, 50)}`)
}
