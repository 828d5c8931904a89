import type { Log } from '../log/log.ts'
import type { Repository } from '../oci/name.ts'
import type { Allowance } from './allowance.ts'
import type { BudgetSettings } from './budget.ts'
import type { PassResult, SyncObserver, SyncTrigger } from './events.ts'
import type { PacingSettings } from './pacing.ts'
import type { ImageSets } from './plan.ts'
import type { Clock, Content, ParentSource } from './ports.ts'
import { Scheduler } from './scheduler.ts'
import type { LocalPushes } from './upward/ports.ts'

export interface SyncConfiguration {
  readonly imageSets: ImageSets
  readonly intervalMinutes: number
  /** Cron, UTC: when windows open in which something may be fetched; always where it is not given. */
  readonly schedule?: string | undefined
  /** ISO 8601: how long such a window stays open. */
  readonly window?: string | undefined
  readonly pacing?: PacingSettings | undefined
  readonly budget?: BudgetSettings | undefined
  /** Whether repositories that sync brought and no image set names any more are removed. */
  readonly cleanUp?: boolean | undefined
}

export interface SyncOptions {
  readonly content: Content
  /**
   * The parent in force, asked at the beginning of each pass; undefined where none is set. The pass's id goes along with all
   * that it is asked.
   */
  readonly parent: (correlationId: string) => ParentSource | undefined
  readonly observer: SyncObserver
  readonly log: Log
  /** What was pushed here and is not in the parent yet: the way down leaves those tags alone. */
  readonly pushes?: LocalPushes
  /** Shared with the way up, where there is one. */
  readonly allowance?: Allowance
  readonly clock?: Clock
  /** From 0 to below 1: keeps a fleet's devices apart in time. */
  readonly random?: () => number
}

/**
 * Brings content from the parent, for ever: at once when it starts or the settings change, then by the interval; where there is
 * a schedule, all of that only while a sync window is open.
 */
export interface Sync {
  /** Begins; with no settings so far it waits for {@link configure}. */
  start(): void
  /** Takes new settings (or a new parent) in: a pass under way is given up, bytes kept, and one by the new ones begins. */
  configure(configuration: SyncConfiguration): void
  /**
   * Asks for a pass now, be a sync window open or not.
   * @returns how it ended (the one under way, if there is one); undefined without settings, or where sync was stopped first
   */
  syncNow(trigger?: SyncTrigger): Promise<PassResult | undefined>
  /**
   * Somebody who may pull it asked for something that is not here: it comes first, and soon where the image sets want it.
   *
   * @param correlationId of that request; a pass that begins for it bears the same
   */
  waitedFor(repository: Repository, reference: string, correlationId: string): void
  /** While paused nothing is asked of the parent: a pass under way is given up, bytes kept. Resumed, one begins at once. */
  setPaused(paused: boolean): void
  /** Ends the pass under way, keeping its bytes, and resolves when nothing of it is left running. */
  stop(): Promise<void>
}

/** Makes a sync; nothing happens before `start`. */
export function createSync(options: SyncOptions): Sync {
  return new Scheduler(options)
}
