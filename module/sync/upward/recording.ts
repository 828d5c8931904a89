import { OciError } from '../../oci/errors.ts'
import type { Digest } from '../../oci/digest.ts'
import { readManifest } from '../../oci/manifest.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import type { Deed } from './item.ts'
import type { StateChange } from './ports.ts'
import type { UpwardQueue } from './queue.ts'

/** A change as the registry makes it. */
type Change =
  | { readonly kind: 'linkBlob' | 'unlinkBlob'; readonly repository: Repository; readonly digest: Digest }
  | {
      readonly kind: 'putManifest'
      readonly repository: Repository
      readonly digest: Digest
      readonly mediaType: string
      readonly size: number
    }
  | { readonly kind: 'setTag'; readonly repository: Repository; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'removeTag'; readonly repository: Repository; readonly tag: Tag }
  | { readonly kind: 'removeManifest'; readonly repository: Repository; readonly digest: Digest }

/** The part of a content store that clients' changes go through. */
export interface RecordedContent<Own extends Change> {
  readonly blobs: { bytes(digest: Digest): Promise<Uint8Array> }
  readonly index: {
    tags(repository: Repository): Promise<readonly Tag[] | undefined>
    tag(repository: Repository, tag: Tag): Promise<Digest | undefined>
    manifest(
      repository: Repository,
      digest: Digest
    ): Promise<{ readonly mediaType: string; readonly size: number } | undefined>
    hasBlob(repository: Repository, digest: Digest): Promise<boolean>
    apply(changes: readonly (Own | StateChange)[]): Promise<void>
  }
}

type RecordedDeed = Deed & { readonly bytes: number }

/** What is told of a manifest beside its name. */
interface Contents {
  /** Of the manifest and the blobs that it names. */
  readonly bytes: number
  readonly missing?: readonly Digest[]
}

/**
 * Applies what clients do, and writes into the queue upwards what of it is for the parent, in the same transaction: whoever
 * was told that a push is taken may rely on both. A blob goes up with the manifest that names it, and its removal stays here:
 * the parent cleans up by itself.
 *
 * @param isWanted whether there is a parent to tell, and it may be told
 */
export function recordDeeds<Own extends Change>(
  { blobs, index }: RecordedContent<Own>,
  queue: UpwardQueue,
  isWanted: () => boolean
): (changes: readonly Own[]) => Promise<void> {
  return async (changes) => {
    const deeds = isWanted() ? await deedsOf(changes, { blobs, index }, queue) : []
    if (deeds.length === 0) return index.apply(changes)
    // In one turn from here to the call, so that the queue has the order in which tags move.
    const recording = queue.record(deeds)
    try {
      await index.apply([...changes, ...recording.changes])
    } catch (error) {
      recording.revoke()
      throw error
    }
    recording.confirm()
  }
}

async function deedsOf<Own extends Change>(
  changes: readonly Own[],
  content: RecordedContent<Own>,
  queue: UpwardQueue
): Promise<RecordedDeed[]> {
  const { index } = content
  const deeds: RecordedDeed[] = []
  for (const change of changes as readonly Change[]) {
    if (change.kind === 'setTag') {
      const { repository, tag, digest } = change
      // Pushed again while the same push waits: nothing more to tell.
      if (queue.willBe(repository, tag) === digest) continue
      const record = putOf(changes, digest) ?? (await index.manifest(repository, digest))
      if (record === undefined) continue
      const base = queue.baseFor(repository, tag, await index.tag(repository, tag))
      const { mediaType } = record
      const contents = await contentsOf({ repository, digest, ...record }, changes, content)
      deeds.push({ kind: 'push', repository, tag, digest, mediaType, base, ...contents })
    } else if (change.kind === 'putManifest') {
      const { repository, digest, mediaType } = change
      if (changes.some((other) => other.kind === 'setTag' && other.digest === digest)) continue
      deeds.push({ kind: 'manifest', repository, digest, mediaType, ...(await contentsOf(change, changes, content)) })
    } else if (change.kind === 'removeTag') {
      const { repository, tag } = change
      const base = queue.baseFor(repository, tag, await index.tag(repository, tag))
      deeds.push({ kind: 'untag', repository, tag, base, bytes: 0 })
    } else if (change.kind === 'removeManifest') {
      const { repository, digest } = change
      const tags: Tag[] = []
      for (const tag of (await index.tags(repository)) ?? [])
        if ((await index.tag(repository, tag)) === digest) tags.push(tag)
      deeds.push({ kind: 'remove', repository, digest, tags, bytes: 0 })
    }
  }
  return deeds
}

function putOf(changes: readonly Change[], digest: Digest): Extract<Change, { kind: 'putManifest' }> | undefined {
  return changes.filter((change) => change.kind === 'putManifest').find((put) => put.digest === digest)
}

async function contentsOf<Own extends Change>(
  {
    repository,
    digest,
    mediaType,
    size
  }: Pick<Extract<Change, { kind: 'putManifest' }>, 'repository' | 'digest' | 'mediaType' | 'size'>,
  changes: readonly Change[],
  { blobs, index }: RecordedContent<Own>
): Promise<Contents> {
  try {
    const named = readManifest(await blobs.bytes(digest), mediaType)
    const given = (kind: 'linkBlob' | 'putManifest'): ReadonlySet<Digest> =>
      new Set(
        changes.flatMap((change) => (change.kind === kind && change.repository === repository ? [change.digest] : []))
      )
    const [links, puts] = [given('linkBlob'), given('putManifest')]
    const missing: Digest[] = []
    for (const { digest: blob } of named.blobs)
      if (!links.has(blob) && !(await index.hasBlob(repository, blob))) missing.push(blob)
    for (const { digest: child } of named.manifests)
      if (!puts.has(child) && (await index.manifest(repository, child)) === undefined) missing.push(child)
    return { bytes: named.blobs.reduce((sum, blob) => sum + blob.size, size), missing }
  } catch (error) {
    // What cannot be read is found out when it is sent.
    if (error instanceof OciError) return { bytes: size }
    throw error
  }
}
