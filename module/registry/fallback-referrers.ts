import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { readManifest } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { referrersTag } from '../oci/referrers-tag.ts'
import type { Serving } from './handlers.ts'

/** What an index under a fallback tag lists: all of it, and by artifact type; sorted. */
export interface FallbackList {
  readonly all: readonly Digest[]
  readonly byType: ReadonlyMap<string, readonly Digest[]>
}

/** Lists that were read last; an index does not change under its digest. */
const mostLists = 32

/** Fallback lists by the digest of their index. */
export class FallbackCache {
  readonly #lists = new Map<Digest, FallbackList>()

  async get(digest: Digest, read: () => Promise<FallbackList>): Promise<FallbackList> {
    const held = this.#lists.get(digest)
    if (held !== undefined) return held
    const list = await read()
    this.#lists.set(digest, list)
    const [oldest] = this.#lists.keys()
    if (this.#lists.size > mostLists && oldest !== undefined) this.#lists.delete(oldest)
    return list
  }
}

/**
 * What clients of registries without the referrers API wrote into an index under the tag `<algorithm>-<hex>`, and what came
 * here so by sync: a registry with the API must list it too.
 *
 * @param after only digests that sort after this
 * @param limit how many at the most
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#enabling-the-referrers-api
 */
export async function fallbackReferrers(
  serving: Serving,
  repository: Repository,
  subject: Digest,
  { after, limit, artifactType }: { readonly after: string; readonly limit: number; readonly artifactType?: string }
): Promise<Digest[]> {
  const { content, fallbacks } = serving
  const digest = await content.index.tag(repository, referrersTag(subject))
  if (digest === undefined) return []
  const { all, byType } = await fallbacks.get(digest, () => readList(serving, digest))
  const list = artifactType === undefined ? all : (byType.get(artifactType) ?? [])
  const found: Digest[] = []
  for (let at = firstAfter(list, after); at < list.length && found.length < limit; at++) {
    const each = list[at]
    // What was deleted since stays in the client's index: nobody could pull it.
    if (each !== undefined && (await content.index.manifest(repository, each)) !== undefined) found.push(each)
  }
  return found
}

async function readList({ content, cache }: Serving, digest: Digest): Promise<FallbackList> {
  try {
    const { manifests } = readManifest(await cache.get(digest, () => content.blobs.bytes(digest)))
    const sorted = [...manifests].sort((a, b) => (a.digest < b.digest ? -1 : 1))
    const byType = Map.groupBy(sorted, ({ artifactType }) => artifactType ?? '')
    return {
      all: sorted.map((each) => each.digest),
      byType: new Map([...byType].map(([type, entries]) => [type, entries.map((each) => each.digest)]))
    }
  } catch (error) {
    // Anybody can push anything under such a tag, and its bytes may be lost: then it lists nothing.
    if (error instanceof OciError) return { all: [], byType: new Map() }
    throw error
  }
}

function firstAfter(sorted: readonly Digest[], after: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? '') <= after) low = middle + 1
    else high = middle
  }
  return low
}
