import type { Log } from '../log/log.ts'
import type { ConnectionState } from '../settings/reported-states.ts'
import type { ReportedInput } from '../settings/reported.ts'
import type {
  CredentialNews,
  DamagedBlob,
  DiskSpace,
  ImageNews,
  PassNews,
  Pause,
  StatusNews,
  UpwardNews
} from './events.ts'
import type { FaultCode } from './faults.ts'
import type { ImageCounts } from './images.ts'
import { Ledger } from './ledger.ts'

/**
 * What changed: something about the module as a whole, one image among what may be thousands, or a mere count of bytes. The
 * first is worth a report at any time, the others as far as the day's budget goes.
 */
export type ChangeKind = 'state' | 'image' | 'progress'

export interface StatusOptions {
  readonly version: string
  readonly startedAt: Date
  readonly now?: () => Date
  /** How the last pass before this start ended. */
  readonly lastSync?: PassNews | undefined
  /** Told of every fault that comes up, with the id that the twin gives it. */
  readonly log?: Pick<Log, 'warn'>
}

/** What is known of the desired properties, for the twin. */
export type DesiredStatus = Pick<ReportedInput, 'lastDesiredVersion' | 'lastDesiredStatus' | 'appliedVersion'>

/** Health as `/healthz` and `/readyz` answer it. */
export interface Health {
  /** False where the volume fails: restarting or mending the module is called for. A full one still gives out what it has. */
  readonly ok: boolean
  readonly body: {
    /** `degraded`: serves what is here, and takes nothing new. */
    readonly status: 'ok' | 'degraded' | 'unhealthy'
    readonly connectionState: ConnectionState
    readonly imagesReady: number
    readonly imagesTotal: number
    readonly faults: readonly { readonly code: FaultCode }[]
  }
}

/** Numbers for monitoring. */
export interface Figures {
  readonly images: ImageCounts
  readonly bytesDone: number
  readonly bytesTotal: number
  readonly faults: readonly FaultCode[]
  readonly connectionState: ConnectionState
  readonly paused: boolean
  readonly disk: DiskSpace | undefined
  readonly damagedBlobs: number
  readonly lastSync: PassNews | undefined
}

/** Which images somebody asks for. */
export interface ImageQuery {
  readonly state?: ImageNews['state'] | undefined
  readonly repository?: string | undefined
  readonly imageSet?: string | undefined
}

/** The truth about this module, put together from what its parts tell. */
export interface Status {
  /** Takes in what sync tells; may be passed on by itself. */
  readonly observe: (news: StatusNews) => void
  setFault(code: FaultCode, description: string): void
  clearFault(code: FaultCode): void
  setDesired(desired: DesiredStatus): void
  /** The image sets that there are, those included that no image belongs to so far. */
  setImageSets(names: readonly string[]): void
  setPaused(pause: Pause | undefined): void
  setDisk(disk: DiskSpace): void
  /** What was damaged on the disk, and nothing has replaced. */
  setDamaged(damaged: readonly DamagedBlob[]): void
  setCredential(credential: CredentialNews | undefined): void
  /** What is for the parent; undefined on a device that has never had anything for it. */
  setUpward(upward: UpwardNews | undefined): void
  /** What to report to the twin: always valid, below 24 KB, with the worst images first where not all fit. */
  snapshot(): ReportedInput
  healthz(): Health
  figures(): Figures
  /** The wanted images that answer to a query, sorted by name. */
  images(query: ImageQuery): ImageNews[]
  /** @returns what takes the listener away again */
  on(event: 'change', listener: (kind: ChangeKind) => void): () => void
}

export function createStatus(options: StatusOptions): Status {
  return new Ledger(options)
}
