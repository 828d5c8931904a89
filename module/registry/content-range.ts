import type { IncomingMessage } from 'node:http'
import { OciError } from '../oci/errors.ts'
import { declaredLength } from './body.ts'

/**
 * Reads where a chunk of an upload belongs: `<first>-<last>` as the distribution spec has it, and with a unit and a total
 * as HTTP would, which some clients send.
 *
 * @returns the first and the last byte, or undefined where the request does not say
 * @throws {OciError} `BLOB_UPLOAD_INVALID` for what is no range, `SIZE_INVALID` where its length is not the body's
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
 */
export function readContentRange(
  request: IncomingMessage
): { readonly first: number; readonly last: number } | undefined {
  const header = request.headers['content-range']
  if (header === undefined) return undefined
  const [, first, last] = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/i.exec(header.trim()) ?? []
  if (first === undefined || last === undefined || Number(last) < Number(first))
    throw new OciError('BLOB_UPLOAD_INVALID', 'Content-Range must be <first byte>-<last byte>')
  const length = declaredLength(request)
  if (length !== undefined && length !== Number(last) - Number(first) + 1)
    throw new OciError('SIZE_INVALID', `Content-Range ${header} is not of ${length} bytes, as Content-Length has it`)
  return { first: Number(first), last: Number(last) }
}
