import type { Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/name.ts'
import { isReferrersTag, referrersTag } from '../oci/referrers-tag.ts'
import { reach, type Named } from './marking.ts'
import type { RetentionRule } from './storage.ts'

/** The tags of a repository, with when each was set in milliseconds since 1970. */
export interface TaggedAt {
  readonly tags: ReadonlyMap<Tag, Digest>
  readonly times: ReadonlyMap<Tag, number>
}

/**
 * The tags that a rule no longer keeps: those beyond the newest, unless they are young or somebody else looks after them. Tags
 * of signatures are not counted: they go with the last tag that leads to what they belong to.
 */
export function expiredTags({ tags, times }: TaggedAt, named: Named, rule: RetentionRule, now: number): Tag[] {
  const own = [...tags.keys()].filter((tag) => !isReferrersTag(tag) && !rule.spares(tag))
  const setAt = (tag: Tag): number => times.get(tag) ?? now
  const ranked = own.sort((one, other) => setAt(other) - setAt(one) || (one < other ? -1 : 1))
  const expired = ranked.slice(rule.newest).filter((tag) => now - setAt(tag) >= (rule.youngerThanMs ?? 0))
  const goes = new Set(expired)
  const digestsOf = (kept: boolean): Digest[] =>
    [...tags].flatMap(([tag, digest]) => (!isReferrersTag(tag) && goes.has(tag) !== kept ? [digest] : []))
  const fromKept = reach(named, digestsOf(true))
  const left = [...reach(named, digestsOf(false))].filter((digest) => !fromKept.has(digest))
  const subjects = new Set<string>(left.map(referrersTag))
  return [
    ...expired,
    ...[...tags.keys()].filter((tag) => isReferrersTag(tag) && subjects.has(tag.replace(/\..*$/, '')))
  ]
}
