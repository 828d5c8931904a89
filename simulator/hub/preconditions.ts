import { HubError } from './errors.ts'

/**
 * Checks `If-Match`. Clients write etags with quotes or without, and weak ones with `W/`; `*` matches whatever is there.
 *
 * @param header as it came; where it is absent, anything goes
 * @throws HubError PreconditionFailed
 */
export function checkIfMatch(header: string | undefined, etag: string): void {
  if (header === undefined) return
  const wanted = header
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1')
  if (wanted === '*' || wanted === etag) return
  throw new HubError('PreconditionFailed', 'Precondition failed: ETag did not match, read it again and repeat')
}
