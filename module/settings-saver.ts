import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from './log/log.ts'
import type { LastGood, LastGoodFile } from './settings/last-good.ts'

/** Milliseconds between two tries: the first, and the longest. */
const firstRetry = 5_000
const longestRetry = 60_000

export interface SettingsSaverOptions {
  readonly lastGood: Pick<LastGoodFile, 'save'>
  readonly log: Log
  /** The settings that could not be kept at first are, now. */
  readonly onKept: (settings: LastGood) => void
  /** Milliseconds before the first try after one that failed. */
  readonly retryMs?: number | undefined
}

/** Keeps settings for the next start, and goes on trying where the disk does not take them: they were acknowledged. */
export class SettingsSaver {
  readonly #options: SettingsSaverOptions
  /** Of one try after the other: two at once would write one file. */
  #turn: Promise<unknown> = Promise.resolve()
  #retrying = new AbortController()

  constructor(options: SettingsSaverOptions) {
    this.#options = options
  }

  /**
   * Keeps these in place of those before them, which are not tried again.
   *
   * @returns why they are not kept so far, undefined where they are
   */
  async save(settings: LastGood): Promise<string | undefined> {
    this.close()
    this.#retrying = new AbortController()
    const { signal } = this.#retrying
    const reason = await this.#try(settings)
    if (reason === undefined) return undefined
    this.#options.log.error('the settings are in force and cannot be kept for the next start: it is tried again', {
      reason
    })
    void this.#tryAgain(settings, signal)
    return reason
  }

  close(): void {
    this.#retrying.abort()
  }

  async #tryAgain(settings: LastGood, signal: AbortSignal): Promise<void> {
    const { onKept, log, retryMs = firstRetry } = this.#options
    const replaced = (): boolean => signal.aborted
    for (let wait = retryMs; ; wait = Math.min(2 * wait, longestRetry)) {
      try {
        await delay(wait, undefined, { signal, ref: false })
      } catch {
        return
      }
      // They may have been replaced in the very moment that the wait ended.
      if (replaced()) return
      if ((await this.#try(settings)) !== undefined) continue
      if (replaced()) return
      log.info('the settings in force are kept for the next start', { version: settings.version })
      onKept(settings)
      return
    }
  }

  #try(settings: LastGood): Promise<string | undefined> {
    const tried = this.#turn.then(() => this.#options.lastGood.save(settings)).then(() => undefined, String)
    this.#turn = tried
    return tried
  }
}
