import { z } from 'zod'
import { isRepository } from '../oci/name.ts'
import { stay } from './retention.ts'
import { signature } from './signature.ts'
import { isRange, isTagFilter, parseImageFilter } from './image-filter.ts'

const shortEntry = z.string().refine((text) => parseImageFilter(text) !== undefined, {
  error: 'must be repository, repository:tag or repository:glob*'
})

const longEntry = z.strictObject({
  repository: z
    .string()
    .refine(isRepository, { error: 'must be a repository name' })
    .describe('Its name in the parent, and here'),
  tags: z
    .array(z.string().refine(isTagFilter, { error: 'must be a tag, or a glob such as 1.*' }))
    .min(1)
    .optional()
    .describe('Tags and globs; every tag where it is not given'),
  semver: z
    .string()
    .refine(isRange, { error: 'must be a range of semantic versions, such as >=1.2 <2' })
    .optional()
    .describe('A range of versions, such as >=1.2 <2; tags that are no versions are left out'),
  newest: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('So many of the highest versions; tags that are no versions are left out')
})

/** A named group of repositories with tag filters and a priority. */
export const imageSet = z
  .strictObject({
    repositories: z
      .array(
        z.union([shortEntry, longEntry], {
          // The same words as for a wrong text, since that is what most entries are.
          error: 'must be repository, repository:tag or repository:glob*, or an object with repository'
        })
      )
      .min(1)
      .describe(
        'Repositories to hold: `name` (every tag), `name:tag`, `name:glob*`, or an object with a range of versions or their newest'
      ),
    priority: z.int().min(0).max(1000).default(100).describe('Lower numbers come first'),
    platforms: z
      .array(
        z.string().regex(/^[a-z0-9]+\/[a-z0-9]+(?:\/[a-z0-9.]+)?$/, {
          error: 'must be os/architecture or os/architecture/variant, such as linux/arm64'
        })
      )
      .min(1)
      .optional()
      .describe('Platforms to keep of an index, which itself stays byte for byte; all where it is not given'),
    referrers: z
      .boolean()
      .optional()
      .describe(
        'Whether signatures, SBOMs and the like come with the images that they refer to; they do where not given'
      ),
    untagged: stay
      .optional()
      .describe(
        'For how long manifests of these repositories stay that no tag leads to, in place of storage.untagged (ISO 8601)'
      ),
    deletions: z
      .enum(['keep', 'mirror'])
      .optional()
      .describe(
        'keep (where not given): a tag that the parent no longer has stays; mirror: it goes, as do those that newest no longer covers'
      ),
    signature: signature
      .optional()
      .describe('What images must be signed with: one that is not stays in quarantine, unserved, until it is')
  })
  .refine(({ referrers, signature }) => referrers !== false || signature === undefined, {
    error: 'signatures come as referrers: leave this out, or true, where signature is given',
    path: ['referrers']
  })
