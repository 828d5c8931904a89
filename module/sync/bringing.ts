import { byPriority, type PlannedImage } from './plan.ts'
import type { WaitedFor } from './waited-for.ts'
import { ImageWork, type ImageWorkOptions } from './work.ts'

export interface BringingOptions extends ImageWorkOptions {
  /** What somebody asked for and did not get. */
  readonly waitedFor: WaitedFor
}

/** Images whose tag and manifests are asked for at once. */
const imagesAtOnce = 4

/** The order in which the images of one pass come. Nothing here rejects. */
export class Bringing {
  readonly #work: ImageWork
  readonly #waitedFor: WaitedFor
  readonly #signal: AbortSignal
  readonly #urgent: Promise<void>[] = []
  #images: readonly PlannedImage[] = []

  constructor(options: BringingOptions) {
    this.#work = new ImageWork(options)
    this.#waitedFor = options.waitedFor
    this.#signal = options.signal
    this.#waitedFor.listen(() => this.#hurry())
  }

  /** Says which images are wanted as far as is known: one of them that somebody waits for comes at once. */
  plan(images: readonly PlannedImage[]): void {
    this.#images = images
    this.#hurry()
  }

  /**
   * Priority by priority: first it is found out what is missing, then the image that lacks least comes first. What comes
   * already is waited for.
   */
  async bring(images: readonly PlannedImage[]): Promise<void> {
    for (const group of byPriority(images)) {
      await atOnce(imagesAtOnce, group, (image) => this.#work.prepare(image), this.#signal)
      if (this.#signal.aborted) break
      this.#hurry()
      this.#work.order(group)
      await Promise.all(group.map((image) => this.#work.bring(image)))
    }
  }

  /** Waits for what was moved up. */
  async end(): Promise<void> {
    this.#waitedFor.listen(() => undefined)
    await Promise.all(this.#urgent)
  }

  #hurry(): void {
    for (const missed of this.#waitedFor.all())
      for (const image of this.#images) if (this.#work.hurry(image, missed)) this.#urgent.push(this.#work.bring(image))
  }
}

/** Works through a list, so many at once, until it is done or nobody wants it any more. */
export async function atOnce<T>(
  most: number,
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
  signal: AbortSignal
): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) await work(next)
  }
  await Promise.all(Array.from({ length: most }, worker))
}
