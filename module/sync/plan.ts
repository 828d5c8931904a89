import type { Repository, Tag } from '../oci/name.ts'
import type { Settings } from '../settings/document.ts'
import { parseImageFilter, wantsTag, type ImageFilter } from '../settings/image-filter.ts'

/** An entry of an image set. */
export interface Want {
  readonly text: string
  readonly filter: ImageFilter
  readonly priority: number
}

/** A wanted image; its place in a list is its rank. */
export interface PlannedImage {
  readonly repository: Repository
  readonly tag: Tag
  readonly name: string
}

/** The entries of all image sets, the most urgent first; within a priority as they are written. */
export function readWants(imageSets: Settings['imageSets']): Want[] {
  return Object.values(imageSets)
    .flatMap(({ repositories, priority }) =>
      repositories.flatMap((text) => {
        const filter = parseImageFilter(text)
        return filter === undefined ? [] : [{ text, filter, priority }]
      })
    )
    .sort((one, other) => one.priority - other.priority)
}

/** Whether an entry names one tag, for which nobody has to list the repository. */
export function isExact({ filter }: Want): boolean {
  return !filter.tag.includes('*')
}

/** Repositories whose tags have to be listed. */
export function listedRepositories(wants: readonly Want[]): Repository[] {
  return [...new Set(wants.filter((want) => !isExact(want)).map(({ filter }) => filter.repository))]
}

/**
 * The images that are wanted, the most urgent first, each once.
 *
 * @param tagsOf what is known of a listed repository's tags
 */
export function planImages(
  wants: readonly Want[],
  tagsOf: (repository: Repository) => readonly Tag[] | undefined
): PlannedImage[] {
  const images = new Map<string, PlannedImage>()
  for (const want of wants) {
    const { repository, tag } = want.filter
    const tags = isExact(want)
      ? [tag as Tag]
      : (tagsOf(repository) ?? []).filter((found) => wantsTag(want.filter, found))
    for (const wanted of tags) {
      const name = `${repository}:${wanted}`
      if (!images.has(name)) images.set(name, { repository, tag: wanted, name })
    }
  }
  return [...images.values()]
}
