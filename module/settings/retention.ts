import { z } from 'zod'
import { parseDuration } from './duration.ts'
import { isRepositoryPattern } from './scope-map.ts'

const tenYears = 3650 * 24 * 3_600_000

/** For how long something stays. */
export const stay = z.string().refine((text) => (parseDuration(text) ?? Infinity) <= tenYears, {
  error: 'must be an ISO 8601 duration in weeks, days or less, such as P7D, of ten years at most'
})

/** What stays of the repositories that clients push to. */
export const retentionRule = z
  .strictObject({
    repositories: z
      .array(z.string().refine(isRepositoryPattern, { error: 'must be a repository, a folder ending in /*, or *' }))
      .min(1)
      .describe('Repositories, folders ending in /*, or *; the closest rule counts, and of two alike what keeps more'),
    newest: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe(
        'So many of the tags that were pushed last stay; every one where it is not given. Tags that an image set covers stay in any case'
      ),
    youngerThan: stay
      .optional()
      .describe(
        'Tags pushed within this time stay too (ISO 8601, such as P30D); needs newest, so that a wrong clock never empties a repository'
      ),
    untagged: stay.optional().describe('For how long manifests stay that no tag leads to, in place of storage.untagged')
  })
  .refine(({ newest, untagged }) => newest !== undefined || untagged !== undefined, {
    error: 'needs newest, untagged or both'
  })
  .refine(({ newest, youngerThan }) => youngerThan === undefined || newest !== undefined, {
    error: 'needs newest beside it: with a clock that is wrong nothing would be left',
    path: ['youngerThan']
  })
