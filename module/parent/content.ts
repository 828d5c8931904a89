import { algorithmOf, digestOf, isDigest, type Digest } from '../oci/digest.ts'
import { looksLikeManifest } from '../oci/manifest.ts'
import { manifestMediaTypes } from '../oci/media-types.ts'
import type { Repository, Tag } from '../oci/name.ts'
import { ParentError } from './errors.ts'
import { discard, one, readAll, readBody, type Answer } from './exchange.ts'
import { isMarked, isWebPage } from './registry-answer.ts'
import { nameOf, type Requests } from './requests.ts'

/** A manifest's name and kind without its bytes. */
export interface ManifestHead {
  readonly digest: Digest
  readonly mediaType: string | undefined
}

export interface FetchedManifest {
  readonly bytes: Buffer
  readonly mediaType: string
  /** Checked against the bytes. */
  readonly digest: Digest
}

export interface FetchedBlob {
  /** Where the bytes begin: as asked for, or before that: some resume at whole pieces only, others not at all. */
  readonly offset: number
  /** Bytes of the whole blob, where the parent says so. */
  readonly size: number | undefined
  /** What the bytes are packed with by their headers; undefined where they are the blob's own. */
  readonly encoding: string | undefined
  /** Leaving the loop early closes the connection. Not verified: whoever stores it does. */
  readonly stream: AsyncIterable<Buffer>
}

export interface BlobOptions {
  readonly offset?: number
  readonly signal?: AbortSignal | undefined
  /** Bytes that may wait to be read: a slow reader's ceiling is only as good as this is small. */
  readonly readAhead?: number | undefined
}

/** Registries must take manifests of at least 4 MiB (distribution-spec, "Pushing manifests"); none known gives more. */
export const largestManifest = 8 * 1024 * 1024

/** A manifest's bytes, checked against their digest. */
export async function fetchManifest(
  requests: Requests,
  repository: Repository,
  reference: Tag | Digest,
  { signal }: { readonly signal?: AbortSignal | undefined } = {}
): Promise<FetchedManifest> {
  const subject = nameOf(repository, reference)
  const url = requests.url(`/v2/${repository}/manifests/${reference}`)
  const headers = { accept: manifestMediaTypes.join(', ') }
  const answer = await requests.send({ url, headers, signal }, { kind: 'pull', repository }, subject)
  if (answer.status !== 200) throw await requests.refusal(answer, subject)
  const bytes = await readAll(answer, largestManifest, signal)
  const told = isDigest(reference) ? reference : one(answer.headers['docker-content-digest'])
  const digest = told !== undefined && isDigest(told) ? told : digestOf(bytes)
  if (digestOf(bytes, algorithmOf(digest)) !== digest)
    throw new ParentError(
      'PARENT_PROTOCOL',
      `${url.host} answers other bytes for ${subject} than their digest says: something on the way changes content`
    )
  if (!looksLikeManifest(bytes))
    throw new ParentError(
      'PARENT_PROTOCOL',
      `${answer.url.host} answers something for ${subject} that is no manifest: check the parent's endpoint, and what answers there in its place (a proxy, a captive portal)`
    )
  return { bytes, digest, mediaType: mediaTypeOf(answer) ?? 'application/json' }
}

/** Where a reference stands, by HEAD where the parent answers that properly. */
export async function readHead(
  requests: Requests,
  repository: Repository,
  reference: Tag | Digest,
  { known, signal }: { readonly known?: Digest | undefined; readonly signal?: AbortSignal | undefined } = {}
): Promise<ManifestHead> {
  const subject = nameOf(repository, reference)
  const url = requests.url(`/v2/${repository}/manifests/${reference}`)
  const headers = {
    accept: manifestMediaTypes.join(', '),
    ...(known === undefined ? {} : { 'if-none-match': `"${known}"` })
  }
  const answer = await requests.send({ method: 'HEAD', url, headers, signal }, { kind: 'pull', repository }, subject)
  const digest = one(answer.headers['docker-content-digest'])
  if (answer.status === 304 && known !== undefined) {
    await discard(answer)
    return { digest: known, mediaType: undefined }
  }
  if (answer.status === 200 && digest !== undefined && isDigest(digest)) {
    await discard(answer)
    return { digest, mediaType: mediaTypeOf(answer) }
  }
  // Some registries answer HEAD without a digest, or not at all (registry.md §6.2); and that something is not there, which may have
  // it removed here, is believed of a registry only: what answers has a body that tells.
  const isTold = answer.status === 200 || answer.status === 405 || (answer.status === 404 && !isMarked(answer.headers))
  if (!isTold) throw await requests.refusal(answer, subject)
  await discard(answer)
  return fetchManifest(requests, repository, reference, { signal })
}

/** A blob's bytes from an offset on, or from the beginning where the parent cannot resume. */
export async function fetchBlob(
  requests: Requests,
  repository: Repository,
  digest: Digest,
  { offset = 0, signal, readAhead }: BlobOptions = {}
): Promise<FetchedBlob> {
  const subject = nameOf(repository, digest)
  const url = requests.url(`/v2/${repository}/blobs/${digest}`)
  const get = (from: number): Promise<Answer> =>
    requests.send(
      // Identity: a body that is packed on the way has other offsets than the blob.
      { url, headers: { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) }, signal },
      { kind: 'pull', repository },
      subject
    )
  let answer = await get(offset)
  // One that cannot resume, or does it wrongly, has the whole all the same.
  if (offset > 0 && (answer.status === 416 || (answer.status === 206 && placeOf(answer, offset) === undefined))) {
    await discard(answer)
    answer = await get(0)
  }
  if (answer.status !== 200 && answer.status !== 206) throw await requests.refusal(answer, subject)
  if (isWebPage(answer.headers)) {
    await discard(answer)
    throw webPage(answer, subject)
  }
  const place = placeOf(answer, offset)
  if (place === undefined) {
    await discard(answer)
    throw new ParentError('PARENT_PROTOCOL', `${answer.url.host} answers another range of ${subject} than asked for`)
  }
  return { ...place, encoding: encodingOf(answer), stream: readBody(answer, signal, readAhead) }
}

/**
 * Asks whether a repository has a blob, for which none of its bytes come: by HEAD, where the parent answers that properly.
 *
 * @throws {ParentError} `PARENT_NOT_FOUND` where it has not, and what {@link fetchBlob} throws
 */
export async function checkBlob(
  requests: Requests,
  repository: Repository,
  digest: Digest,
  { signal }: { readonly signal?: AbortSignal | undefined } = {}
): Promise<void> {
  const subject = nameOf(repository, digest)
  const url = requests.url(`/v2/${repository}/blobs/${digest}`)
  const ask = (method: 'HEAD' | 'GET', headers: Record<string, string>): Promise<Answer> =>
    // A registry that sends to its blob storage has it; a link signed for GET would refuse HEAD.
    requests.send({ method, url, headers, signal, stays: true }, { kind: 'pull', repository }, subject)
  let answer = await ask('HEAD', {})
  // As with manifests: some know GET alone, and what is not there is believed of a registry only, whose body tells.
  if (answer.status === 405 || (answer.status === 404 && !isMarked(answer.headers))) {
    await discard(answer)
    answer = await ask('GET', { 'accept-encoding': 'identity', range: 'bytes=0-0' })
  }
  // An empty blob has no first byte.
  if (answer.status >= 400 && answer.status !== 416) throw await requests.refusal(answer, subject)
  await discard(answer)
  if (answer.status < 300 && isWebPage(answer.headers)) throw webPage(answer, subject)
}

function webPage({ url }: Answer, subject: string): ParentError {
  return new ParentError(
    'PARENT_PROTOCOL',
    `${url.host} answers a web page for ${subject}: check the parent's endpoint, and what answers there in its place (a proxy, a captive portal)`
  )
}

function mediaTypeOf(answer: Answer): string | undefined {
  return one(answer.headers['content-type'])?.split(';', 1)[0]?.trim().toLowerCase()
}

/** Asked for none, it is there all the same where a proxy packs whatever passes. */
function encodingOf(answer: Answer): string | undefined {
  const encoding = one(answer.headers['content-encoding'])
    ?.replace(/[^\w.-]/g, ' ')
    .trim()
    .toLowerCase()
    .slice(0, 30)
  return encoding === '' || encoding === 'identity' ? undefined : encoding
}

/**
 * Where a blob's bytes begin, and how many the whole has.
 *
 * @param offset where they are to begin at the latest
 * @returns undefined for another range: without `Content-Range` it is none, or several (`multipart/byteranges`)
 */
function placeOf(
  answer: Answer,
  offset: number
): { readonly offset: number; readonly size: number | undefined } | undefined {
  if (answer.status === 200) {
    const length = one(answer.headers['content-length'])
    return { offset: 0, size: length === undefined ? undefined : Number(length) }
  }
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(one(answer.headers['content-range']) ?? '') ?? []
  if (start === undefined || Number(start) > offset) return undefined
  return { offset: Number(start), size: total === undefined || total === '*' ? undefined : Number(total) }
}
