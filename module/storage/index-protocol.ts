import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { StorageErrorCode } from './errors.ts'
import type { IndexChange, ManifestRecord } from './storage.ts'

/** A change as it travels to the index worker: state is text by then. */
export type StoredChange =
  | Exclude<IndexChange, { kind: 'setState' }>
  | { readonly kind: 'setState'; readonly key: string; readonly json: string | undefined }

/** Everything the index holds, as the worker reads it once at start. */
export interface IndexContents {
  readonly repositories: readonly RepositoryContents[]
  readonly state: readonly (readonly [key: string, json: string])[]
}

export interface RepositoryContents {
  readonly name: Repository
  readonly links: readonly Digest[]
  readonly manifests: readonly ManifestRecord[]
  readonly tags: readonly (readonly [tag: Tag, digest: Digest])[]
}

/** An error on its way between threads. */
export interface Failure {
  readonly code: StorageErrorCode
  readonly message: string
}

/** To the worker: several `apply` calls, each all or nothing, made durable by one commit. */
export interface ApplyRequest {
  readonly batches: readonly (readonly StoredChange[])[]
}

/** From the worker: first `opened` or `refused`, then one `applied` for each request. */
export type IndexReply =
  | { readonly kind: 'opened'; readonly contents: IndexContents; readonly setAside?: string }
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** By batch: nothing where it is durable, or why none of it applies. */
  | { readonly kind: 'applied'; readonly failures: readonly (Failure | undefined)[] }

/** What the worker is started with. */
export interface IndexWorkerData {
  readonly folder: string
}
