import { isRepository, isTag, type Repository } from '../oci/name.ts'

/** Which tags of which repository an image set wants. */
export interface ImageFilter {
  readonly repository: Repository
  /** A tag, or a glob in which `*` stands for any run of characters; `*` alone is every tag. */
  readonly tag: string
}

/**
 * Reads `repository`, `repository:tag` or `repository:glob*`.
 *
 * @returns the filter, or undefined where the text is none
 */
export function parseImageFilter(text: string): ImageFilter | undefined {
  const colon = text.indexOf(':')
  const repository = colon < 0 ? text : text.slice(0, colon)
  const tag = colon < 0 ? '*' : text.slice(colon + 1)
  if (!isRepository(repository)) return undefined
  // A glob is a tag once its stars stand for a letter.
  return tag === '*' || isTag(tag.replaceAll('*', 'a')) ? { repository, tag } : undefined
}

/** Whether a filter wants a tag. */
export function wantsTag(filter: ImageFilter, tag: string): boolean {
  if (!filter.tag.includes('*')) return filter.tag === tag
  const parts = filter.tag.split('*').map((part) => part.replaceAll('.', '\\.'))
  return new RegExp(`^${parts.join('.*')}$`).test(tag)
}
