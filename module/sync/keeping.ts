import type { Digest } from '../oci/digest.ts'
import type { Content, ContentChange } from './ports.ts'

/** Milliseconds after which the mark of an image that is still wanted is renewed: it counts for thirty days. */
const renewAfter = 24 * 60 * 60_000

interface Mark {
  readonly digest: Digest
  readonly at: number
  readonly referrers?: readonly Digest[]
}

/**
 * Marks an image as being on its way, durably. Its bytes are unnamed until its tag moves, and they were paid for: garbage
 * collection spares what state below `keep/` leads to, over restarts and weeks without a link.
 *
 * @param image `repository:tag`
 * @param referrers what comes with it without being named by it; where it is not known yet, what was marked before stays so
 */
export async function keepImage(
  { index }: Content,
  image: string,
  digest: Digest,
  referrers?: readonly Digest[]
): Promise<void> {
  const found = (await index.state(keyOf(image))) as Mark | undefined
  const kept = found?.digest === digest ? found : undefined
  const marked = kept?.referrers ?? []
  const wanted = referrers ?? marked
  const isMarked = kept !== undefined && wanted.every((each) => marked.includes(each))
  if (isMarked && Math.abs(Date.now() - kept.at) < renewAfter) return
  const value: Mark = { digest, at: Date.now(), ...(wanted.length === 0 ? {} : { referrers: wanted }) }
  await index.apply([{ kind: 'setState', key: keyOf(image), value }])
}

/** To be applied with what names everything of the image. */
export function releaseImage(image: string): ContentChange {
  return { kind: 'setState', key: keyOf(image), value: undefined }
}

function keyOf(image: string): string {
  return `keep/sync/${image}`
}
