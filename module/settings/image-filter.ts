import semver from 'semver'
import { isRepository, isTag, type Repository } from '../oci/name.ts'
import { isReferrersTag } from '../oci/referrers-tag.ts'

/** An image set's entry in its long form. */
export interface ImageFilterInput {
  readonly repository: string
  /** Tags, or globs in which `*` stands for any run of characters. */
  readonly tags?: readonly string[] | undefined
  /** A range of versions, such as `>=1.2 <2`. */
  readonly semver?: string | undefined
  /** So many of the highest versions. */
  readonly newest?: number | undefined
}

/** Which tags of which repository an image set wants. */
export interface ImageFilter {
  readonly repository: Repository
  /** Tags and globs; `*` alone is every tag. */
  readonly tags: readonly string[]
  readonly semver?: string | undefined
  readonly newest?: number | undefined
}

/**
 * Reads an entry of an image set: `repository`, `repository:tag`, `repository:glob*`, or the long form.
 *
 * @returns the filter, or undefined where the entry is none
 */
export function parseImageFilter(entry: string | ImageFilterInput): ImageFilter | undefined {
  if (typeof entry !== 'string') {
    const { repository, tags = ['*'], ...rest } = entry
    return isRepository(repository) && tags.every(isTagFilter) && (rest.semver === undefined || isRange(rest.semver))
      ? { repository, tags, ...rest }
      : undefined
  }
  const colon = entry.indexOf(':')
  const repository = colon < 0 ? entry : entry.slice(0, colon)
  const tag = colon < 0 ? '*' : entry.slice(colon + 1)
  return isRepository(repository) && isTagFilter(tag) ? { repository, tags: [tag] } : undefined
}

/** The repository that an entry is about; what is no entry is given back as far as it goes. */
export function repositoryOfEntry(entry: string | ImageFilterInput): string {
  return typeof entry === 'string' ? (entry.split(':', 1)[0] ?? entry) : entry.repository
}

/** How an entry is shown to a person. */
export function describeEntry(entry: string | ImageFilterInput): string {
  if (typeof entry === 'string') return entry
  const { repository, tags, semver: range, newest } = entry
  return [
    tags === undefined ? repository : `${repository}:${tags.join('|')}`,
    ...(range === undefined ? [] : [`semver ${range}`]),
    ...(newest === undefined ? [] : [`newest ${newest}`])
  ].join(' ')
}

/** Whether a text is a tag, or a glob of tags. A glob is a tag once its stars stand for a letter. */
export function isTagFilter(text: string): boolean {
  return text === '*' || isTag(text.replaceAll('*', 'a'))
}

/** Whether a text is a range of semantic versions. */
export function isRange(text: string): boolean {
  return semver.validRange(text) !== null && text.trim() !== ''
}

/** Whether nobody has to list the repository to know the tags that a filter wants. */
export function isExact({ tags, semver: range, newest }: ImageFilter): boolean {
  return range === undefined && newest === undefined && !tags.some((tag) => tag.includes('*'))
}

/** Whether a filter's tags and versions cover a tag; `newest` is not looked at, since that depends on the others. */
export function wantsTag(filter: ImageFilter, tag: string): boolean {
  if (!filter.tags.some((glob) => matches(glob, tag))) return false
  if (filter.semver === undefined && filter.newest === undefined) return true
  const version = versionOf(tag)
  if (version === undefined) return false
  if (filter.semver !== undefined) return semver.satisfies(version, filter.semver)
  // Without a range, candidates and betas are wanted only by who names them.
  return version.prerelease.length === 0 || filter.tags.some((glob) => glob !== '*')
}

/** The tags of a list that a filter wants, in the list's order, or the newest first where only so many are wanted. */
export function wantedTags<T extends string>(filter: ImageFilter, tags: readonly T[]): T[] {
  const covered = tags.filter((tag) => wantsTag(filter, tag))
  if (filter.newest === undefined) return covered
  return covered
    .map((tag) => ({ tag, version: versionOf(tag) ?? new semver.SemVer('0.0.0') }))
    .sort((one, other) => semver.compareBuild(other.version, one.version) || (one.tag < other.tag ? -1 : 1))
    .slice(0, filter.newest)
    .map(({ tag }) => tag)
}

/** A glob covers the tags of signatures only where it begins like one: they come with the images that they belong to. */
function matches(glob: string, tag: string): boolean {
  if (!glob.includes('*')) return glob === tag
  if (isReferrersTag(tag) && !glob.startsWith('sha')) return false
  const parts = glob.split('*').map((part) => part.replaceAll('.', '\\.'))
  return new RegExp(`^${parts.join('.*')}$`).test(tag)
}

/** Images are tagged `v1.2.3`, and as often `1.2` or `1`, which semver itself does not take. */
function versionOf(tag: string): semver.SemVer | undefined {
  const [, major, minor, rest = ''] = /^v?(\d+)(?:\.(\d+))?((?:[-+].*)?)$/.exec(tag) ?? []
  const text = major === undefined ? tag : `${major}.${minor ?? '0'}.0${rest}`
  return semver.parse(text, { loose: true }) ?? undefined
}
