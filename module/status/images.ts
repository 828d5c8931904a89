import { imageStates, type ImageState } from '../settings/reported-states.ts'
import type { ImageNews } from './events.ts'
import type { ImageQuery } from './status.ts'

/** How many of a group's images stand where. */
export type ImageCounts = Readonly<Record<ImageState, number>> & {
  readonly total: number
  /** Of those that failed, the ones whose signature does not hold. */
  readonly quarantined: number
}

type MutableCounts = Record<ImageState, number> & { total: number; quarantined: number }

/**
 * The wanted images and where they stand, counted as they change: a device may hold ten thousand, and each of them becoming
 * ready must not cost a look at all the others.
 */
export class ImageBook {
  #images = new Map<string, ImageNews>()
  #all = noCounts()
  #sets = new Map<string, MutableCounts>()
  #revision = 0

  /** Another number whenever an image's state or digest changed, or which images are wanted; bytes do not count. */
  get revision(): number {
    return this.#revision
  }

  get counts(): ImageCounts {
    return this.#all
  }

  /** Counts of image sets, the least ready first; an image that several sets want counts in each. */
  setsByReadiness(names: readonly string[]): [name: string, counts: ImageCounts][] {
    return names
      .map((name): [string, ImageCounts] => [name, this.#sets.get(name) ?? noCounts()])
      .sort(([, one], [, other]) => missing(other) - missing(one))
  }

  get size(): number {
    return this.#images.size
  }

  get(image: string): ImageNews | undefined {
    return this.#images.get(image)
  }

  /** Those that answer to a query, sorted by name. */
  find({ state, repository, imageSet }: ImageQuery): ImageNews[] {
    return [...this.#images.values()]
      .filter(
        (image) =>
          (state === undefined || image.state === state) &&
          (repository === undefined || repositoryOf(image.image) === repository) &&
          (imageSet === undefined || image.imageSets?.includes(imageSet) === true)
      )
      .sort((one, other) => (one.image < other.image ? -1 : 1))
  }

  /** The worst first: failed, waiting, on their way, ready. Within a state in the order in which they were told of. */
  worstFirst(): ImageNews[] {
    const byState = new Map<ImageState, ImageNews[]>(imageStates.map((state) => [state, []]))
    for (const image of this.#images.values()) byState.get(image.state)?.push(image)
    return [...byState.values()].flat()
  }

  /** Takes the whole of what is wanted; what is not among it is forgotten. */
  replace(images: readonly ImageNews[]): void {
    const before = this.#images
    this.#images = new Map()
    this.#all = noCounts()
    this.#sets = new Map()
    let same = before.size === images.length
    for (const image of images) {
      const known = before.get(image.image)
      same &&= known !== undefined && isSame(known, image)
      this.#add(image)
    }
    if (!same) this.#revision += 1
  }

  /** Takes what is told of one image. */
  set(news: ImageNews): void {
    const before = this.#images.get(news.image)
    const image =
      news.imageSets === undefined && before?.imageSets !== undefined ? { ...news, imageSets: before.imageSets } : news
    if (before !== undefined) this.#count(before, -1)
    this.#add(image)
    if (before === undefined || !isSame(before, image)) this.#revision += 1
  }

  /** Forgets an image that is gone and no longer wanted. */
  remove(name: string): void {
    const image = this.#images.get(name)
    if (image === undefined) return
    this.#count(image, -1)
    this.#images.delete(name)
    this.#revision += 1
  }

  #add(image: ImageNews): void {
    this.#images.set(image.image, image)
    this.#count(image, 1)
  }

  #count(image: ImageNews, by: 1 | -1): void {
    for (const counts of [this.#all, ...(image.imageSets ?? []).map((name) => this.#ofSet(name))]) {
      counts[image.state] += by
      counts.total += by
      if (image.code !== undefined) counts.quarantined += by
    }
  }

  #ofSet(name: string): MutableCounts {
    const known = this.#sets.get(name)
    if (known !== undefined) return known
    const counts = noCounts()
    this.#sets.set(name, counts)
    return counts
  }
}

function isSame(one: ImageNews, other: ImageNews): boolean {
  return one.state === other.state && one.digest === other.digest && one.code === other.code
}

function noCounts(): MutableCounts {
  return { failed: 0, pending: 0, syncing: 0, ready: 0, total: 0, quarantined: 0 }
}

function missing({ ready, total }: ImageCounts): number {
  return total - ready
}

/** An image is `repository:tag`; an entry for a repository that cannot be listed may be the repository alone. */
function repositoryOf(image: string): string {
  const colon = image.indexOf(':')
  return colon < 0 ? image : image.slice(0, colon)
}
