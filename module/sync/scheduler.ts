import { newCorrelationId } from '../log/correlation.ts'
import { withFields } from '../log/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'
import { Allowance } from './allowance.ts'
import type { PassResult, SyncTrigger } from './events.ts'
import { codeOf } from './failure.ts'
import { readAbsent, readLastSync, writeLastSync } from './last-sync.ts'
import { runPass, surveyImages, type PassOptions, type PassOutcome } from './pass.ts'
import type { Clock } from './ports.ts'
import { isReferrersTurn } from './referrers-turn.ts'
import type { Sync, SyncConfiguration, SyncOptions } from './sync.ts'
import { systemClock } from './system-clock.ts'
import { Timetable } from './timetable.ts'
import { EarlyPass } from './early-pass.ts'
import { WaitedFor } from './waited-for.ts'

/** A pass that runs. */
interface BegunPass {
  readonly trigger: SyncTrigger
  readonly startedAt: string
  readonly correlationId: string
}

interface WindowedOutcome extends PassOutcome {
  /** The window ended before the pass did. */
  readonly windowEnded?: true
}

/** Decides when passes run, one at a time, and keeps what is to outlive them. */
export class Scheduler implements Sync {
  readonly #options: SyncOptions
  readonly #clock: Clock
  readonly #random: () => number
  readonly #allowance: Allowance
  readonly #timetable: Timetable
  readonly #waitedFor = new WaitedFor()
  readonly #early: EarlyPass
  #absent = new Set<string>()
  readonly #stopping = new AbortController()
  #configuration: SyncConfiguration | undefined
  #running: Promise<void> | undefined
  /** What the next pass begins for, where somebody asked. */
  #wanted: SyncTrigger | undefined
  /** Of the request that it begins for, where it is one's. */
  #wantedId: string | undefined
  #interrupt = new AbortController()
  #waiters: ((result: PassResult | undefined) => void)[] = []
  /** The settings by which images were told of last. */
  #announced: SyncConfiguration | undefined
  #passing = false
  /** The last pass failed, and when the next one is to try is decided. */
  #retrying = false
  #paused = false
  /** Passes so far; begins anywhere, so that a fleet's devices do not all look for the same signatures at once. */
  #turn: number

  constructor(options: SyncOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#allowance = options.allowance ?? new Allowance(this.#clock, options.content.index)
    this.#early = new EarlyPass(this.#clock)
    this.#timetable = new Timetable(this.#clock, this.#random)
    this.#turn = Math.floor(this.#random() * 1000)
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal)
  }

  configure(configuration: SyncConfiguration): void {
    this.#configuration = configuration
    this.#timetable.configure(configuration)
    this.#allowance.configure(configuration.pacing, configuration.budget)
    this.#early.configure(configuration.imageSets, configuration.intervalMinutes)
    this.#wanted = 'SettingsChange'
    this.#interrupt.abort(new Error('the settings changed'))
  }

  syncNow(trigger: SyncTrigger = 'ManualResync'): Promise<PassResult | undefined> {
    if (this.#stopping.signal.aborted || this.#configuration === undefined || this.#paused)
      return Promise.resolve(undefined)
    const result = new Promise<PassResult | undefined>((resolve) => this.#waiters.push(resolve))
    if (!this.#passing) {
      this.#wanted ??= trigger
      this.#interrupt.abort(new Error('a sync was asked for'))
    }
    return result
  }

  waitedFor(repository: Repository, reference: string, correlationId: string): void {
    this.#waitedFor.add({ repository, reference })
    if (this.#passing || this.#paused || this.#retrying || !this.#timetable.isOpen) return
    if (!this.#early.isWorth({ repository, reference })) return
    this.#wanted ??= 'Schedule'
    // The parent above may lack it as well, and look for it further up: one id leads from the engine that waits to the cloud.
    this.#wantedId = correlationId
    this.#interrupt.abort(new Error('somebody waits for an image'))
  }

  setPaused(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    if (!paused) this.#wanted = 'ManualResync'
    this.#interrupt.abort(new Error(paused ? 'sync was paused' : 'sync was resumed'))
    if (paused) this.#answer(undefined)
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
      if (this.#paused) {
        await this.#awaitResume(configuration, signal)
        trigger = this.#askedFor() ?? trigger
        continue
      }
      if (!this.#mayBegin()) {
        await this.#awaitWindow(configuration, signal)
        trigger = this.#askedFor() ?? trigger
        continue
      }
      // Whoever asks by hand may have mended the parent's images just now.
      if (trigger === 'ManualResync') this.#absent.clear()
      if (trigger === 'ManualResync' || trigger === 'SettingsChange') this.#allowance.wrongBlobs.clear()
      const begun = { trigger, startedAt: this.#time(), correlationId: this.#wantedId ?? newCorrelationId() }
      this.#wantedId = undefined
      this.#options.observer({ kind: 'passStarted', ...begun, ...this.#timetable.windowEnd() })
      const outcome = await this.#pass(configuration, begun, signal)
      if (outcome !== undefined) {
        const pause = this.#timetable.pause(outcome)
        this.#retrying = outcome.retry !== undefined
        last = await this.#finish(begun, outcome, last, this.#timetable.nextSync(pause))
        this.#answer(last)
        if (this.#mayBegin()) await this.#wait(pause, signal)
      }
      trigger = this.#askedFor() ?? (outcome?.retry === undefined ? 'Schedule' : 'Recovery')
    }
  }

  /** Somebody who waits for a pass gets one at any time. */
  #mayBegin(): boolean {
    return this.#waiters.length > 0 || this.#timetable.isOpen
  }

  /** A pass that was given up said nothing of where everything stands. */
  async #awaitResume(configuration: SyncConfiguration, signal: AbortSignal): Promise<void> {
    await this.#survey(configuration, signal)
    await this.#wait(2 ** 31 - 1, signal)
  }

  /** Tells where everything stands by what is on disk. A disk that cannot tell is told of, and looked at by the next pass. */
  async #survey(configuration: SyncConfiguration, signal: AbortSignal, nextSyncAt?: string): Promise<void> {
    try {
      await surveyImages(this.#surveyOptions(configuration, signal), nextSyncAt)
      this.#announced = configuration
    } catch (error) {
      if (signal.aborted) return
      const message = error instanceof Error ? error.message : String(error)
      this.#options.observer({ kind: 'content', works: false, code: codeOf(error), message })
    }
  }

  /** Tells where everything stands, and waits for the next window. */
  async #awaitWindow(configuration: SyncConfiguration, signal: AbortSignal): Promise<void> {
    if (configuration !== this.#announced)
      await this.#survey(configuration, signal, this.#timetable.nextSync(0)?.nextSyncAt)
    try {
      await this.#timetable.waitForWindow(signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** @returns undefined where it was given up */
  async #pass(
    configuration: SyncConfiguration,
    begun: BegunPass,
    signal: AbortSignal
  ): Promise<WindowedOutcome | undefined> {
    const done = new AbortController()
    const closing = new AbortController()
    // Whoever waits for a pass gets all of it, be the window open or not.
    const closed = this.#timetable.closeWithWindow(closing, done.signal, () => this.#waiters.length > 0)
    let bytesFetched = 0
    this.#passing = true
    try {
      const options = this.#passOptions(configuration, begun, AbortSignal.any([signal, closing.signal]))
      return await runPass({ ...options, onFetched: (bytes) => (bytesFetched += bytes) })
    } catch (error) {
      if (signal.aborted) return undefined
      if (!closing.signal.aborted) throw error
      return { succeeded: false, contentWorks: true, bytesFetched, windowEnded: true }
    } finally {
      done.abort()
      await closed
      this.#passing = false
      this.#announced = configuration
    }
  }

  #surveyOptions({ imageSets }: SyncConfiguration, signal: AbortSignal): Parameters<typeof surveyImages>[0] {
    const { content, observer } = this.#options
    return { content, imageSets, observer, absent: this.#absent, signal }
  }

  #passOptions(
    configuration: SyncConfiguration,
    { trigger, correlationId }: BegunPass,
    signal: AbortSignal
  ): PassOptions {
    const { parent, log } = this.#options
    const turn = this.#turn
    return {
      ...this.#surveyOptions(configuration, signal),
      parent: parent(correlationId),
      correlationId,
      log: withFields(log, { correlationId }),
      clock: this.#clock,
      random: this.#random,
      announce: configuration !== this.#announced,
      allowance: this.#allowance,
      waitedFor: this.#waitedFor,
      pushes: this.#options.pushes,
      looksForReferrers: (digest: Digest) => trigger === 'ManualResync' || isReferrersTurn(digest, turn),
      cleanUp: configuration.cleanUp ?? false
    }
  }

  async #finish(
    { correlationId, ...begun }: BegunPass,
    outcome: WindowedOutcome,
    last: PassResult | undefined,
    next: { readonly nextSyncAt: string } | undefined
  ): Promise<PassResult> {
    const endedAt = this.#time()
    const succeededAt = outcome.succeeded ? endedAt : last?.succeededAt
    const result: PassResult = {
      ...begun,
      state: outcome.succeeded ? 'Succeeded' : 'Failed',
      endedAt,
      correlationId,
      ...(succeededAt === undefined ? {} : { succeededAt }),
      ...(outcome.windowEnded === true ? { windowEnded: true } : {})
    }
    if (outcome.succeeded) this.#waitedFor.clear()
    // A pass that is tried again looks for the same signatures again.
    if (outcome.retry === undefined && outcome.windowEnded === undefined) this.#turn += 1
    const { content, observer } = this.#options
    const log = withFields(this.#options.log, { correlationId })
    try {
      await this.#allowance.settle()
      await writeLastSync(content.index, result, this.#absent)
      if (outcome.contentWorks) observer({ kind: 'content', works: true })
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      log.warn('the result of the sync cannot be kept', { reason: message })
      observer({ kind: 'content', works: false, code: codeOf(error), message, correlationId })
    }
    log.info('sync ended', { trigger: begun.trigger, state: result.state, bytesFetched: outcome.bytesFetched })
    const { bytesFetched, parentIsIncomplete } = outcome
    observer({ kind: 'passEnded', result, bytesFetched, ...(parentIsIncomplete && { parentIsIncomplete }), ...next })
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
