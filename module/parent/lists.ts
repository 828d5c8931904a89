import type { Digest } from '../oci/digest.ts'
import { readManifest, type Descriptor } from '../oci/manifest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { isTag, type Repository, type Tag } from '../oci/name.ts'
import { largestManifest } from './content.ts'
import { ParentError } from './errors.ts'
import { discard, readAll, type Answer } from './exchange.ts'
import { parseLinks } from './link-header.ts'
import { nameOf, type Requests } from './requests.ts'

/** One page, in bytes. */
const largestPage = 16 * 1024 * 1024
/** A list in all: hundreds of thousands of tags. What is longer is one that does not end, and a gateway's memory would. */
const largestList = 32 * 1024 * 1024
const mostPages = 10_000

/** Every tag of a repository, page by page. */
export async function* listTags(
  requests: Requests,
  repository: Repository,
  signal: AbortSignal | undefined
): AsyncGenerator<Tag, void, undefined> {
  const subject = `tag list of ${repository}`
  let url: URL | undefined = requests.url(`/v2/${repository}/tags/list?n=500`)
  const pages = new Pages(url)
  while (url !== undefined) {
    const answer = await requests.send({ url, signal }, { kind: 'tags', repository }, subject)
    if (answer.status !== 200) throw pages.refused(await requests.refusal(answer, subject))
    const bytes = await readAll(answer, largestPage, signal)
    yield* readTags(bytes, repository, url.host)
    url = pages.after(answer, bytes)
  }
}

/** What refers to a manifest, or undefined where the parent has no referrers API. */
export async function listReferrers(
  requests: Requests,
  repository: Repository,
  subject: Digest,
  signal: AbortSignal | undefined
): Promise<readonly Descriptor[] | undefined> {
  const what = `list of referrers of ${nameOf(repository, subject)}`
  const found: Descriptor[] = []
  let url: URL | undefined = requests.url(`/v2/${repository}/referrers/${subject}`)
  const pages = new Pages(url)
  while (url !== undefined) {
    const headers = { accept: mediaTypes.ociIndex }
    const answer = await requests.send({ url, headers, signal }, { kind: 'pull', repository }, what)
    // Registries without the API answer 404; some of them do not even know the path.
    if (pages.isFirst && [400, 404, 405].includes(answer.status)) {
      await discard(answer)
      return undefined
    }
    if (answer.status !== 200) throw pages.refused(await requests.refusal(answer, what))
    const bytes = await readAll(answer, largestManifest, signal)
    found.push(...readReferrers(bytes, url.host))
    url = pages.after(answer, bytes)
  }
  return found
}

/** The pages of one list: each once, and not for ever. */
class Pages {
  readonly #seen: Set<string>
  #at: URL
  #bytes = 0

  constructor(first: URL) {
    this.#at = first
    this.#seen = new Set([first.href])
  }

  get isFirst(): boolean {
    return this.#seen.size === 1
  }

  /** What a refusal of this page means: that a later one is not there does not say that the list is not. */
  refused(error: ParentError): ParentError {
    if (this.isFirst || error.code !== 'PARENT_NOT_FOUND') return error
    return this.#wrong(`does not have the next page of a list that it named itself (${error.message})`)
  }

  /**
   * The page after this one, by RFC 8288's `<…>; rel="next"`; undefined where this is the last.
   *
   * @throws {ParentError} `PARENT_PROTOCOL`
   */
  after({ headers }: Answer, { byteLength }: Buffer): URL | undefined {
    const links = parseLinks(headers['link'])
    // A list that seems to end early has what stands on its other pages removed from a mirror.
    if (links === undefined) throw this.#wrong('says in a way that cannot be read where its list goes on (header Link)')
    const target = links.find(({ relations }) => relations.includes('next'))?.target
    if (target === undefined) return undefined
    const next = URL.parse(target, this.#at.href)
    if (next !== null) next.hash = ''
    this.#bytes += byteLength
    if (this.#bytes >= largestList || this.#seen.size >= mostPages)
      throw this.#wrong(`has a list of more than ${this.#bytes} bytes on ${this.#seen.size} pages, and goes on`)
    if (next?.origin !== this.#at.origin || this.#seen.has(next.href))
      throw this.#wrong('pages its list in a way that leads nowhere')
    this.#seen.add(next.href)
    this.#at = next
    return next
  }

  #wrong(what: string): ParentError {
    return new ParentError('PARENT_PROTOCOL', `${this.#at.host} ${what}`)
  }
}

function readReferrers(bytes: Buffer, host: string): readonly Descriptor[] {
  try {
    return readManifest(bytes, mediaTypes.ociIndex).manifests
  } catch (cause) {
    throw new ParentError('PARENT_PROTOCOL', `${host} answers a list of referrers that is no index`, { cause })
  }
}

function readTags(bytes: Buffer, repository: Repository, host: string): Tag[] {
  let list: { readonly name?: unknown; readonly tags?: unknown } | null
  try {
    list = JSON.parse(bytes.toString()) as typeof list
  } catch (cause) {
    throw new ParentError('PARENT_PROTOCOL', `${host} answers a tag list that is not JSON`, { cause })
  }
  const tags = list?.tags
  // A repository whose tags are all gone has null there, or nothing; so has JSON of something else, which may well have a name
  // (Feathers answers "name": "NotFound"), and a list that is taken for empty has all of a mirrored repository removed.
  if ((tags === null || tags === undefined) && list?.name === repository) return []
  if (!Array.isArray(tags))
    throw new ParentError(
      'PARENT_PROTOCOL',
      `${host} answers something for the tag list of ${repository} that is none: check the parent's endpoint, and what answers there in its place (a proxy, a captive portal)`
    )
  return tags.filter((tag): tag is Tag => typeof tag === 'string' && isTag(tag))
}
