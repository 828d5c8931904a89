import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import {
  describeEntry,
  isExact,
  parseImageFilter,
  wantedTags,
  wantsTag,
  type ImageFilter,
  type ImageFilterInput
} from '../settings/image-filter.ts'
import { unionOfPlatforms } from './platforms.ts'
import { unionOfPolicies, type SignaturePolicy } from './signature-policy.ts'

/** An image set of the settings. */
export interface ImageSet {
  readonly repositories: readonly (string | ImageFilterInput)[]
  /** Lower numbers come first. */
  readonly priority: number
  /** What to keep of an index; all where it is not given. */
  readonly platforms?: readonly string[] | undefined
  /** True where it is not given. */
  readonly referrers?: boolean | undefined
  /** `keep` where it is not given. */
  readonly deletions?: 'keep' | 'mirror' | undefined
  /** What its images must be signed with. */
  readonly signature?: { readonly cosign: { readonly publicKeys: readonly string[] } } | undefined
}

export type ImageSets = Readonly<Record<string, ImageSet>>

/** An entry of an image set. */
export interface Want {
  readonly imageSet: string
  readonly text: string
  readonly filter: ImageFilter
  readonly priority: number
  readonly platforms: readonly string[] | undefined
  readonly referrers: boolean
  readonly mirror: boolean
  readonly publicKeys: readonly string[] | undefined
}

/** A wanted image. */
export interface PlannedImage {
  /** Names of the image sets that want it. */
  readonly imageSets: readonly string[]
  readonly repository: Repository
  readonly tag: Tag
  readonly name: string
  readonly priority: number
  readonly platforms: readonly string[] | undefined
  readonly referrers: boolean
  /** Whether it goes where the parent no longer has it. */
  readonly mirror: boolean
  /** For each set that demands it, the keys of which one must have signed the image. */
  readonly signatures: SignaturePolicy
}

/** The entries of all image sets, the most urgent first; within a priority as they are written. */
export function readWants(imageSets: ImageSets): Want[] {
  return Object.entries(imageSets)
    .flatMap(([imageSet, { repositories, priority, platforms, referrers = true, deletions = 'keep', signature }]) =>
      repositories.flatMap((entry) => {
        const filter = parseImageFilter(entry)
        if (filter === undefined) return []
        return [
          {
            imageSet,
            text: describeEntry(entry),
            filter,
            priority,
            platforms,
            referrers,
            mirror: deletions === 'mirror',
            publicKeys: signature?.cosign.publicKeys
          }
        ]
      })
    )
    .sort((one, other) => one.priority - other.priority)
}

/** Repositories whose tags have to be listed. */
export function listedRepositories(wants: readonly Want[]): Repository[] {
  return [...new Set(wants.filter(({ filter }) => !isExact(filter)).map(({ filter }) => filter.repository))]
}

/**
 * The images that are wanted, the most urgent first, each once: where several entries want it, it is kept as the most
 * demanding of them would have it.
 *
 * @param tagsOf what is known of a listed repository's tags
 */
export function planImages(
  wants: readonly Want[],
  tagsOf: (repository: Repository) => readonly Tag[] | undefined
): PlannedImage[] {
  const images = new Map<string, PlannedImage>()
  for (const { imageSet, filter, priority, platforms, referrers, mirror, publicKeys } of wants) {
    const { repository } = filter
    const signatures = publicKeys === undefined ? [] : [publicKeys]
    const tags = isExact(filter) ? (filter.tags as readonly Tag[]) : wantedTags(filter, tagsOf(repository) ?? [])
    for (const tag of tags) {
      const name = `${repository}:${tag}`
      const before = images.get(name)
      images.set(
        name,
        before === undefined
          ? { imageSets: [imageSet], repository, tag, name, priority, platforms, referrers, mirror, signatures }
          : {
              ...before,
              imageSets: [...new Set([...before.imageSets, imageSet])],
              platforms: unionOfPlatforms(before.platforms, platforms),
              referrers: before.referrers || referrers,
              mirror: before.mirror && mirror,
              signatures: unionOfPolicies(before.signatures, signatures)
            }
      )
    }
  }
  return [...images.values()]
}

/**
 * Tags that are here and should go: every entry that covers them mirrors the parent, and none wants them any more.
 *
 * @param here tags of the repository that are here
 * @param planned names of the wanted images
 */
export function tagsToRemove(
  wants: readonly Want[],
  repository: Repository,
  here: readonly Tag[],
  planned: ReadonlySet<string>
): Tag[] {
  const about = wants.filter(({ filter }) => filter.repository === repository && !isExact(filter))
  return here.filter((tag) => {
    const covering = about.filter(({ filter }) => wantsTag(filter, tag))
    return covering.length > 0 && covering.every(({ mirror }) => mirror) && !planned.has(`${repository}:${tag}`)
  })
}

/** Images by priority, the most urgent first. */
export function byPriority(images: readonly PlannedImage[]): PlannedImage[][] {
  const groups = new Map<number, PlannedImage[]>()
  for (const image of images) {
    const group = groups.get(image.priority)
    if (group === undefined) groups.set(image.priority, [image])
    else group.push(image)
  }
  return [...groups].sort(([one], [other]) => one - other).map(([, group]) => group)
}

/** `repository@digest`: what is said of a manifest is said of it in one repository. */
export function manifestName(repository: Repository, digest: Digest): string {
  return `${repository}@${digest}`
}
