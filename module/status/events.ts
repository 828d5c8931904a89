import type { ReportedInput } from '../settings/reported.ts'

type ReportedSync = NonNullable<ReportedInput['sync']>

/** One wanted image, as the sync tells of it. */
export interface ImageNews {
  readonly image: string
  /** Names of the image sets that want it; undefined leaves what was told before. */
  readonly imageSets?: readonly string[]
  readonly state: 'failed' | 'pending' | 'syncing' | 'ready'
  readonly digest?: string
  readonly bytesDone?: number
  readonly bytesTotal?: number
  readonly reason?: string
  /** Why it is in quarantine: SIGNATURE_MISSING or SIGNATURE_INVALID. */
  readonly code?: string
}

/** How a sync pass ended. */
export interface PassNews {
  readonly trigger: ReportedSync['trigger']
  readonly state: 'Succeeded' | 'Failed'
  readonly startedAt: string
  readonly endedAt: string
  readonly succeededAt?: string
  /** The sync window ended before everything was here. */
  readonly windowEnded?: true
  /** With every line of the pass in the log. */
  readonly correlationId?: string
}

/** The credential that the parent took. */
export interface CredentialNews {
  /** The beginning of a SHA-256: tells credentials apart and gives none away. */
  readonly fingerprint: string
  readonly tokenName?: string
  /** ISO 8601: when the parent last took it. */
  readonly succeededAt?: string
}

/** The data volume, in bytes. */
export interface DiskSpace {
  readonly freeBytes: number
  readonly totalBytes: number
  /** What content never takes of it. */
  readonly reserveBytes: number
}

/** Content that was damaged on the disk, and is missing since. */
export interface DamagedBlob {
  readonly digest: string
  /** Those whose images need it. */
  readonly repositories: readonly string[]
}

/** Sync was paused by hand. */
export interface Pause {
  /** ISO 8601. */
  readonly since: string
  readonly reason?: string
}

/** Where a push or a delete for the parent stands; what is delivered is only counted. */
export const upwardStates = ['waiting', 'parked', 'conflict', 'expired'] as const

/** A push or a delete for the parent. */
export interface UpwardEntry extends Partial<Omit<UpwardTrouble, 'state'>> {
  readonly what: string
  readonly state: (typeof upwardStates)[number]
  readonly bytes?: number
}

/** A push or a delete that did not go up to the parent as it was meant to. */
export interface UpwardTrouble {
  /** `push samples/app:1.0` */
  readonly what: string
  readonly state: Exclude<(typeof upwardStates)[number], 'waiting'>
  readonly reason: string
  readonly digest?: string
  /** ISO 8601: when it was made, or ended so. */
  readonly at: string
  readonly nextAttemptAt?: string
}

/** What was pushed and deleted here and is for the parent. */
export interface UpwardNews {
  readonly waiting: number
  readonly bytes: number
  /** ISO 8601. */
  readonly oldestAt?: string
  readonly parked: number
  /** Since this device began, as are the next two. */
  readonly delivered: number
  readonly conflicts: number
  readonly expired: number
  readonly sending?: string
  /** Why nothing goes up for now, and until when. */
  readonly reason?: string
  readonly nextAt?: string
  /** The newest first. */
  readonly troubles: readonly UpwardTrouble[]
}

/** Something that does not work. */
export interface TroubleNews {
  readonly code: string
  readonly message: string
  /** Of the pass that found it. */
  readonly correlationId?: string
}

/** What the status takes in; the sync's events are these. */
export type StatusNews =
  | {
      readonly kind: 'passStarted'
      readonly trigger: PassNews['trigger']
      readonly startedAt: string
      readonly correlationId?: string
      /** Until when this pass may fetch. */
      readonly windowEndsAt?: string
    }
  | { readonly kind: 'planned'; readonly images: readonly ImageNews[]; readonly nextSyncAt?: string }
  | { readonly kind: 'image'; readonly image: ImageNews }
  | { readonly kind: 'progress'; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly kind: 'parent'; readonly answers: true }
  | ({ readonly kind: 'parent'; readonly answers: false } & TroubleNews)
  | { readonly kind: 'content'; readonly works: true }
  | ({ readonly kind: 'content'; readonly works: false } & TroubleNews)
  | { readonly kind: 'passEnded'; readonly result: PassNews; readonly nextSyncAt?: string }
  | { readonly kind: 'removed'; readonly image: string }
  /** Somebody pushed the tag here, or deleted it: what was told of the image no longer holds. */
  | { readonly kind: 'changedHere'; readonly image: ImageNews }
