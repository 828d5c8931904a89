import type { Log } from '../log/log.ts'
import { digestOf, algorithmOf, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { readManifest, type ManifestContents } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { asParentFault, type Content, type ContentChange, type ParentSource } from './ports.ts'
import type { Patience } from './patience.ts'
import type { PlannedImage } from './plan.ts'

export interface ImageTransferOptions {
  readonly content: Content
  readonly parent: ParentSource
  readonly patience: Patience
  readonly signal: AbortSignal
  readonly log: Log
  /** Children that neither side has; added to here. */
  readonly absent: Set<string>
  /** Called once it is known what the image consists of. */
  readonly onContents: (blobs: ReadonlyMap<Digest, number>) => void
  /** Brings one blob, however many images ask for it. */
  readonly fetchBlob: (repository: Repository, digest: Digest, size: number) => Promise<void>
}

interface FetchedTree {
  /** Children before what names them; the image's own manifest last. */
  readonly manifests: { readonly digest: Digest; readonly mediaType: string; readonly size: number }[]
  readonly blobs: Map<Digest, number>
}

/** An index in an index in an index; deeper is a mistake or an attack. */
const deepestIndex = 4

/**
 * Brings an image that is not all here, and moves its tag as the very last thing: until then the tag names what it named before.
 *
 * @param digest what the parent's tag names
 * @throws what stood in the way; bytes that came stay for the next try
 */
export async function bringImage(image: PlannedImage, digest: Digest, options: ImageTransferOptions): Promise<void> {
  const { content } = options
  const { repository, tag } = image
  const tree: FetchedTree = { manifests: [], blobs: new Map() }
  await fetchTree(repository, digest, undefined, tree, options, 0)
  options.onContents(tree.blobs)
  const outcomes = await Promise.allSettled(
    [...tree.blobs].map(([blob, size]) => options.fetchBlob(repository, blob, size))
  )
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  options.signal.throwIfAborted()
  await content.index.apply([
    ...[...tree.blobs.keys()].map((blob): ContentChange => ({ kind: 'linkBlob', repository, digest: blob })),
    ...tree.manifests.map((manifest): ContentChange => ({ kind: 'putManifest', repository, ...manifest })),
    { kind: 'setTag', repository, tag, digest }
  ])
}

async function fetchTree(
  repository: Repository,
  digest: Digest,
  mediaType: string | undefined,
  tree: FetchedTree,
  options: ImageTransferOptions,
  depth: number
): Promise<void> {
  if (tree.manifests.some((manifest) => manifest.digest === digest)) return
  if (depth > deepestIndex) throw new OciError('MANIFEST_INVALID', `indexes are nested more than ${deepestIndex} deep`)
  const { size, contents } = await holdManifest(repository, digest, mediaType, options)
  for (const blob of contents.blobs) {
    if ((tree.blobs.get(blob.digest) ?? blob.size) !== blob.size)
      throw new OciError('MANIFEST_INVALID', `manifests disagree on the size of ${blob.digest}`)
    tree.blobs.set(blob.digest, blob.size)
  }
  let children = 0
  for (const child of contents.manifests) {
    try {
      await fetchTree(repository, child.digest, child.mediaType, tree, options, depth + 1)
      options.absent.delete(`${repository}@${child.digest}`)
      children += 1
    } catch (error) {
      if (asParentFault(error)?.code !== 'PARENT_NOT_FOUND') throw error
      // Mirrors copy an index with some of its platforms only: then the parent's whole is what there is to bring.
      options.absent.add(`${repository}@${child.digest}`)
      options.log.warn('the parent lacks a platform of an index', { repository, index: digest, child: child.digest })
    }
  }
  if (contents.manifests.length > 0 && children === 0)
    throw new OciError('MANIFEST_UNKNOWN', `the parent has none of the manifests that ${repository}@${digest} names`)
  tree.manifests.push({ digest, mediaType: contents.mediaType, size })
}

/** A manifest's bytes, verified and durable: from the store where an earlier try had brought them, else from the parent. */
async function holdManifest(
  repository: Repository,
  digest: Digest,
  mediaType: string | undefined,
  { content, parent, patience, signal }: ImageTransferOptions
): Promise<{ readonly size: number; readonly contents: ManifestContents }> {
  if ((await content.blobs.size(digest)) !== undefined) {
    const bytes = await content.blobs.bytes(digest)
    if (digestOf(bytes, algorithmOf(digest)) === digest)
      return { size: bytes.byteLength, contents: readManifest(bytes, mediaType) }
  }
  const fetched = await patience.ask(() => parent.manifest(repository, digest, { signal }))
  const contents = readManifest(fetched.bytes, fetched.mediaType)
  const ingest = await content.blobs.ingest(digest)
  try {
    if (ingest.offset > 0) await ingest.restart()
    await ingest.append(fetched.bytes)
    await ingest.commit(digest)
  } finally {
    await ingest.close()
  }
  return { size: fetched.bytes.byteLength, contents }
}
