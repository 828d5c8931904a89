import type { ServerResponse } from 'node:http'
import { sectionIds, type Sections } from './sections.ts'

/** A page open in a browser. */
export interface Listener {
  readonly response: ServerResponse
  /** Draws the page for them anew, or gives undefined where they may not see it any more. */
  readonly draw: () => Promise<Sections | undefined>
}

/** A page for the people at the site: more readers than these at once are not them. */
const mostListeners = 24
/** Milliseconds in which changes are gathered: thousands of images may become ready in a minute. */
const gatherMs = 1000
/**
 * Milliseconds between two signs of life: well below what proxies on the way give up after, and less than half of the silence by
 * which the page's script knows that the device is not reached. A link that drops often closes nothing.
 */
const usualHeartbeatMs = 20_000

/** Tells every open page of what changed. */
export class Live {
  readonly #listeners = new Map<Listener, Partial<Sections>>()
  #gathering: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  readonly #heartbeatMs: number

  constructor(heartbeatMs = usualHeartbeatMs) {
    this.#heartbeatMs = heartbeatMs
  }

  get isFull(): boolean {
    return this.#listeners.size >= mostListeners
  }

  add(listener: Listener): void {
    this.#listeners.set(listener, {})
    listener.response.once('close', () => this.#remove(listener))
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#heartbeatMs).unref()
    void this.#tell(listener)
  }

  /** Something changed. */
  changed(): void {
    if (this.#listeners.size === 0) return
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      for (const listener of this.#listeners.keys()) void this.#tell(listener)
    }, gatherMs).unref()
  }

  close(): void {
    clearTimeout(this.#gathering)
    for (const listener of [...this.#listeners.keys()]) {
      listener.response.end()
      this.#remove(listener)
    }
  }

  /** @param isBeat whether to tell the age where there is no other news */
  async #tell(listener: Listener, isBeat = false): Promise<void> {
    const { response, draw } = listener
    const told = this.#listeners.get(listener)
    // Who does not read what was said gets the rest when they do: nothing piles up here.
    if (told === undefined || response.writableNeedDrain) return
    const sections = await draw().catch(() => undefined)
    if (sections === undefined) {
      response.end()
      this.#remove(listener)
      return
    }
    // The age changes by itself, and alone is a sign of life and no news.
    const changed = sectionIds.filter((id) => id !== 'age' && sections[id] !== told[id])
    if (changed.length === 0 && !isBeat) return
    const news = Object.fromEntries([...changed, 'age' as const].map((id) => [id, sections[id]]))
    this.#listeners.set(listener, sections)
    response.write(`event: sections\ndata: ${JSON.stringify(news)}\n\n`)
  }

  /** An event, for browsers show no comments to scripts. Ends what is open where a right to see the page ended meanwhile, too. */
  #beat(): void {
    for (const listener of this.#listeners.keys()) void this.#tell(listener, true)
  }

  #remove(listener: Listener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size > 0) return
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }
}
