import type { Digest } from '../../oci/digest.ts'
import type { Repository, Tag } from '../../oci/name.ts'

interface Options {
  readonly signal: AbortSignal
}

/** Where an upload stands in the parent. */
export interface UploadPlace {
  readonly location: string
  readonly offset: number
}

export interface Chunk {
  readonly offset: number
  readonly length: number
  readonly pieces: () => AsyncIterable<Uint8Array>
}

/** A parent that content is sent to; `module/parent` makes one and says what each member promises. */
export interface ParentTarget {
  readonly origin: string
  head(
    repository: Repository,
    reference: Tag | Digest,
    options: Options & { readonly known: Digest | undefined }
  ): Promise<{ readonly digest: Digest }>
  tags(repository: Repository, signal?: AbortSignal): AsyncIterable<Tag>
  hasBlob(repository: Repository, digest: Digest, options: Options): Promise<boolean>
  beginUpload(
    repository: Repository,
    digest: Digest,
    options: Options & { readonly from?: Repository | undefined }
  ): Promise<UploadPlace | undefined>
  findUpload(repository: Repository, location: string, options: Options): Promise<UploadPlace | undefined>
  sendChunk(repository: Repository, location: string, chunk: Chunk, options: Options): Promise<UploadPlace | undefined>
  finishUpload(
    repository: Repository,
    location: string,
    digest: Digest,
    options: Options & { readonly last?: Chunk | undefined }
  ): Promise<boolean>
  putManifest(
    repository: Repository,
    reference: Tag | Digest,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    options: Options
  ): Promise<void>
  deleteManifest(repository: Repository, reference: Tag | Digest, options: Options): Promise<void>
}

/** What the queue is kept in. */
export interface StateStore {
  states(prefix: string): Promise<readonly (readonly [key: string, value: unknown])[]>
  apply(changes: readonly StateChange[]): Promise<void>
}

export interface StateChange {
  readonly kind: 'setState'
  readonly key: string
  readonly value: unknown
}

/** Where what is sent is read from; `module/storage` makes one and says what each member promises. */
export interface UpwardContent {
  readonly blobs: {
    size(digest: Digest): Promise<number | undefined>
    bytes(digest: Digest): Promise<Uint8Array>
    read(digest: Digest, range: { readonly start: number; readonly end: number }): Promise<AsyncIterable<Uint8Array>>
  }
  readonly index: StateStore & {
    holders(digest: Digest): Promise<readonly Repository[]>
    hasBlob(repository: Repository, digest: Digest): Promise<boolean>
    manifest(repository: Repository, digest: Digest): Promise<object | undefined>
    state(key: string): Promise<unknown>
  }
}

/** What is on its way up, as the way down has to respect it. */
export interface LocalPushes {
  /** Whether a push or a delete of the tag that was made here is yet to be told to the parent. */
  isWaiting(repository: Repository, tag: Tag): boolean
  /** Counts up with each push and delete here, and when the parent was told of it. */
  readonly generation: number
  /**
   * Whether what the parent says of a tag may be followed: nothing of it waits, and nothing of it was done here, or told to the
   * parent, since it was asked.
   *
   * @param asked the {@link generation} then
   */
  mayFollowParent(repository: Repository, tag: Tag, asked: number): boolean
}
