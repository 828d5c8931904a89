import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from './log/log.ts'
import { readIfPresent, writeDurably } from './settings/durable-file.ts'
import type { Pause } from './status/events.ts'

export interface PauseKeeperOptions {
  readonly folder: string
  readonly log: Log
  /** Told of every change, and of what an earlier start had left. */
  readonly onChange: (pause: Pause | undefined) => void
  readonly now?: () => Date
}

const saved = z.object({ since: z.string(), reason: z.string().optional() })

/**
 * Whether sync is paused by hand. It stays so over restarts and power cuts until somebody resumes it: who paused a device on a
 * costly link has left by then.
 */
export class PauseKeeper {
  readonly #options: PauseKeeperOptions
  readonly #file: string
  #current: Pause | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: PauseKeeperOptions) {
    this.#options = options
    this.#file = join(options.folder, 'paused.json')
  }

  get current(): Pause | undefined {
    return this.#current
  }

  /** Takes up what an earlier start left. A file that cannot be read still means: paused. */
  async restore(): Promise<void> {
    const text = await readIfPresent(this.#file).catch((error: unknown) => {
      this.#options.log.error('whether sync was paused cannot be read: it is, until it is resumed', {
        path: this.#file,
        reason: String(error)
      })
      return ''
    })
    if (text === undefined || text.trim() === 'null') return
    this.#set(parse(text) ?? { since: this.#now() })
  }

  /** Pauses sync; it is so when this resolves, durably. Paused already, it stays as of then, for the new reason. */
  pause(reason?: string): Promise<Pause> {
    return this.#inTurn(async () => {
      const because = reason ?? this.#current?.reason
      const pause: Pause = {
        since: this.#current?.since ?? this.#now(),
        ...(because === undefined ? {} : { reason: because })
      }
      await writeDurably(this.#file, `${JSON.stringify(pause)}\n`)
      this.#options.log.info('sync paused', { reason: because })
      this.#set(pause)
      return pause
    })
  }

  /** @returns whether it was paused */
  resume(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#current === undefined) return false
      // Written, and not removed: a removal may be undone by a power cut.
      await writeDurably(this.#file, 'null\n')
      this.#options.log.info('sync resumed', { pausedSince: this.#current.since })
      this.#set(undefined)
      return true
    })
  }

  #set(pause: Pause | undefined): void {
    this.#current = pause
    this.#options.onChange(pause)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }

  #now(): string {
    return (this.#options.now?.() ?? new Date()).toISOString()
  }
}

function parse(text: string): Pause | undefined {
  try {
    const read = saved.safeParse(JSON.parse(text))
    if (!read.success) return undefined
    const { since, reason } = read.data
    return { since, ...(reason === undefined ? {} : { reason }) }
  } catch {
    return undefined
  }
}
