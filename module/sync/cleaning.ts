import type { Log } from '../log/log.ts'
import type { Digest } from '../oci/digest.ts'
import { isRepository, type Repository, type Tag } from '../oci/name.ts'
import type { SyncObserver } from './events.ts'
import { childrenHere } from './held.ts'
import { tagsToRemove, type PlannedImage, type Want } from './plan.ts'
import type { Content, ContentChange } from './ports.ts'
import { referrerTags } from './referrers.ts'
import { forgetVerified } from './signatures.ts'
import type { LocalPushes } from './upward/ports.ts'

export interface CleaningOptions {
  readonly content: Content
  readonly observer: SyncObserver
  readonly log: Log
  /** What was pushed here and is not in the parent yet is not missing there. */
  readonly pushes?: LocalPushes | undefined
}

interface RemovalOptions extends CleaningOptions {
  /** Generation of {@link CleaningOptions.pushes} before the parent was asked, and before it was looked what is here. */
  readonly asked: number
}

const broughtKey = 'sync.brought'

/** Repositories that sync has brought something to: what was pushed here is never cleaned up by it. */
export async function readBrought(index: Pick<Content['index'], 'state'>): Promise<Set<Repository>> {
  const value = await index.state(broughtKey)
  if (!Array.isArray(value)) return new Set()
  return new Set(value.filter((name): name is Repository => typeof name === 'string' && isRepository(name)))
}

export function rememberBrought(brought: ReadonlySet<Repository>): ContentChange {
  return { kind: 'setState', key: broughtKey, value: [...brought].sort() }
}

/** Takes away the tags of mirrored image sets that the parent no longer has, or that `newest` no longer covers. */
export async function mirrorDeletions({
  wants,
  images,
  listed,
  here,
  ...options
}: RemovalOptions & {
  readonly wants: readonly Want[]
  readonly images: readonly PlannedImage[]
  /** Repositories that the parent could list. */
  readonly listed: ReadonlyMap<Repository, readonly Tag[]>
  readonly here: ReadonlyMap<Repository, readonly Tag[]>
}): Promise<void> {
  const planned = new Set(images.map(({ name }) => name))
  for (const repository of listed.keys())
    for (const tag of tagsToRemove(wants, repository, here.get(repository) ?? [], planned))
      await removeImage(repository, tag, options)
}

/**
 * Takes a tag away, with the tags of its signatures and of its platforms' where no other tag leads to the same. Bytes that nothing names any
 * more are for garbage collection.
 */
export async function removeImage(
  repository: Repository,
  tag: Tag,
  { content, observer, log, pushes, asked }: RemovalOptions
): Promise<void> {
  const { index } = content
  const mayGo = (each: Tag): boolean => pushes?.mayFollowParent(repository, each, asked) !== false
  if (!mayGo(tag)) return
  const digest = await index.tag(repository, tag)
  if (digest === undefined) return
  const gone = [tag, ...(await tagsBeside(content, repository, tag, digest))].filter(mayGo)
  if (gone[0] !== tag) return
  await index.apply([
    ...gone.map((each): ContentChange => ({ kind: 'removeTag', repository, tag: each })),
    forgetVerified(`${repository}:${tag}`)
  ])
  log.info('image removed: the parent no longer has it, or the settings no longer want it', { repository, tag, digest })
  observer({ kind: 'removed', image: `${repository}:${tag}`, digest })
}

/** Tags that are here for an image's sake alone. */
async function tagsBeside(content: Content, repository: Repository, tag: Tag, digest: Digest): Promise<Tag[]> {
  const { index } = content
  const tagsOf = async (image: Digest): Promise<Tag[]> =>
    [image, ...(await childrenHere(content, repository, image, undefined))].flatMap(referrerTags)
  const others = ((await index.tags(repository)) ?? []).filter((other) => other !== tag)
  const own = new Set<Tag>(await tagsOf(digest))
  const beside = others.filter((other) => own.has(other))
  if (beside.length === 0) return []
  const needed = new Set<Tag>()
  for (const other of others) {
    const image = own.has(other) ? undefined : await index.tag(repository, other)
    if (image !== undefined) for (const each of await tagsOf(image)) needed.add(each)
  }
  return beside.filter((each) => !needed.has(each))
}

/** Takes away the repositories that sync brought and that no image set names any more. */
export async function cleanUp({
  wants,
  content: { index },
  observer,
  log,
  pushes
}: CleaningOptions & { readonly wants: readonly Want[] }): Promise<void> {
  const brought = await readBrought(index)
  const wanted = new Set(wants.map(({ filter }) => filter.repository))
  for (const repository of [...brought].filter((name) => !wanted.has(name))) {
    const generation = pushes?.generation
    const tags = (await index.tags(repository)) ?? []
    const digests = await Promise.all(tags.map((tag) => index.tag(repository, tag)))
    // In the same turn as the call below: what was pushed since is not among these tags, and the next pass looks again.
    if (pushes?.generation !== generation || tags.some((tag) => pushes?.isWaiting(repository, tag))) continue
    brought.delete(repository)
    await index.apply([
      { kind: 'removeRepository', repository },
      ...tags.map((tag) => forgetVerified(`${repository}:${tag}`)),
      rememberBrought(brought)
    ])
    log.info('repository removed: no image set names it any more', { repository })
    tags.forEach((tag, position) => {
      const digest = digests[position]
      observer({ kind: 'removed', image: `${repository}:${tag}`, ...(digest === undefined ? {} : { digest }) })
    })
  }
}
