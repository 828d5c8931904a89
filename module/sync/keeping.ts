import type { Digest } from '../oci/digest.ts'
import type { Content, ContentChange } from './ports.ts'

/** Milliseconds after which the mark of an image that is still wanted is renewed: it counts for thirty days. */
const renewAfter = 24 * 60 * 60_000

/**
 * Marks an image as being on its way, durably. Its bytes are unnamed until its tag moves, and they were paid for: garbage
 * collection spares what state below `keep/` leads to, over restarts and weeks without a link.
 *
 * @param image `repository:tag`
 */
export async function keepImage({ index }: Content, image: string, digest: Digest): Promise<void> {
  const kept = (await index.state(keyOf(image))) as { readonly digest: Digest; readonly at: number } | undefined
  if (kept?.digest === digest && Math.abs(Date.now() - kept.at) < renewAfter) return
  await index.apply([{ kind: 'setState', key: keyOf(image), value: { digest, at: Date.now() } }])
}

/** To be applied with what moves the image's tag. */
export function releaseImage(image: string): ContentChange {
  return { kind: 'setState', key: keyOf(image), value: undefined }
}

function keyOf(image: string): string {
  return `keep/sync/${image}`
}
