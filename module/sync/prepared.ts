import type { Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/name.ts'
import type { ImageStatus } from './events.ts'
import type { ImageTree } from './image-tree.ts'
import { releaseImage } from './keeping.ts'
import type { PlannedImage } from './plan.ts'
import type { ContentChange } from './ports.ts'
import { rememberVerified } from './signatures.ts'

/** An image whose contents are known, and not all here. */
export interface Prepared {
  readonly digest: Digest
  readonly tree: ImageTree
  /** False where the image itself is here, and only what refers to it is to come. */
  readonly moves: boolean
  /** Bytes of its blobs that are not here. */
  readonly missing: number
  readonly before: ImageStatus | undefined
  /** Generation of pushes and deletes here, before the parent was asked. */
  readonly asked: number
}

/** Whether an image is, or has, what somebody asked for. */
export function holds({ digest, tree }: Prepared, reference: string): boolean {
  return (
    digest === reference ||
    tree.blobs.has(reference as Digest) ||
    tree.manifests.some((manifest) => manifest.digest === reference)
  )
}

/**
 * Everything that names the bytes of an image that are all here.
 *
 * @param mayFollow whether a tag beside the image's own may be set to what the parent said
 */
export function changesOf(
  image: PlannedImage,
  { digest, tree, moves }: Prepared,
  mayFollow: (tag: Tag) => boolean
): ContentChange[] {
  const { repository, tag, name } = image
  return [
    ...[...tree.blobs.keys()].map((blob): ContentChange => ({ kind: 'linkBlob', repository, digest: blob })),
    ...tree.manifests.map((manifest): ContentChange => ({ kind: 'putManifest', repository, ...manifest })),
    ...tree.tags
      .filter((beside) => mayFollow(beside.tag))
      .map((beside): ContentChange => ({ kind: 'setTag', repository, ...beside })),
    ...(moves ? [{ kind: 'setTag', repository, tag, digest } as const, ...rememberVerified(image, digest)] : []),
    releaseImage(name)
  ]
}
