import type { IncomingMessage, ServerResponse } from 'node:http'
import { OciError } from '../oci/errors.ts'
import { readWhole } from './body.ts'

/** A form with a few names in it; more is no token request. */
const mostBytes = 64 * 1024

/**
 * Reads the form of a token request.
 *
 * @param longest milliseconds that it may take to arrive
 * @throws {OciError} `SIZE_INVALID`, `UNSUPPORTED` (408), and `BLOB_UPLOAD_INVALID` where the connection ends before it
 */
export async function readTokenForm(
  request: IncomingMessage,
  response: ServerResponse,
  longest = 10_000
): Promise<URLSearchParams> {
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort(new OciError('UNSUPPORTED', 'the form did not arrive in time', { status: 408 }))
  }, longest)
  try {
    const bytes = await readWhole(request, response, mostBytes, tooLong, { signal: late.signal })
    return new URLSearchParams(bytes.toString())
  } finally {
    clearTimeout(timer)
  }
}

function tooLong(): OciError {
  return new OciError('SIZE_INVALID', 'the form is too long for a token request')
}
