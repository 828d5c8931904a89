import type { Repository, Tag } from './oci/name.ts'
import type { Settings } from './settings/document.ts'
import { parseDuration } from './settings/duration.ts'
import { parseImageFilter, wantsTag } from './settings/image-filter.ts'
import { covers } from './settings/scope-map.ts'
import type { CollectionOptions } from './storage/storage.ts'

export type RetentionSettings = Pick<Settings, 'imageSets' | 'storage'>

/** A rule with how closely it names a repository: an exact name is closest, then the longest folder. */
interface Candidate<Rule> {
  readonly closeness: number
  readonly rule: Rule
}

/** What garbage collection goes by, of the settings in force. */
export function retentionOf({
  imageSets,
  storage
}: RetentionSettings): Required<Pick<CollectionOptions, 'untaggedMs' | 'retention'>> {
  const filters = Object.values(imageSets).flatMap(({ repositories, untagged }) =>
    repositories.flatMap((entry) => {
      const filter = parseImageFilter(entry)
      return filter === undefined ? [] : [{ filter, untagged }]
    })
  )
  const rules = Object.values(storage.retention)
  return {
    untaggedMs: (repository) => {
      const candidates = [
        ...filters.flatMap(({ filter, untagged }) =>
          filter.repository === repository ? [{ closeness: Infinity, rule: untagged }] : []
        ),
        ...rules.flatMap((rule) => candidatesOf(rule.repositories, repository, rule.untagged))
      ].flatMap(({ closeness, rule }) => (rule === undefined ? [] : [{ closeness, rule }]))
      return Math.max(...closest(candidates, storage.untagged).map(milliseconds))
    },
    retention: (repository) => {
      const candidates = rules.flatMap(({ repositories, newest, youngerThan }) =>
        newest === undefined ? [] : candidatesOf(repositories, repository, { newest, youngerThan })
      )
      if (candidates.length === 0) return undefined
      const found = closest(candidates)
      return {
        newest: Math.max(...found.map(({ newest }) => newest)),
        youngerThanMs: Math.max(...found.map(({ youngerThan }) => milliseconds(youngerThan ?? 'PT0S'))),
        // What the parent has would be fetched and paid for again.
        spares: (tag: Tag) => filters.some(({ filter }) => filter.repository === repository && wantsTag(filter, tag))
      }
    }
  }
}

function candidatesOf<Rule>(patterns: readonly string[], repository: Repository, rule: Rule): Candidate<Rule>[] {
  return patterns
    .filter((pattern) => covers(pattern, repository))
    .map((pattern) => ({ closeness: pattern === repository ? Infinity : pattern.length, rule }))
}

function closest<Rule>(candidates: readonly Candidate<Rule>[], otherwise?: Rule): Rule[] {
  const most = Math.max(...candidates.map(({ closeness }) => closeness))
  const found = candidates.filter(({ closeness }) => closeness === most).map(({ rule }) => rule)
  return found.length === 0 && otherwise !== undefined ? [otherwise] : found
}

/** The settings hold durations alone: their schema has looked. */
function milliseconds(duration: string): number {
  return parseDuration(duration) ?? 0
}
