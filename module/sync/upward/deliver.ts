import type { Digest } from '../../oci/digest.ts'
import { hexOf } from '../../oci/digest.ts'
import { OciError } from '../../oci/errors.ts'
import { readManifest } from '../../oci/manifest.ts'
import { parseTag, type Repository, type Tag } from '../../oci/name.ts'
import { asParentFault } from '../ports.ts'
import { nameOf, type Item, type Outcome } from './item.ts'
import { sendBlob, type SendOptions } from './send-blob.ts'

/** Blobs of one manifest that are sent at once: a link with a long way has room for more than one. */
const blobsAtOnce = 3

/**
 * Tells the parent of one push or delete. The rule where it has changed meanwhile: **a push or a delete replaces exactly what
 * this device knew the parent to have when it was made.** Where the parent's tag names something else, the tag stays; a pushed
 * image goes up whole beside it, under {@link besideTag}. What the parent has already is not sent, so that registries whose
 * parents go round in a circle come to rest.
 *
 * @throws the parent's, the content's and the signal's errors: then it is still to be delivered
 */
export async function deliver(item: Item, options: SendOptions): Promise<Outcome> {
  switch (item.kind) {
    case 'push':
      return deliverPush(item, options)
    case 'manifest':
      if (!(await hasManifest(item.repository, item.digest, options))) await sendManifest(item, options)
      return { kind: 'delivered' }
    case 'untag':
      return deliverUntag(item, options)
    case 'remove':
      return deliverRemove(item, options)
  }
}

/**
 * Where an image goes whose tag names something else in the parent by now: the same at each try. The tag comes last, so that
 * image sets that want `v*` elsewhere in the fleet do not fetch it.
 */
export function besideTag(tag: Tag, digest: Digest): Tag {
  return parseTag(`conflict-${hexOf(digest).slice(0, 12)}-${tag}`.slice(0, 128))
}

async function deliverPush(item: Extract<Item, { kind: 'push' }>, options: SendOptions): Promise<Outcome> {
  const { repository, tag, digest, mediaType, base } = item
  const { parent, patience, signal } = options
  const there = await tagInParent(repository, tag, options)
  if (there === digest) return { kind: 'delivered' }
  const isWhole = await hasManifest(repository, digest, options)
  const bytes = await options.content.blobs.bytes(digest)
  if (!isWhole) await sendContents(item, bytes, options)
  // The upload may have taken hours, and no registry offers to compare and set in one step.
  const now = isWhole ? there : await tagInParent(repository, tag, options)
  if (now === digest) return { kind: 'delivered' }
  const conflict = now !== null && now !== base
  const reference = conflict ? besideTag(tag, digest) : tag
  await patience.ask(() => parent.putManifest(repository, reference, { bytes, mediaType }, { signal }))
  if (!conflict) return { kind: 'delivered' }
  const reason = `the parent's tag names ${now} by now, and stays: this image is there as ${nameOf(repository, reference)}`
  return { kind: 'conflict', there: now, reason }
}

async function deliverUntag(item: Extract<Item, { kind: 'untag' }>, options: SendOptions): Promise<Outcome> {
  const { repository, tag, base } = item
  const { parent, patience, signal } = options
  const there = await tagInParent(repository, tag, options)
  if (there === null) return { kind: 'delivered' }
  if (there !== base)
    return {
      kind: 'conflict',
      there,
      reason: `the parent's tag names ${there} by now, which was not deleted: it stays`
    }
  await patience.ask(() => parent.deleteManifest(repository, tag, { signal }))
  return { kind: 'delivered' }
}

/** A delete by digest takes every tag of it away, those too that were set above meanwhile: then it is not done. */
async function deliverRemove(item: Extract<Item, { kind: 'remove' }>, options: SendOptions): Promise<Outcome> {
  const { repository, digest, tags } = item
  const { parent, patience, signal } = options
  if (!(await hasManifest(repository, digest, options))) return { kind: 'delivered' }
  const others = (await tagsInParent(repository, options)).filter((tag) => !tags.includes(tag))
  for (const tag of others)
    if ((await tagInParent(repository, tag, options)) === digest) {
      const reason = `the parent's tag ${tag} names it, which was not known here when it was deleted: it stays`
      return { kind: 'conflict', there: digest, reason }
    }
  await patience.ask(() => parent.deleteManifest(repository, digest, { signal }))
  return { kind: 'delivered' }
}

async function tagsInParent(repository: Repository, { parent, patience, signal }: SendOptions): Promise<Tag[]> {
  return patience.ask(async () => {
    const tags: Tag[] = []
    try {
      for await (const tag of parent.tags(repository, signal)) tags.push(tag)
    } catch (error) {
      // distribution 2 answers so for a repository that has manifests and never had a tag.
      if (!isAbsent(error)) throw error
    }
    return tags
  })
}

async function tagInParent(repository: Repository, tag: Tag, { parent, patience, signal }: SendOptions) {
  return patience.ask(async () => {
    try {
      return (await parent.head(repository, tag, { known: undefined, signal })).digest
    } catch (error) {
      if (isAbsent(error)) return null
      throw error
    }
  })
}

async function hasManifest(repository: Repository, digest: Digest, { parent, patience, signal }: SendOptions) {
  return patience.ask(async () => {
    try {
      await parent.head(repository, digest, { known: undefined, signal })
      return true
    } catch (error) {
      if (isAbsent(error)) return false
      throw error
    }
  })
}

/** A manifest that goes up, and what of it its repository lacked when it was pushed, where that is known. */
type SentManifest = Pick<Extract<Item, { kind: 'manifest' }>, 'repository' | 'digest' | 'mediaType' | 'missing'>

async function sendManifest(manifest: SentManifest, options: SendOptions): Promise<void> {
  const { content, parent, patience, signal } = options
  const { repository, digest, mediaType } = manifest
  const bytes = await content.blobs.bytes(digest)
  await sendContents(manifest, bytes, options)
  await patience.ask(() => parent.putManifest(repository, digest, { bytes, mediaType }, { signal }))
}

/** What a manifest names goes before it: children of an index, and the blobs of an image. */
async function sendContents(manifest: SentManifest, bytes: Uint8Array, options: SendOptions): Promise<void> {
  const { repository } = manifest
  const { blobs, manifests } = readManifest(bytes, manifest.mediaType)
  const { blobs: here, index } = options.content
  const missing = manifest.missing && new Set(manifest.missing)
  // The sync token may read what the pusher may not: what this device has of other repositories is not the pusher's to send.
  const held = (digest: Digest): boolean => missing?.has(digest) === false
  for (const { digest, mediaType } of manifests) {
    // Children that are not here either belong to platforms that nobody pushed; the parent decides whether it minds.
    if (!held(digest) && (await index.manifest(repository, digest)) === undefined) continue
    if ((await here.size(digest)) === undefined) continue
    if (!(await hasManifest(repository, digest, options)))
      await sendManifest({ repository, digest, mediaType }, options)
  }
  const sizeOf = async (digest: Digest): Promise<number | undefined> =>
    held(digest) || (await index.hasBlob(repository, digest)) ? here.size(digest) : undefined
  await sendBlobs(repository, new Set(blobs.map(({ digest }) => digest)), sizeOf, options)
}

/** @param sizeOf bytes of a blob that may be sent; undefined where there is none */
async function sendBlobs(
  repository: Repository,
  blobs: Iterable<Digest>,
  sizeOf: (digest: Digest) => Promise<number | undefined>,
  options: SendOptions
): Promise<void> {
  const { parent, patience, signal } = options
  const failed = new AbortController()
  const own = { ...options, signal: AbortSignal.any([signal, failed.signal]) }
  const queue = [...blobs]
  const worker = async (): Promise<void> => {
    for (let digest = queue.shift(); digest !== undefined && !own.signal.aborted; digest = queue.shift()) {
      const size = await sizeOf(digest)
      if (size !== undefined) await sendBlob({ repository, digest, size }, own)
      else if (!(await patience.ask(() => parent.hasBlob(repository, digest, { signal }))))
        throw new OciError(
          'BLOB_UNKNOWN',
          `${digest} is neither here nor in the parent's ${repository}: push the image again`
        )
    }
  }
  const outcomes = await Promise.allSettled(
    Array.from({ length: blobsAtOnce }, () =>
      worker().catch((error: unknown) => {
        failed.abort(error)
        throw error
      })
    )
  )
  signal.throwIfAborted()
  const reason: unknown = failed.signal.reason
  if (outcomes.some(({ status }) => status === 'rejected')) throw reason
}

function isAbsent(error: unknown): boolean {
  return asParentFault(error)?.code === 'PARENT_NOT_FOUND'
}
