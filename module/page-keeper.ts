import type { Access } from './access/access.ts'
import type { Log } from './log/log.ts'
import { createPage, type Page } from './page/page.ts'
import { RecentEvents, type PageNews } from './page/recent-events.ts'
import { parentFault } from './status/faults.ts'
import type { Settings } from './settings/document.ts'
import type { Status } from './status/status.ts'

export interface PageKeeperOptions {
  /** What this device is called. */
  readonly name: string
  readonly status: Pick<Status, 'snapshot' | 'images' | 'on'>
  readonly access: Pick<Access, 'authorize'>
  readonly log: Log
}

/** Joins the page with what it shows and who may see it. */
export class PageKeeper {
  readonly handle: Page['handle']
  /** Takes in what sync tells. */
  readonly observe: (news: PageNews) => void
  readonly #page: Page
  readonly #forget: () => void
  #isOpen = false

  constructor({ name, status, access, log }: PageKeeperOptions) {
    const events = new RecentEvents()
    this.#page = createPage({
      facts: () => ({
        name,
        now: new Date(),
        report: status.snapshot(),
        images: status.images({}),
        events: events.newest
      }),
      isOpen: () => this.#isOpen,
      doorkeeper: access,
      log
    })
    this.handle = this.#page.handle
    this.observe = (news) =>
      events.observe(news.kind === 'parent' && !news.answers ? { ...news, code: parentFault(news.code) } : news)
    this.#forget = status.on('change', () => this.#page.changed())
  }

  configure(settings: Settings['page'] | undefined): void {
    this.#isOpen = settings?.open === true
    this.#page.changed()
  }

  close(): void {
    this.#forget()
    this.#page.close()
  }
}
