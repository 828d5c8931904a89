import { isDigest, type Digest } from '../../oci/digest.ts'
import { isRepository, isTag, type Repository, type Tag } from '../../oci/name.ts'

/** What came with a manifest. */
interface Pushed {
  readonly repository: Repository
  readonly digest: Digest
  readonly mediaType: string
  /**
   * What the manifest names that its repository did not hold when it was pushed; the rest goes up whatever is taken out of the
   * repository meanwhile. Undefined where an earlier release wrote it, or the manifest could not be read: then what is held when
   * it is sent counts.
   */
  readonly missing?: readonly Digest[]
}

/** What was done here and is for the parent. */
export type Deed =
  /** A tag was set; `base` is what the parent's tag named as far as was known here then, null for nothing. */
  | (Pushed & { readonly kind: 'push'; readonly tag: Tag; readonly base: Digest | null })
  /** A manifest came without a tag: a child of an index, a signature. */
  | (Pushed & { readonly kind: 'manifest' })
  | { readonly kind: 'untag'; readonly repository: Repository; readonly tag: Tag; readonly base: Digest | null }
  /** A manifest was deleted by its digest, and with it the tags that named it here. */
  | {
      readonly kind: 'remove'
      readonly repository: Repository
      readonly digest: Digest
      readonly tags: readonly Tag[]
    }

/** A deed that waits for its turn. */
export type Item = Deed & {
  /** Its place in the queue; counts up. */
  readonly number: number
  /** When it was done, in milliseconds since 1970. */
  readonly at: number
  /** Of its manifest and the blobs that this names. */
  readonly bytes: number
}

/** Why an item did not go up, and when it is tried again. */
export interface Setback {
  readonly reason: string
  readonly tries: number
  /** Milliseconds since 1970. */
  readonly nextAt: number
  /** Somebody has to mend something for it. */
  readonly parked: boolean
}

/** What became of an item. */
export type Outcome =
  | { readonly kind: 'delivered' }
  /** The parent's tag stays. */
  | { readonly kind: 'conflict'; readonly there: Digest | null; readonly reason: string }
  | { readonly kind: 'expired'; readonly reason: string }

/** How a person reads it. */
export function describeDeed(deed: Deed): string {
  switch (deed.kind) {
    case 'push':
      return `push ${deed.repository}:${deed.tag}`
    case 'manifest':
      return `push ${deed.repository}@${deed.digest}`
    case 'untag':
      return `delete ${deed.repository}:${deed.tag}`
    case 'remove':
      return `delete ${deed.repository}@${deed.digest}`
  }
}

/** `repository:tag` of every tag that a deed is about. */
export function tagsOf(deed: Deed): string[] {
  switch (deed.kind) {
    case 'push':
    case 'untag':
      return [nameOf(deed.repository, deed.tag)]
    case 'remove':
      return deed.tags.map((tag) => nameOf(deed.repository, tag))
    case 'manifest':
      return []
  }
}

export function nameOf(repository: Repository, tag: Tag): string {
  return `${repository}:${tag}`
}

/** The bytes that must stay here until it is delivered. */
export function contentOf(deed: Deed): Digest | undefined {
  return deed.kind === 'push' || deed.kind === 'manifest' ? deed.digest : undefined
}

/** What the tag names in the parent once the deed is delivered; null for nothing. */
export function resultOf(deed: Deed): Digest | null {
  return deed.kind === 'push' ? deed.digest : null
}

/** What the parent's tag named when the deed was done, as far as was known. */
export function baseOf(deed: Deed): Digest | null {
  if (deed.kind === 'remove') return deed.digest
  return deed.kind === 'manifest' ? null : deed.base
}

/** Things that earlier items are about: an item that has to do with one of them waits for them. */
export class Earlier {
  readonly #tags = new Set<string>()
  readonly #pushed = new Set<string>()
  readonly #removed = new Set<string>()

  add(item: Item): void {
    for (const name of tagsOf(item)) this.#tags.add(name)
    if (item.kind === 'untag') return
    const named = `${item.repository}@${item.digest}`
    if (item.kind === 'remove') this.#removed.add(named)
    else this.#pushed.add(named)
  }

  /** By tag strictly; what is deleted by its digest comes after pushes of that digest, and the other way round. */
  holdsUp(item: Item): boolean {
    if (tagsOf(item).some((name) => this.#tags.has(name))) return true
    if (item.kind === 'untag') return false
    const named = `${item.repository}@${item.digest}`
    return item.kind === 'remove' ? this.#pushed.has(named) : this.#removed.has(named)
  }
}

/** The first of the items, in order, that has to be done before this one; undefined where there is none. */
export function waitsBehind(item: Item, items: Iterable<Item>): Item | undefined {
  const earlier = new Earlier()
  for (const other of items) {
    if (other.number >= item.number) return undefined
    earlier.add(other)
    if (earlier.holdsUp(item)) return other
  }
  return undefined
}

/** An item as it was written down; undefined where it is none. */
export function readItem(value: unknown): Item | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { kind, repository, tag, digest, mediaType, base, tags, missing, number, at, bytes } = value as Record<
    string,
    unknown
  >
  if (typeof number !== 'number' || typeof at !== 'number' || typeof bytes !== 'number') return undefined
  if (typeof repository !== 'string' || !isRepository(repository)) return undefined
  const common = { repository, number, at, bytes }
  const lacked = Array.isArray(missing) && missing.every(isDigestText) ? { missing } : {}
  if (kind === 'push' && isTagText(tag) && isDigestText(digest) && typeof mediaType === 'string' && isBase(base))
    return { kind, tag, digest, mediaType, base, ...lacked, ...common }
  if (kind === 'manifest' && isDigestText(digest) && typeof mediaType === 'string')
    return { kind, digest, mediaType, ...lacked, ...common }
  if (kind === 'untag' && isTagText(tag) && isBase(base)) return { kind, tag, base, ...common }
  if (kind === 'remove' && isDigestText(digest) && Array.isArray(tags) && tags.every(isTagText))
    return { kind, digest, tags, ...common }
  return undefined
}

function isTagText(value: unknown): value is Tag {
  return typeof value === 'string' && isTag(value)
}

function isDigestText(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value)
}

function isBase(value: unknown): value is Digest | null {
  return value === null || isDigestText(value)
}
