import type { ContentNews } from './notifications/event.ts'
import type { Index, IndexChange } from './storage/storage.ts'

export interface ContentWatchOptions {
  /** Asked before each change, so that nothing is looked up where nobody wants to hear of it. */
  readonly isWanted: () => boolean
  readonly tell: (news: readonly ContentNews[]) => void
}

/**
 * The index, and beside it somebody who hears what became of tags and manifests: a tag that moved or went, a manifest that came
 * or went without one. What sync brings and what clients push both go through here; what the storage itself tidies up does not.
 */
export function watchIndex(index: Index, { isWanted, tell }: ContentWatchOptions): Index {
  return {
    repositories: (page) => index.repositories(page),
    tags: (repository, page) => index.tags(repository, page),
    tag: (repository, tag) => index.tag(repository, tag),
    manifest: (repository, digest) => index.manifest(repository, digest),
    hasBlob: (repository, digest) => index.hasBlob(repository, digest),
    holders: (digest) => index.holders(digest),
    referrers: (repository, subject, page) => index.referrers(repository, subject, page),
    state: (key) => index.state(key),
    states: (prefix) => index.states(prefix),
    apply: async (changes) => {
      if (!isWanted()) return index.apply(changes)
      const news = (await Promise.all(changes.map((change) => newsOf(index, change, changes)))).flat()
      await index.apply(changes)
      if (news.length > 0) tell(news)
    }
  }
}

/** What a change will have done, by how things stand before it. */
async function newsOf(index: Index, change: IndexChange, all: readonly IndexChange[]): Promise<ContentNews[]> {
  switch (change.kind) {
    case 'setTag': {
      const { repository, tag, digest } = change
      if ((await index.tag(repository, tag)) === digest) return []
      const put = all.find((other) => other.kind === 'putManifest' && other.digest === digest)
      const manifest = put?.kind === 'putManifest' ? put : await index.manifest(repository, digest)
      return [{ action: 'push', repository, tag, digest, mediaType: manifest?.mediaType, size: manifest?.size }]
    }
    case 'putManifest': {
      const { repository, digest, mediaType, size } = change
      const isTagged = all.some((other) => other.kind === 'setTag' && other.digest === digest)
      if (isTagged || (await index.manifest(repository, digest)) !== undefined) return []
      return [{ action: 'push', repository, digest, mediaType, size }]
    }
    case 'removeTag': {
      const { repository, tag } = change
      const digest = await index.tag(repository, tag)
      if (digest === undefined) return []
      return [{ action: 'delete', repository, tag, digest, ...(await mediaTypeOf(index, change.repository, digest)) }]
    }
    case 'removeManifest': {
      const { repository, digest } = change
      const found = await mediaTypeOf(index, repository, digest)
      return found === undefined ? [] : [{ action: 'delete', repository, digest, ...found }]
    }
    case 'removeRepository': {
      const { repository } = change
      const tags = (await index.tags(repository)) ?? []
      const removals = tags.map((tag): IndexChange => ({ kind: 'removeTag', repository, tag }))
      return (await Promise.all(removals.map((removal) => newsOf(index, removal, all)))).flat()
    }
    default:
      return []
  }
}

async function mediaTypeOf(
  index: Index,
  repository: Parameters<Index['manifest']>[0],
  digest: Parameters<Index['manifest']>[1]
): Promise<{ readonly mediaType: string } | undefined> {
  const manifest = await index.manifest(repository, digest)
  return manifest === undefined ? undefined : { mediaType: manifest.mediaType }
}
