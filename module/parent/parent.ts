import type { Log } from '../log/log.ts'
import { algorithmOf, digestOf, isDigest, type Digest } from '../oci/digest.ts'
import { readManifest, type Descriptor } from '../oci/manifest.ts'
import { manifestMediaTypes, mediaTypes } from '../oci/media-types.ts'
import { isTag, type Repository, type Tag } from '../oci/name.ts'
import { Authorizer, type Purpose, type Spent } from './authorizer.ts'
import { CredentialChoice, type Credentials, type TakenCredential } from './credentials.ts'
import { ParentError } from './errors.ts'
import { askFollowing, discard, one, readAll, readBody, type Answer } from './exchange.ts'
import { createOutbound, defaultTimeouts, type ParentTimeouts } from './outbound.ts'
import { refusal } from './refusal.ts'
import { verifyToken, type ParentGrant } from './verify.ts'

export interface ParentOptions {
  /** `https://host[:port]` */
  readonly origin: string
  /** Without a name and a password only parents that ask for none can be read. */
  readonly tokenName?: string
  readonly password?: string
  /** What to try where these are refused: the device's other credential for the same parent. */
  readonly otherCredentials?: Credentials | undefined
  /** Told of a credential that the parent took, now and then. */
  readonly onCredential?: (taken: TakenCredential) => void
  /** PEM text that is trusted beside the system's roots: IoT Edge's trust bundle. */
  readonly extraCertificates?: string | undefined
  /** Where `https_proxy`, `http_proxy` and `no_proxy` are looked up. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly userAgent: string
  readonly log: Log
  readonly timeouts?: Partial<ParentTimeouts>
}

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
  /** Where the bytes begin: as asked for, or 0 where the parent cannot resume. */
  readonly offset: number
  /** Bytes of the whole blob, where the parent says so. */
  readonly size: number | undefined
  /** Leaving the loop early closes the connection. Not verified: whoever stores it does. */
  readonly stream: AsyncIterable<Buffer>
}

/** A registry upstream. Every method throws {@link ParentError}, or the signal's reason once that is aborted. */
export interface Parent {
  readonly origin: string
  /** Proves that the parent is there and takes the credentials. */
  check(signal?: AbortSignal): Promise<void>
  /** Every tag of a repository, page by page. */
  tags(repository: Repository, signal?: AbortSignal): AsyncGenerator<Tag, void, undefined>
  /** @param options.known the digest held already; the parent may answer with "still that" */
  head(
    repository: Repository,
    reference: Tag | Digest,
    options?: { readonly known?: Digest | undefined; readonly signal?: AbortSignal | undefined }
  ): Promise<ManifestHead>
  manifest(
    repository: Repository,
    reference: Tag | Digest,
    options?: { readonly signal?: AbortSignal | undefined }
  ): Promise<FetchedManifest>
  blob(
    repository: Repository,
    digest: Digest,
    options?: {
      readonly offset?: number
      readonly signal?: AbortSignal | undefined
      /** Bytes that may wait to be read: a slow reader's ceiling is only as good as this is small. */
      readonly readAhead?: number | undefined
    }
  ): Promise<FetchedBlob>
  /** What refers to a manifest, or undefined where the parent has no referrers API. */
  referrers(
    repository: Repository,
    subject: Digest,
    options?: { readonly signal?: AbortSignal | undefined }
  ): Promise<readonly Descriptor[] | undefined>
  /**
   * Whether the parent knows a client's token, and what it grants it of the scopes.
   *
   * @returns undefined where it refuses the name or the password
   */
  verify(
    tokenName: string,
    password: string,
    scopes: readonly string[],
    signal: AbortSignal
  ): Promise<ParentGrant[] | undefined>
  /** Ends every connection; what is under way fails. */
  close(): Promise<void>
}

/** Registries must take manifests of at least 4 MiB (distribution-spec, "Pushing manifests"); none known gives more. */
const largestManifest = 8 * 1024 * 1024
const mostPages = 10_000
/** A signed link may end between the redirect and the use of it; after that many the store itself is the trouble. */
const mostLinks = 3

/**
 * Makes a client of an upstream registry; nothing is sent before a method is called.
 *
 * @throws {ParentError} `PARENT_PROTOCOL` where the origin is none
 */
export function createParent(options: ParentOptions): Parent {
  const origin = URL.parse(options.origin)
  if (origin === null || !['http:', 'https:'].includes(origin.protocol))
    throw new ParentError('PARENT_PROTOCOL', `the parent's address must read https://host[:port]`)
  const { tokenName, password } = options
  const timeouts = { ...defaultTimeouts, ...options.timeouts }
  const outbound = createOutbound(options.environment ?? {}, options.extraCertificates, timeouts)
  const preferred = tokenName === undefined || password === undefined ? [] : [{ tokenName, password }]
  const all = [...preferred, ...(options.otherCredentials === undefined ? [] : [options.otherCredentials])]
  const choice = new CredentialChoice(all, options.onCredential)
  const authorizer = new Authorizer(outbound, origin, choice, options.userAgent)

  /** Asks with proof of identity, renewing it once, and asking anew for signed links that have ended. */
  async function request(
    what: {
      readonly method?: 'HEAD'
      readonly url: URL
      readonly headers?: Readonly<Record<string, string>>
      readonly signal?: AbortSignal | undefined
    },
    purpose: Purpose,
    subject: string
  ): Promise<Answer> {
    const spent: Spent = new Set()
    let authorization = await authorizer.begin(purpose, spent, what.signal)
    for (let links = 1; ;) {
      const answer = await askFollowing(outbound, {
        method: what.method ?? 'GET',
        url: what.url,
        headers: {
          'user-agent': options.userAgent,
          ...what.headers,
          ...(authorization === undefined ? {} : { authorization })
        },
        signal: what.signal
      })
      const elsewhere = answer.url.origin !== what.url.origin
      if (answer.status < 500 && ![401, 407, 429].includes(answer.status)) authorizer.answered()
      if (!elsewhere && answer.status === 401)
        authorization = await authorizer.respond(answer, purpose, subject, spent, what.signal)
      else if (elsewhere && [401, 403, 404, 410].includes(answer.status)) {
        await discard(answer)
        options.log.debug('a link of the parent is not taken', { host: answer.url.host, status: answer.status, links })
        if (links >= mostLinks)
          throw new ParentError(
            'PARENT_FAILED',
            `${origin?.host ?? ''} sends to ${answer.url.host} for ${subject}, which answers ${answer.status}: check this device's clock, and that firewalls let it there`
          )
        links += 1
      } else return answer
    }
  }

  async function manifest(
    repository: Repository,
    reference: Tag | Digest,
    { signal }: { readonly signal?: AbortSignal | undefined } = {}
  ): Promise<FetchedManifest> {
    const subject = nameOf(repository, reference)
    const url = new URL(`/v2/${repository}/manifests/${reference}`, options.origin)
    const headers = { accept: manifestMediaTypes.join(', ') }
    const answer = await request({ url, headers, signal }, { kind: 'pull', repository }, subject)
    if (answer.status !== 200) throw await refusal(answer, subject, authorizer.tokenName)
    const bytes = await readAll(answer, largestManifest, signal)
    const told = isDigest(reference) ? reference : one(answer.headers['docker-content-digest'])
    const digest = told !== undefined && isDigest(told) ? told : digestOf(bytes)
    if (digestOf(bytes, algorithmOf(digest)) !== digest)
      throw new ParentError(
        'PARENT_PROTOCOL',
        `${url.host} answers other bytes for ${subject} than their digest says: something on the way changes content`
      )
    return { bytes, digest, mediaType: mediaTypeOf(answer) ?? 'application/json' }
  }

  return {
    origin: options.origin,
    manifest,

    async check(signal) {
      const answer = await request(
        { url: new URL('/v2/', options.origin), signal },
        { kind: 'base' },
        'its base (/v2/)'
      )
      if (answer.status !== 200) throw await refusal(answer, 'registry at /v2/', authorizer.tokenName)
      await discard(answer)
    },

    async *tags(repository, signal) {
      let url: URL | undefined = new URL(`/v2/${repository}/tags/list?n=500`, options.origin)
      for (let page = 0; url !== undefined; page += 1) {
        const here: URL = url
        const subject = `tag list of ${repository}`
        const answer = await request({ url: here, signal }, { kind: 'tags', repository }, subject)
        if (answer.status !== 200) throw await refusal(answer, subject, authorizer.tokenName)
        url = nextPage(one(answer.headers['link']), here, page)
        yield* readTags(await readAll(answer, 16 * 1024 * 1024, signal), here.host)
      }
    },

    async head(repository, reference, { known, signal } = {}) {
      const subject = nameOf(repository, reference)
      const url = new URL(`/v2/${repository}/manifests/${reference}`, options.origin)
      const headers = {
        accept: manifestMediaTypes.join(', '),
        ...(known === undefined ? {} : { 'if-none-match': `"${known}"` })
      }
      const answer = await request({ method: 'HEAD', url, headers, signal }, { kind: 'pull', repository }, subject)
      const digest = one(answer.headers['docker-content-digest'])
      if (answer.status === 304 && known !== undefined) {
        await discard(answer)
        return { digest: known, mediaType: undefined }
      }
      if (answer.status === 200 && digest !== undefined && isDigest(digest)) {
        await discard(answer)
        return { digest, mediaType: mediaTypeOf(answer) }
      }
      // Some registries answer HEAD without a digest, or not at all (registry.md §6.2).
      if (answer.status !== 200 && answer.status !== 405) throw await refusal(answer, subject, authorizer.tokenName)
      await discard(answer)
      return manifest(repository, reference, { signal })
    },

    async blob(repository, digest, { offset = 0, signal, readAhead } = {}) {
      const subject = nameOf(repository, digest)
      const url = new URL(`/v2/${repository}/blobs/${digest}`, options.origin)
      const get = (from: number): Promise<Answer> =>
        request(
          // Identity: a body that is packed on the way has other offsets than the blob.
          { url, headers: { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) }, signal },
          { kind: 'pull', repository },
          subject
        )
      let answer = await get(offset)
      if (answer.status === 416 && offset > 0) {
        await discard(answer)
        answer = await get(0)
      }
      if (answer.status !== 200 && answer.status !== 206) throw await refusal(answer, subject, authorizer.tokenName)
      const place = placeOf(answer)
      if (place === undefined || (place.offset !== offset && place.offset !== 0)) {
        answer.body.destroy()
        throw new ParentError(
          'PARENT_PROTOCOL',
          `${answer.url.host} answers another range of ${subject} than asked for`
        )
      }
      return { ...place, stream: readBody(answer, signal, readAhead) }
    },

    verify: (tokenName, password, scopes, signal) =>
      verifyToken(outbound, { origin, userAgent: options.userAgent, tokenName, password, scopes, signal }),

    async referrers(repository, subject, { signal } = {}) {
      const found: Descriptor[] = []
      let url: URL | undefined = new URL(`/v2/${repository}/referrers/${subject}`, options.origin)
      for (let page = 0; url !== undefined; page += 1) {
        const here: URL = url
        const what = `list of referrers of ${nameOf(repository, subject)}`
        const headers = { accept: mediaTypes.ociIndex }
        const answer = await request({ url: here, headers, signal }, { kind: 'pull', repository }, what)
        // Registries without the API answer 404; some of them do not even know the path.
        if (page === 0 && [400, 404, 405].includes(answer.status)) {
          await discard(answer)
          return undefined
        }
        if (answer.status !== 200) throw await refusal(answer, what, authorizer.tokenName)
        url = nextPage(one(answer.headers['link']), here, page)
        found.push(...readReferrers(await readAll(answer, largestManifest, signal), here.host))
      }
      return found
    },

    close: () => outbound.close()
  }
}

function nameOf(repository: Repository, reference: Tag | Digest): string {
  return isDigest(reference) ? `${repository}@${reference}` : `${repository}:${reference}`
}

function mediaTypeOf(answer: Answer): string | undefined {
  return one(answer.headers['content-type'])?.split(';', 1)[0]?.trim().toLowerCase()
}

/** Where a blob's bytes begin, and how many the whole has; undefined where the headers contradict themselves. */
function placeOf(answer: Answer): { readonly offset: number; readonly size: number | undefined } | undefined {
  if (answer.status === 200) {
    const length = one(answer.headers['content-length'])
    return { offset: 0, size: length === undefined ? undefined : Number(length) }
  }
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(one(answer.headers['content-range']) ?? '') ?? []
  if (start === undefined) return undefined
  return { offset: Number(start), size: total === undefined || total === '*' ? undefined : Number(total) }
}

/** RFC 8288's `<…>; rel="next"`; one registry is known to leave the brackets out (registry.md §6.2). */
function nextPage(link: string | undefined, from: URL, page: number): URL | undefined {
  const target = /^\s*<?([^>;]+)>?\s*;[^,]*rel="?next"?/i.exec(link ?? '')?.[1]
  if (target === undefined) return undefined
  const next = URL.parse(target, from.href)
  if (next?.origin !== from.origin || next.href === from.href || page >= mostPages)
    throw new ParentError('PARENT_PROTOCOL', `${from.host} pages its tags in a way that leads nowhere`)
  return next
}

function readReferrers(bytes: Buffer, host: string): readonly Descriptor[] {
  try {
    return readManifest(bytes, mediaTypes.ociIndex).manifests
  } catch (cause) {
    throw new ParentError('PARENT_PROTOCOL', `${host} answers a list of referrers that is no index`, { cause })
  }
}

function readTags(bytes: Buffer, host: string): Tag[] {
  let tags: unknown
  try {
    tags = (JSON.parse(bytes.toString()) as { tags?: unknown } | null)?.tags
  } catch (cause) {
    throw new ParentError('PARENT_PROTOCOL', `${host} answers a tag list that is not JSON`, { cause })
  }
  // A repository whose tags are all gone has null there.
  if (tags === null || tags === undefined) return []
  if (!Array.isArray(tags)) throw new ParentError('PARENT_PROTOCOL', `${host} answers a tag list without a list`)
  return tags.filter((tag): tag is Tag => typeof tag === 'string' && isTag(tag))
}
