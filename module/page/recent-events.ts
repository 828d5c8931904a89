import type { PageEvent, PageImage } from './facts.ts'

/** What sync tells, as far as the page has a word for it. */
export type PageNews =
  | { readonly kind: 'image'; readonly image: NewsImage }
  | { readonly kind: 'planned'; readonly images: readonly NewsImage[] }
  | { readonly kind: 'removed'; readonly image: string }
  | { readonly kind: 'parent'; readonly answers: true }
  | { readonly kind: 'parent'; readonly answers: false; readonly code: string; readonly message: string }
  | { readonly kind: 'content'; readonly works?: boolean; readonly message?: string }
  | {
      readonly kind: 'passEnded'
      readonly result: { readonly trigger: string; readonly state: string; readonly windowEnded?: true }
    }
  | { readonly kind: 'passStarted' | 'progress' }

type NewsImage = Pick<PageImage, 'image' | 'state' | 'reason'> & { readonly digest?: string }

const mostKept = 200

/** The last things that happened, in words. A look at the parent that changes nothing is none of them. */
export class RecentEvents {
  readonly #now: () => Date
  #events: PageEvent[] = []
  /** What was told last of each wanted image. */
  readonly #told = new Map<string, string>()
  #parentTrouble: string | undefined
  #contentTrouble: string | undefined

  constructor(now: () => Date = () => new Date()) {
    this.#now = now
  }

  /** The newest first. */
  get newest(): readonly PageEvent[] {
    return this.#events
  }

  readonly observe = (news: PageNews): void => {
    switch (news.kind) {
      case 'image': {
        this.#image(news.image)
        return
      }
      case 'planned':
        // What was here before is no news.
        for (const image of news.images) if (image.state === 'ready') this.#told.set(image.image, image.digest ?? '')
        return
      case 'removed':
        this.#told.delete(news.image)
        {
          this.#add(`${news.image} was removed`, { image: news.image })
          return
        }
      case 'parent': {
        const trouble = news.answers ? undefined : news.message
        const before = this.#parentTrouble
        this.#parentTrouble = trouble
        if (!news.answers && trouble !== before)
          this.#add(`The parent: ${news.message}`, { isBad: true, brief: `The parent: ${news.code}` })
        if (news.answers && before !== undefined) this.#add('The parent answers again')
        return
      }
      case 'content': {
        const trouble = news.works === true ? undefined : (news.message ?? '')
        const before = this.#contentTrouble
        this.#contentTrouble = trouble
        if (trouble !== undefined && trouble !== before) this.#add(`The disk: ${trouble}`, { isBad: true })
        if (trouble === undefined && before !== undefined) this.#add('The disk works again')
        return
      }
      case 'passEnded':
        if (news.result.windowEnded === true)
          this.#add('The window ended before everything was here; the next one goes on from there')
        return
      default:
        return
    }
  }

  #image({ image, state, digest = '', reason = 'it could not be brought' }: NewsImage): void {
    if (state !== 'ready' && state !== 'failed') return
    // Each pass tries again what failed, and gives back what was ready: the same again is no news.
    const said = state === 'ready' ? digest : reason
    if (this.#told.get(image) === said) return
    this.#told.set(image, said)
    if (state === 'ready') this.#add(`${image} is ready`, { image })
    else this.#add(`${image}: ${reason}`, { image, isBad: true })
  }

  #add(text: string, more: Pick<PageEvent, 'image' | 'isBad' | 'brief'> = {}): void {
    this.#events = [{ at: this.#now().toISOString(), text, ...more }, ...this.#events.slice(0, mostKept - 1)]
  }
}
