import { Cron } from 'croner'
import type { Log } from './log/log.ts'
import type { Digest } from './oci/digest.ts'
import { retentionOf, type RetentionSettings } from './retention.ts'
import type { CollectionReport, ScrubReport, Storage } from './storage/storage.ts'

export interface MaintenanceOptions {
  readonly storage: Pick<Storage, 'collectGarbage' | 'scrub' | 'copyIndex'>
  readonly log: Log
  /** Told when a scrub has moved damaged blobs aside, so that a sync brings them again. */
  readonly onDamage: (digests: readonly Digest[]) => void
  /** Told what a garbage collection has freed. */
  readonly onCollected: (report: CollectionReport) => void
  /** Milliseconds between two copies of the index. */
  readonly copyEveryMs?: number
}

/** What was pushed here stands nowhere else: of a lost index at most this much is lost, in milliseconds. */
const copyEvery = 15 * 60_000

type Task = 'garbageCollection' | 'scrub'

/** What storage needs done now and then: by schedule (UTC), or because somebody asks. One of each at a time. */
export class Maintenance {
  readonly #options: MaintenanceOptions
  readonly #stopping = new AbortController()
  readonly #running = new Map<Task, Promise<void>>()
  readonly #schedules: Cron[] = []
  readonly #copying: NodeJS.Timeout
  #configured = ''
  #settings: RetentionSettings | undefined

  constructor(options: MaintenanceOptions) {
    this.#options = options
    this.#copying = setInterval(() => void this.#copy(), options.copyEveryMs ?? copyEvery)
    this.#copying.unref()
  }

  /** Takes a schedule in; without settings nothing is done by itself. */
  configure(settings: RetentionSettings | undefined): void {
    this.#settings = settings
    const { garbageCollection, scrub } = settings?.storage ?? {}
    const wanted = JSON.stringify([garbageCollection, scrub])
    if (wanted === this.#configured || this.#stopping.signal.aborted) return
    this.#configured = wanted
    this.#unschedule()
    if (garbageCollection?.enabled === true) this.#schedule(garbageCollection.schedule, () => this.collectGarbage())
    if (scrub?.enabled === true) this.#schedule(scrub.schedule, () => this.scrub())
  }

  /** Begins a garbage collection, by the rules in force. @returns false where one is under way */
  collectGarbage(): boolean {
    return this.#begin('garbageCollection', async (signal) => {
      const { storage, log, onCollected } = this.#options
      const rules = this.#settings === undefined ? {} : retentionOf(this.#settings)
      const report = await storage.collectGarbage({ signal, ...rules })
      log.info('garbage collection ended', { ...report })
      onCollected(report)
      await this.#copy()
    })
  }

  /** Begins a scrub, or goes on with one that was interrupted. @returns false where one is under way */
  scrub(): boolean {
    return this.#begin('scrub', async (signal) => {
      const { storage, log, onDamage } = this.#options
      const report: ScrubReport = await storage.scrub({ signal })
      log.info('scrub ended', { ...report, damaged: report.damaged.length })
      if (report.damaged.length > 0) onDamage(report.damaged)
    })
  }

  /** Ends what is under way between two steps, and keeps a last copy of the index. */
  async close(): Promise<void> {
    this.#stopping.abort()
    this.#unschedule()
    clearInterval(this.#copying)
    await Promise.all(this.#running.values())
    await this.#copy()
  }

  #begin(task: Task, work: (signal: AbortSignal) => Promise<void>): boolean {
    const { signal } = this.#stopping
    if (this.#running.has(task) || signal.aborted) return false
    const running = work(signal)
      .catch((error: unknown) => this.#options.log.error(`${task} failed`, { reason: String(error) }))
      .finally(() => this.#running.delete(task))
    this.#running.set(task, running)
    return true
  }

  async #copy(): Promise<void> {
    try {
      await this.#options.storage.copyIndex()
    } catch (error) {
      this.#options.log.warn('the index cannot be copied', { reason: String(error) })
    }
  }

  #schedule(pattern: string, work: () => boolean): void {
    this.#schedules.push(new Cron(pattern, { utcOffset: 0, unref: true }, () => void work()))
  }

  #unschedule(): void {
    for (const schedule of this.#schedules.splice(0)) schedule.stop()
  }
}
