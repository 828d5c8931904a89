import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { contentHeaders, etagOf, isUnchanged, type Exchange, type Serving } from './handlers.ts'
import { readRange } from './range.ts'
import { errorReply, type Body, type Reply } from './reply.ts'

/**
 * GET and HEAD of a blob, whole or in part. Only repositories that link it give it out: a digest is no password.
 *
 * @throws {OciError} `BLOB_UNKNOWN`
 */
export async function serveBlob(
  serving: Serving,
  { request, correlationId }: Exchange,
  repository: Repository,
  digest: Digest
): Promise<Reply> {
  const { content, onMissing, smallBlobs } = serving
  const size = (await content.index.hasBlob(repository, digest))
    ? (smallBlobs.size(digest) ?? (await content.blobs.size(digest)))
    : undefined
  if (size === undefined) {
    onMissing(repository, digest, correlationId)
    throw new OciError('BLOB_UNKNOWN', `${repository} has no blob ${digest} here, or not yet`)
  }
  // oras seeks only where ranges are advertised.
  const common = { ...contentHeaders(digest, true), 'Accept-Ranges': 'bytes' }
  if (isUnchanged(request, digest)) return { status: 304, headers: common }
  const headers = { ...common, 'Content-Type': 'application/octet-stream' }
  const condition = request.headers['if-range']
  const wanted = condition === undefined || condition === etagOf(digest) ? request.headers.range : undefined
  const range = request.method === 'GET' ? readRange(wanted, size) : ({ kind: 'whole' } as const)
  switch (range.kind) {
    case 'whole':
      return {
        status: 200,
        headers: { ...headers, 'Content-Length': size },
        body: () => read(serving, digest, size, 0, size)
      }
    case 'part':
      return {
        status: 206,
        headers: {
          ...headers,
          'Content-Length': range.end - range.start + 1,
          'Content-Range': `bytes ${range.start}-${range.end}/${size}`
        },
        body: () => read(serving, digest, size, range.start, range.end + 1 - range.start)
      }
    case 'unsatisfiable':
      return errorReply(new OciError('RANGE_INVALID', `the blob has ${size} bytes`), {
        'Accept-Ranges': 'bytes',
        'Content-Range': `bytes */${size}`
      })
  }
}

/** @throws {OciError} `BLOB_UNKNOWN`: it may be lost between the look at its size and the opening */
async function read(
  { content: { blobs }, smallBlobs }: Serving,
  digest: Digest,
  size: number,
  start: number,
  length: number
): Promise<Body> {
  if (size <= smallBlobs.largest) {
    const bytes = await smallBlobs.get(digest, () => blobs.bytes(digest))
    return bytes.subarray(start, start + length)
  }
  if (blobs.open === undefined) return blobs.read(digest, { start, end: start + length - 1 })
  const file = await blobs.open(digest)
  if (file === undefined) throw new OciError('BLOB_UNKNOWN', `blob ${digest} is not here`)
  return { file, start, length }
}
