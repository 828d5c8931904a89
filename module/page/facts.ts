import type { Repository } from '../oci/name.ts'
import type { ReportedInput } from '../settings/reported.ts'

/** One wanted image. */
export interface PageImage {
  readonly image: string
  readonly state: 'failed' | 'pending' | 'syncing' | 'ready'
  readonly imageSets?: readonly string[]
  readonly bytesDone?: number
  readonly bytesTotal?: number
  readonly reason?: string
}

/** Something that happened. */
export interface PageEvent {
  /** ISO 8601. */
  readonly at: string
  readonly text: string
  /** What it is about, where that is an image. */
  readonly image?: string
  readonly isBad?: true
  /** What stands for it to who may not list every repository: the text is a parent's, and may name any, and tokens. */
  readonly brief?: string
}

/** What the page is drawn from. */
export interface PageFacts {
  /** What this device is called. */
  readonly name: string
  readonly now: Date
  readonly report: ReportedInput
  readonly images: readonly PageImage[]
  /** The newest first. */
  readonly events: readonly PageEvent[]
}

/** Whose page it is: a client token sees what its scope map lists. */
export interface Viewer {
  may(action: 'list', repository: Repository): boolean
  /** Whether it lists every repository. */
  mayEverywhere(action: 'list'): boolean
}

/** Where the settings open the page to everybody. */
export const everybody: Viewer = { may: () => true, mayEverywhere: () => true }
