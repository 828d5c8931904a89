import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log/log.ts'
import type { Settings } from '../settings/document.ts'
import type { PassResult, SyncObserver, SyncTrigger } from './events.ts'
import { readAbsent, readLastSync, writeLastSync } from './last-sync.ts'
import { runPass, type PassOutcome } from './pass.ts'
import type { Clock, Content, ParentSource } from './ports.ts'

export interface SyncConfiguration {
  readonly imageSets: Settings['imageSets']
  readonly intervalMinutes: number
}

export interface SyncOptions {
  readonly content: Content
  /** The parent in force, asked at the beginning of each pass; undefined where none is set. */
  readonly parent: () => ParentSource | undefined
  readonly observer: SyncObserver
  readonly log: Log
  readonly clock?: Clock
  /** From 0 to below 1: keeps a fleet's devices apart in time. */
  readonly random?: () => number
}

/** Brings content from the parent, for ever: at once when it starts or the settings change, then by the interval. */
export interface Sync {
  /** Begins; with no settings so far it waits for {@link configure}. */
  start(): void
  /** Takes new settings (or a new parent) in: a pass under way is given up, bytes kept, and one by the new ones begins. */
  configure(configuration: SyncConfiguration): void
  /**
   * Asks for a pass now.
   * @returns how it ended (the one under way, if there is one); undefined without settings, or where sync was stopped first
   */
  syncNow(trigger?: SyncTrigger): Promise<PassResult | undefined>
  /** Ends the pass under way, keeping its bytes, and resolves when nothing of it is left running. */
  stop(): Promise<void>
}

const systemClock: Clock = {
  now: () => Date.now(),
  delay: async (milliseconds, signal) => {
    try {
      await delay(milliseconds, undefined, { signal })
    } catch (error) {
      signal.throwIfAborted()
      throw error
    }
  }
}

/** First waits after a failed pass: for faults that pass by themselves, and for those that somebody has to mend. */
const soonMs = 5000
const lateMs = 60_000

/** Makes a sync; nothing happens before `start`. */
export function createSync(options: SyncOptions): Sync {
  return new Scheduler(options)
}

class Scheduler implements Sync {
  readonly #options: SyncOptions
  readonly #clock: Clock
  readonly #random: () => number
  #absent = new Set<string>()
  readonly #stopping = new AbortController()
  #configuration: SyncConfiguration | undefined
  #running: Promise<void> | undefined
  /** What the next pass begins for, where somebody asked. */
  #wanted: SyncTrigger | undefined
  #interrupt = new AbortController()
  #waiters: ((result: PassResult | undefined) => void)[] = []
  #failures = 0
  /** The settings by which images were told of last. */
  #announced: SyncConfiguration | undefined
  #passing = false

  constructor(options: SyncOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal)
  }

  configure(configuration: SyncConfiguration): void {
    this.#configuration = configuration
    this.#wanted = 'SettingsChange'
    this.#interrupt.abort(new Error('the settings changed'))
  }

  syncNow(trigger: SyncTrigger = 'ManualResync'): Promise<PassResult | undefined> {
    if (this.#stopping.signal.aborted || this.#configuration === undefined) return Promise.resolve(undefined)
    const result = new Promise<PassResult | undefined>((resolve) => this.#waiters.push(resolve))
    if (!this.#passing) {
      this.#wanted ??= trigger
      this.#interrupt.abort(new Error('a sync was asked for'))
    }
    return result
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('sync is stopping'))
    await this.#running
    this.#answer(undefined)
  }

  async #run(stopping: AbortSignal): Promise<void> {
    let last = await this.#remember()
    let trigger: SyncTrigger = last?.succeededAt === undefined ? 'InitialSync' : 'Recovery'
    while (!stopping.aborted) {
      this.#interrupt = new AbortController()
      const signal = AbortSignal.any([stopping, this.#interrupt.signal])
      const configuration = this.#configuration
      if (configuration === undefined) {
        await this.#wait(2 ** 31 - 1, signal)
        continue
      }
      this.#wanted = undefined
      // Whoever asks by hand may have completed the parent's index just now.
      if (trigger === 'ManualResync') this.#absent.clear()
      const startedAt = this.#time()
      this.#options.observer({ kind: 'passStarted', trigger, startedAt })
      const outcome = await this.#pass(configuration, signal)
      if (outcome !== undefined) {
        last = await this.#finish(trigger, startedAt, outcome, last)
        this.#answer(last)
        await this.#wait(this.#pause(configuration, outcome), signal)
      }
      trigger = this.#askedFor() ?? (outcome?.retry === undefined ? 'Schedule' : 'Recovery')
    }
  }

  /** @returns undefined where it was given up */
  async #pass(configuration: SyncConfiguration, signal: AbortSignal): Promise<PassOutcome | undefined> {
    const { content, parent, observer, log } = this.#options
    this.#passing = true
    try {
      return await runPass({
        content,
        parent: parent(),
        imageSets: configuration.imageSets,
        observer,
        log,
        clock: this.#clock,
        random: this.#random,
        signal,
        announce: configuration !== this.#announced,
        absent: this.#absent
      })
    } catch (error) {
      if (!signal.aborted) throw error
      return undefined
    } finally {
      this.#passing = false
      this.#announced = configuration
    }
  }

  async #finish(
    trigger: SyncTrigger,
    startedAt: string,
    outcome: PassOutcome,
    last: PassResult | undefined
  ): Promise<PassResult> {
    const endedAt = this.#time()
    const succeededAt = outcome.succeeded ? endedAt : last?.succeededAt
    const result: PassResult = {
      trigger,
      state: outcome.succeeded ? 'Succeeded' : 'Failed',
      startedAt,
      endedAt,
      ...(succeededAt === undefined ? {} : { succeededAt })
    }
    this.#failures = outcome.retry === undefined ? 0 : this.#failures + 1
    const { content, observer, log } = this.#options
    try {
      await writeLastSync(content.index, result, this.#absent)
      if (outcome.contentWorks) observer({ kind: 'content', works: true })
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      log.warn('the result of the sync cannot be kept', { reason: message })
      observer({ kind: 'content', works: false, code: 'DISK_FAILED', message })
    }
    log.info('sync ended', { trigger, state: result.state, bytesFetched: outcome.bytesFetched })
    observer({ kind: 'passEnded', result, bytesFetched: outcome.bytesFetched })
    return result
  }

  /** What the process before this one left for it. */
  async #remember(): Promise<PassResult | undefined> {
    try {
      const { index } = this.#options.content
      this.#absent = await readAbsent(index)
      return await readLastSync(index)
    } catch (error) {
      this.#options.log.warn('the result of the last sync cannot be read', { reason: String(error) })
      return undefined
    }
  }

  /** Milliseconds until the next pass: the interval with a tenth of jitter, or less after a failure, twice as long each time. */
  #pause({ intervalMinutes }: SyncConfiguration, { retry }: PassOutcome): number {
    const interval = intervalMinutes * 60_000
    if (retry === undefined) return interval * (0.9 + 0.2 * this.#random())
    const first = retry.soon ? soonMs : lateMs
    const backoff = first * 2 ** Math.min(this.#failures - 1, 20) * (0.75 + 0.5 * this.#random())
    return Math.min(Math.max(backoff, (retry.afterSeconds ?? 0) * 1000), interval * (0.9 + 0.2 * this.#random()))
  }

  async #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.delay(milliseconds, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** What somebody asked for while the last pass ran or the next was waited for. */
  #askedFor(): SyncTrigger | undefined {
    return this.#wanted
  }

  #answer(result: PassResult | undefined): void {
    for (const resolve of this.#waiters.splice(0)) resolve(result)
  }

  #time(): string {
    return new Date(this.#clock.now()).toISOString()
  }
}
