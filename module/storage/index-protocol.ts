import type { Repository, Tag } from '../oci/name.ts'
import type { StorageErrorCode } from './errors.ts'
import type { IndexChange } from './storage.ts'

/** A change as it travels to the index worker: state is text by then. */
export type StoredChange =
  | Exclude<IndexChange, { kind: 'setState' }>
  | { readonly kind: 'setState'; readonly key: string; readonly json: string | undefined }

/** Everything the index holds, as it is read once at start. */
export interface IndexContents {
  readonly repositories: readonly RepositoryContents[]
  readonly state: readonly (readonly [key: string, json: string])[]
}

/**
 * What a repository holds, as text that was looked at but not taken apart: most of a large registry is not asked for between one
 * start and the next. Lists have a space between each two; an empty one is no text at all.
 */
export interface RepositoryContents {
  readonly name: Repository
  /** Digests. */
  readonly links: string | undefined
  /** JSON: `[digest, media type, size, subject or null, artifact type or null]` of each. */
  readonly manifests: string | undefined
  readonly tags: string | undefined
  /** The manifest of each tag, in the same order. */
  readonly tagged: string | undefined
}

/** An error on its way between threads. */
export interface Failure {
  readonly code: StorageErrorCode
  readonly message: string
}

/** To the worker: beside the requests below, `copy` to write the index into a second file, and `close`. */
export type IndexRequest = ApplyRequest | TagTimesRequest | 'copy' | 'close'

/** When the tags of a repository were set. */
export interface TagTimesRequest {
  readonly tagTimesOf: Repository
}

/** Several `apply` calls, each all or nothing, made durable by one commit. */
export interface ApplyRequest {
  readonly batches: readonly (readonly StoredChange[])[]
}

/** From the worker: first `opened` or `refused`, then one reply for each request. */
export type IndexReply =
  | { readonly kind: 'opened' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** By batch: nothing where it is durable, or why none of it applies. */
  | { readonly kind: 'applied'; readonly failures: readonly (Failure | undefined)[] }
  | { readonly kind: 'copied'; readonly failure?: Failure }
  /** Milliseconds since 1970. */
  | {
      readonly kind: 'tagTimes'
      readonly times: readonly (readonly [tag: Tag, setAt: number])[]
      readonly failure?: Failure
    }

/** What had to be done to open the index. */
export interface Rescue {
  /** It was not there: at a first start, or because it was lost. */
  readonly absent?: true
  /** Where a damaged one was moved to. */
  readonly setAside?: string
  /** ISO 8601: when the copy was made that was taken in its place. */
  readonly copyOf?: string
}

/** What the worker is started with. */
export interface IndexWorkerData {
  readonly folder: string
  readonly commitGate?: SharedArrayBuffer
}

/** What stands in an `Int32Array` over a commit gate, by position. Nothing but tests and measurements has one. */
export const commitGate = {
  /** While it is 1, commits wait. */
  closed: 0,
  /** Milliseconds that each commit takes longer: an SD card's fsync. */
  delay: 1
} as const
