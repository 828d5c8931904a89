import { randomUUID } from 'node:crypto'
import { hexOf, type Digest } from '../../module/oci/digest.ts'
import type { Exchange, Headers, Host } from '../cloud-http.ts'
import type { BlobFiles } from './blob-files.ts'
import type { RegistryKnobs } from './knobs.ts'
import type { SignedUrls } from './signed-urls.ts'

/**
 * The storage account behind a registry, under its own name or behind the dedicated data endpoint. It speaks as Azure Storage
 * does: XML errors, an ETag that is no digest, ranges from a start only, and no `Authorization` beside a signed URL
 * (https://github.com/Azure/acr/issues/217). How it treats ranges and conditions is by Azure Storage's public documentation.
 */
export function blobHost(files: BlobFiles, urls: SignedUrls, knobs: RegistryKnobs): Host {
  return async (exchange) => {
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      refuse(exchange, 405, 'UnsupportedHttpVerb', 'The resource does not support the specified HTTP verb.')
      return
    }
    if (exchange.header('authorization') !== undefined) {
      refuse(
        exchange,
        400,
        'InvalidAuthenticationInfo',
        'Authentication information is not given in the correct format. Check the value of Authorization header.'
      )
      return
    }
    if (!exchange.url.searchParams.has('sig')) {
      refuse(exchange, 404, 'ResourceNotFound', 'The specified resource does not exist.')
      return
    }
    const read = urls.read(exchange.url.hostname, exchange.url)
    if ('refused' in read) {
      refuse(
        exchange,
        403,
        'AuthenticationFailed',
        `Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature. (${read.refused})`
      )
      return
    }
    const size = files.size(read.digest)
    if (size === undefined) {
      refuse(exchange, 404, 'BlobNotFound', 'The specified blob does not exist.')
      return
    }
    await answer(exchange, files, knobs, read.digest, size)
  }
}

async function answer(
  exchange: Exchange,
  files: BlobFiles,
  knobs: RegistryKnobs,
  digest: Digest,
  size: number
): Promise<void> {
  const etag = `"0x8D${hexOf(digest).slice(0, 13).toUpperCase()}"`
  const headers: Headers = {
    etag,
    'content-type': 'application/octet-stream',
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    'accept-ranges': 'bytes',
    server: 'Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0',
    'x-ms-version': '2018-03-28',
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-request-id': randomUUID()
  }
  const wanted = exchange.header('if-match')
  if (wanted !== undefined && wanted !== '*' && wanted !== etag) {
    refuse(exchange, 412, 'ConditionNotMet', 'The condition specified using HTTP conditional header(s) is not met.')
    return
  }
  if (exchange.header('if-none-match') === etag) {
    exchange.empty(304, headers)
    return
  }
  const ifRange = exchange.header('if-range')
  const range = ifRange === undefined || ifRange === etag ? readRange(exchange.header('range')) : undefined
  if (range !== undefined && range.start >= size) {
    refuse(exchange, 416, 'InvalidRange', 'The range specified is invalid for the current size of the resource.', {
      'content-range': `bytes */${size}`
    })
    return
  }
  const start = range?.start ?? 0
  const end = Math.min(range?.end ?? size - 1, size - 1)
  const all: Headers = {
    ...headers,
    'content-length': end - start + 1,
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` })
  }
  const status = range === undefined ? 200 : 206
  if (exchange.method === 'HEAD' || size === 0) {
    exchange.empty(status, all)
    return
  }
  await exchange.stream(status, files.read(digest, start, end), all, {
    bytesPerSecond: knobs.bytesPerSecond,
    cutAfter: takeCut(knobs)
  })
}

/** `bytes=a-b` and `bytes=a-`; Azure Storage knows no range from the end, and gives the whole for what it does not know. */
function readRange(header: string | undefined): { start: number; end: number } | undefined {
  const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(header ?? '') ?? []
  if (start === undefined) return undefined
  const range = { start: Number(start), end: end === undefined || end === '' ? Infinity : Number(end) }
  return range.end < range.start ? undefined : range
}

function takeCut(knobs: RegistryKnobs): number | undefined {
  if (knobs.cut === undefined || knobs.cut.times <= 0) return undefined
  knobs.cut.times -= 1
  return knobs.cut.afterBytes
}

function refuse(exchange: Exchange, status: number, code: string, message: string, headers: Headers = {}): void {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}\nRequestId:${randomUUID()}\nTime:${new Date().toISOString()}</Message></Error>`
  exchange.bytes(status, Buffer.from(body), {
    'content-type': 'application/xml',
    server: 'Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0',
    'x-ms-error-code': code,
    ...headers
  })
}
