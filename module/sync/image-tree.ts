import type { Log } from '../log/log.ts'
import { algorithmOf, digestOf, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { readManifest, referenceOf, type ManifestContents } from '../oci/manifest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { Allowance } from './allowance.ts'
import type { Patience } from './patience.ts'
import { manifestName } from './plan.ts'
import { keptChildren, platformsOf } from './platforms.ts'
import { asParentFault, type Content, type ParentSource } from './ports.ts'
import type { UnderWay } from './under-way.ts'

export interface TreeOptions {
  readonly content: Content
  readonly parent: ParentSource
  readonly patience: Patience
  readonly allowance: Allowance
  readonly signal: AbortSignal
  readonly log: Log
  /** Children that neither side has; added to here. */
  readonly absent: Set<string>
  /** The parent's tags of the repositories that were listed. */
  readonly listed: ReadonlyMap<Repository, ReadonlySet<Tag>>
  /** Manifests that somebody is bringing: several tags often name one, and its bytes are written once. */
  readonly underWay: UnderWay
  /** Manifests that a repository has in the parent, as this said in this pass: `repository@digest`; added to here. */
  readonly given: Set<string>
}

interface HeldManifest {
  readonly size: number
  readonly contents: ManifestContents
}

/** What an image consists of: its manifests are here, durable and unnamed; its blobs may be. */
export interface ImageTree {
  /** Children before what names them, and the image's own manifest before what refers to it. */
  readonly manifests: {
    readonly digest: Digest
    readonly mediaType: string
    readonly size: number
    readonly subject?: Digest
    readonly artifactType?: string
  }[]
  readonly blobs: Map<Digest, number>
  /** Of {@link manifests}, those that came for their subject's sake: nothing that the image names leads to them. */
  readonly referrers: Digest[]
  /** Tags beside the image's own: what clients without the referrers API look for. */
  readonly tags: { readonly tag: Tag; readonly digest: Digest }[]
}

/** What was found of a child of an index: it is in the tree, it has nothing of the platforms, or the parent lacks it. */
type Found = 'wanted' | 'unwanted' | 'absent'

/** An index in an index in an index; deeper is a mistake or an attack. */
const deepestIndex = 4

export function emptyTree(): ImageTree {
  return { manifests: [], blobs: new Map(), referrers: [], tags: [] }
}

/**
 * Adds a manifest and all that it names to a tree, fetching the manifests that are not here.
 *
 * @param platforms what to keep of an index; undefined for all
 * @returns false for an index within one that has nothing of the platforms: it comes alone, so that what is here counts as whole
 */
export async function growTree(
  tree: ImageTree,
  repository: Repository,
  digest: Digest,
  options: TreeOptions,
  platforms: readonly string[] | undefined,
  mediaType?: string,
  depth = 0
): Promise<boolean> {
  if (tree.manifests.some((manifest) => manifest.digest === digest)) return true
  if (depth > deepestIndex) throw new OciError('MANIFEST_INVALID', `indexes are nested more than ${deepestIndex} deep`)
  const { size, contents } = await options.underWay.run(digest, () =>
    holdManifest(repository, digest, mediaType, options)
  )
  await mustBeGiven(repository, digest, options)
  for (const blob of contents.blobs) {
    if ((tree.blobs.get(blob.digest) ?? blob.size) !== blob.size)
      throw new OciError('MANIFEST_INVALID', `manifests disagree on the size of ${blob.digest}`)
    tree.blobs.set(blob.digest, blob.size)
  }
  const found = new Set<Found>()
  for (const child of keptChildren(contents, platforms))
    found.add(await growChild(tree, repository, digest, child, options, platforms, depth))
  const isWanted = contents.manifests.length === 0 || found.has('wanted')
  if (!isWanted && found.has('absent') && !found.has('unwanted'))
    throw new OciError('MANIFEST_UNKNOWN', `the parent has none of the manifests that ${repository}@${digest} names`)
  if (!isWanted && depth === 0) {
    const others = platformsOf(contents).join(', ') || 'others, in the indexes that it names'
    const message = `${repository}@${digest} has none of the platforms ${platforms?.join(', ') ?? ''}: it has ${others}`
    throw new OciError('MANIFEST_UNKNOWN', message)
  }
  tree.manifests.push({ digest, mediaType: contents.mediaType, size, ...referenceOf(contents) })
  return isWanted
}

async function growChild(
  tree: ImageTree,
  repository: Repository,
  index: Digest,
  child: ManifestContents['manifests'][number],
  options: TreeOptions,
  platforms: readonly string[] | undefined,
  depth: number
): Promise<Found> {
  const name = manifestName(repository, child.digest)
  try {
    const isWanted = await growTree(tree, repository, child.digest, options, platforms, child.mediaType, depth + 1)
    options.absent.delete(name)
    return isWanted ? 'wanted' : 'unwanted'
  } catch (error) {
    if (asParentFault(error)?.code !== 'PARENT_NOT_FOUND') throw error
    // Mirrors copy an index with some of its platforms only: then the parent's whole is what there is to bring.
    options.absent.add(name)
    options.log.warn('the parent lacks a platform of an index', { repository, index, child: child.digest })
    return 'absent'
  }
}

/** A manifest's bytes, verified and durable: from the store where an earlier try had brought them, else from the parent. */
async function holdManifest(
  repository: Repository,
  digest: Digest,
  mediaType: string | undefined,
  { content, parent, patience, allowance, given, signal }: TreeOptions
): Promise<HeldManifest> {
  if ((await content.blobs.size(digest)) !== undefined) {
    const bytes = await content.blobs.bytes(digest)
    if (digestOf(bytes, algorithmOf(digest)) === digest)
      return { size: bytes.byteLength, contents: readManifest(bytes, mediaType) }
  }
  await allowance.mayFetch()
  const fetched = await patience.ask(() => parent.manifest(repository, digest, { signal }))
  given.add(manifestName(repository, digest))
  const contents = readManifest(fetched.bytes, fetched.mediaType)
  await keep(content, digest, fetched.bytes)
  await allowance.fetched(fetched.bytes.byteLength, signal)
  return { size: fetched.bytes.byteLength, contents }
}

/** What is here for another repository is for this one only where the parent has it there too: an index may name anything. */
async function mustBeGiven(
  repository: Repository,
  digest: Digest,
  { content, parent, patience, given, signal }: TreeOptions
): Promise<void> {
  const name = manifestName(repository, digest)
  if (given.has(name) || (await content.index.manifest(repository, digest)) !== undefined) return
  await patience.ask(() => parent.head(repository, digest, { known: undefined, signal }))
  given.add(name)
}

async function keep(content: Content, digest: Digest, bytes: Uint8Array): Promise<void> {
  const ingest = await content.blobs.ingest(digest)
  try {
    if (ingest.offset > 0) await ingest.restart()
    await ingest.append(bytes)
    await ingest.commit(digest)
  } finally {
    await ingest.close()
  }
}
