import type { Digest } from '../oci/digest.ts'
import { readManifest, type Descriptor } from '../oci/manifest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { isTag, type Repository, type Tag } from '../oci/name.ts'
import { largestManifest } from './content.ts'
import { ParentError } from './errors.ts'
import { discard, one, readAll } from './exchange.ts'
import { nameOf, type Requests } from './requests.ts'

const mostPages = 10_000

/** Every tag of a repository, page by page. */
export async function* listTags(
  requests: Requests,
  repository: Repository,
  signal: AbortSignal | undefined
): AsyncGenerator<Tag, void, undefined> {
  let url: URL | undefined = requests.url(`/v2/${repository}/tags/list?n=500`)
  for (let page = 0; url !== undefined; page += 1) {
    const here: URL = url
    const subject = `tag list of ${repository}`
    const answer = await requests.send({ url: here, signal }, { kind: 'tags', repository }, subject)
    if (answer.status !== 200) throw await requests.refusal(answer, subject)
    url = nextPage(one(answer.headers['link']), here, page)
    yield* readTags(await readAll(answer, 16 * 1024 * 1024, signal), here.host)
  }
}

/** What refers to a manifest, or undefined where the parent has no referrers API. */
export async function listReferrers(
  requests: Requests,
  repository: Repository,
  subject: Digest,
  signal: AbortSignal | undefined
): Promise<readonly Descriptor[] | undefined> {
  const found: Descriptor[] = []
  let url: URL | undefined = requests.url(`/v2/${repository}/referrers/${subject}`)
  for (let page = 0; url !== undefined; page += 1) {
    const here: URL = url
    const what = `list of referrers of ${nameOf(repository, subject)}`
    const headers = { accept: mediaTypes.ociIndex }
    const answer = await requests.send({ url: here, headers, signal }, { kind: 'pull', repository }, what)
    // Registries without the API answer 404; some of them do not even know the path.
    if (page === 0 && [400, 404, 405].includes(answer.status)) {
      await discard(answer)
      return undefined
    }
    if (answer.status !== 200) throw await requests.refusal(answer, what)
    url = nextPage(one(answer.headers['link']), here, page)
    found.push(...readReferrers(await readAll(answer, largestManifest, signal), here.host))
  }
  return found
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
  let list: { readonly name?: unknown; readonly tags?: unknown } | null
  try {
    list = JSON.parse(bytes.toString()) as typeof list
  } catch (cause) {
    throw new ParentError('PARENT_PROTOCOL', `${host} answers a tag list that is not JSON`, { cause })
  }
  const tags = list?.tags
  // A repository whose tags are all gone has null there, or nothing; JSON of something else has no name either, and a list that
  // is taken for empty has all of a mirrored repository removed.
  if ((tags === null || tags === undefined) && typeof list?.name === 'string') return []
  if (!Array.isArray(tags)) throw new ParentError('PARENT_PROTOCOL', `${host} answers a tag list without a list`)
  return tags.filter((tag): tag is Tag => typeof tag === 'string' && isTag(tag))
}
