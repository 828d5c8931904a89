import type { ReportedInput } from '../settings/reported.ts'

type ReportedSync = NonNullable<ReportedInput['sync']>

/** One wanted image, as the sync tells of it. */
export interface ImageNews {
  readonly image: string
  readonly state: 'failed' | 'pending' | 'syncing' | 'ready'
  readonly digest?: string
  readonly bytesDone?: number
  readonly bytesTotal?: number
  readonly reason?: string
}

/** How a sync pass ended. */
export interface PassNews {
  readonly trigger: ReportedSync['trigger']
  readonly state: 'Succeeded' | 'Failed'
  readonly startedAt: string
  readonly endedAt: string
  readonly succeededAt?: string
}

/** What the status takes in; the sync's events are these. */
export type StatusNews =
  | { readonly kind: 'passStarted'; readonly trigger: PassNews['trigger']; readonly startedAt: string }
  | { readonly kind: 'planned'; readonly images: readonly ImageNews[] }
  | { readonly kind: 'image'; readonly image: ImageNews }
  | { readonly kind: 'progress'; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly kind: 'parent'; readonly answers: true }
  | { readonly kind: 'parent'; readonly answers: false; readonly code: string; readonly message: string }
  | { readonly kind: 'content'; readonly works: true }
  | { readonly kind: 'content'; readonly works: false; readonly code: string; readonly message: string }
  | { readonly kind: 'passEnded'; readonly result: PassNews }
