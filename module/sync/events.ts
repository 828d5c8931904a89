import type { Digest } from '../oci/digest.ts'
import type { QuarantineCode } from './signatures.ts'

/** Why a pass began; Microsoft's names where it has one. */
export type SyncTrigger = 'InitialSync' | 'Schedule' | 'ManualResync' | 'SettingsChange' | 'Recovery'

/** Where an image stands. `ready` means that every byte is here and verified. */
export interface ImageStatus {
  /** `repository:tag`; for a list of tags that cannot be had, the image set's own entry. */
  readonly image: string
  /** Names of the image sets that want it; undefined leaves what was told before. */
  readonly imageSets?: readonly string[]
  readonly state: 'failed' | 'pending' | 'syncing' | 'ready'
  readonly digest?: Digest
  readonly bytesDone?: number
  readonly bytesTotal?: number
  readonly reason?: string
  /** Why it is in quarantine. */
  readonly code?: QuarantineCode
}

/** A pass that has come to its end. */
export interface PassResult {
  readonly trigger: SyncTrigger
  /** `Succeeded` only where every image is ready. */
  readonly state: 'Succeeded' | 'Failed'
  /** ISO 8601, as are the others. */
  readonly startedAt: string
  readonly endedAt: string
  /** The end of the last pass that brought everything. */
  readonly succeededAt?: string
  /** The sync window ended before everything was here; what came stays, and the next window goes on from there. */
  readonly windowEnded?: true
  /** With every line of the pass in the log; absent where an older release ran it. */
  readonly correlationId?: string
}

/** What ended a pass, or kept it from its result. */
export interface Trouble {
  readonly code: string
  readonly message: string
  /** The pass's; absent where there was none under way. */
  readonly correlationId?: string
}

/** What sync tells whoever watches: the status, and tests. */
export type SyncEvent =
  | {
      readonly kind: 'passStarted'
      readonly trigger: SyncTrigger
      readonly startedAt: string
      readonly correlationId: string
      /** When the sync window ends that this pass is in; absent without a schedule, and between windows. */
      readonly windowEndsAt?: string
    }
  /** All images that are wanted, by what is on disk; whatever was told of others no longer counts. */
  | {
      readonly kind: 'planned'
      readonly images: readonly ImageStatus[]
      /** When the next pass begins, where it waits for a sync window. */
      readonly nextSyncAt?: string
    }
  /** One image's state or progress changed. */
  | { readonly kind: 'image'; readonly image: ImageStatus }
  /** Bytes over all wanted images, each blob counted once. */
  | { readonly kind: 'progress'; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly kind: 'parent'; readonly answers: true }
  | ({ readonly kind: 'parent'; readonly answers: false } & Trouble)
  | { readonly kind: 'content'; readonly works: true }
  | ({ readonly kind: 'content'; readonly works: false } & Trouble)
  | {
      readonly kind: 'passEnded'
      readonly result: PassResult
      readonly bytesFetched: number
      /** The parent said that it lacks what it is to have: what was not there may be on its way. */
      readonly parentIsIncomplete?: true
      /** When the next pass begins, if nobody asks for one before. */
      readonly nextSyncAt?: string
    }
  /** A tag that the parent no longer has, or that the settings no longer want, is gone from here too. */
  | { readonly kind: 'removed'; readonly image: string; readonly digest?: Digest }

export type SyncObserver = (event: SyncEvent) => void
