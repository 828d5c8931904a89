import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { readManifest } from '../oci/manifest.ts'
import { isIndexMediaType } from '../oci/media-types.ts'
import type { Repository } from '../oci/name.ts'
import { manifestName } from './plan.ts'
import { keptChildren } from './platforms.ts'
import type { Content } from './ports.ts'

/** Children of indexes that the parent does not have either: `repository@digest`. */
export type AbsentChildren = ReadonlySet<string>

/**
 * Looks whether everything below a manifest is here and may be given out by its repository. A lost index or a blob that was
 * taken away shows here, and the next transfer brings what is missing and no more.
 *
 * @param absent children to do without
 * @param platforms what is kept of an index; undefined for all
 * @returns the blobs with their sizes, or undefined where something is missing
 */
export async function heldImage(
  content: Content,
  repository: Repository,
  digest: Digest,
  absent: AbsentChildren,
  platforms: readonly string[] | undefined
): Promise<Map<Digest, number> | undefined> {
  try {
    return await walk(content, repository, digest, absent, platforms)
  } catch (error) {
    // A blob that went between two looks, or a manifest that cannot be read: either way not here.
    if (error instanceof OciError) return undefined
    throw error
  }
}

/**
 * The manifests below an index that are here: none for an image that is no index, which costs no look at the disk.
 *
 * @param platforms what is kept of an index; undefined for all
 */
export async function childrenHere(
  content: Content,
  repository: Repository,
  digest: Digest,
  platforms: readonly string[] | undefined
): Promise<Digest[]> {
  const found = new Set<Digest>()
  await collectChildren(content, repository, digest, platforms, found)
  return [...found]
}

async function collectChildren(
  content: Content,
  repository: Repository,
  digest: Digest,
  platforms: readonly string[] | undefined,
  found: Set<Digest>
): Promise<void> {
  const record = await content.index.manifest(repository, digest)
  if (record === undefined || !isIndexMediaType(record.mediaType)) return
  for (const child of await keptHere(content, digest, record.mediaType, platforms)) {
    if (found.has(child) || (await content.index.manifest(repository, child)) === undefined) continue
    found.add(child)
    await collectChildren(content, repository, child, platforms, found)
  }
}

async function keptHere(
  { blobs }: Content,
  index: Digest,
  mediaType: string,
  platforms: readonly string[] | undefined
): Promise<Digest[]> {
  try {
    return keptChildren(readManifest(await blobs.bytes(index), mediaType), platforms).map(({ digest }) => digest)
  } catch (error) {
    // Gone since, or damaged: the next pass finds out and brings it again.
    if (error instanceof OciError) return []
    throw error
  }
}

async function walk(
  content: Content,
  repository: Repository,
  digest: Digest,
  absent: AbsentChildren,
  platforms: readonly string[] | undefined
): Promise<Map<Digest, number> | undefined> {
  const record = await content.index.manifest(repository, digest)
  if (record === undefined || (await content.blobs.size(digest)) === undefined) return undefined
  const contents = readManifest(await content.blobs.bytes(digest), record.mediaType)
  const blobs = new Map<Digest, number>()
  for (const blob of contents.blobs) {
    if (!(await content.index.hasBlob(repository, blob.digest))) return undefined
    if ((await content.blobs.size(blob.digest)) !== blob.size) return undefined
    blobs.set(blob.digest, blob.size)
  }
  for (const child of keptChildren(contents, platforms)) {
    if (absent.has(manifestName(repository, child.digest))) continue
    const below = await walk(content, repository, child.digest, absent, platforms)
    if (below === undefined) return undefined
    for (const [blob, size] of below) blobs.set(blob, size)
  }
  return blobs
}
