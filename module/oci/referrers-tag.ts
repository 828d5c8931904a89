import { algorithmOf, hexOf, type Digest } from './digest.ts'
import { parseTag, type Tag } from './name.ts'

/** Characters of a digest's hex part that the spec leaves in a tag. */
const mostHex = 64
/** What cosign appends for signatures and the like stands behind a point. */
const pattern = new RegExp(`^sha(?:256|512)-[0-9a-f]{${mostHex}}(?:\\.[a-z0-9]+)?$`)

/**
 * The tag of the index in which clients without the referrers API list what refers to a manifest.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema v1.1.1 says less of digests
 *   with more than 64 characters: that there is such a limit
 */
export function referrersTag(subject: Digest): Tag {
  return parseTag(`${algorithmOf(subject)}-${hexOf(subject).slice(0, mostHex)}`)
}

/** Whether a tag is one under which signatures and the like stand beside what they belong to: the spec's, or cosign's. */
export function isReferrersTag(tag: string): boolean {
  return pattern.test(tag)
}
