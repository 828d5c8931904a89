import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'

/** Content that survives a power cut: bytes by digest, and what names them. */
export interface Storage {
  readonly blobs: BlobStore
  readonly index: Index
  close(): Promise<void>
}

/** Verified bytes by digest (manifests' bytes too), and partial files on their way to become such. */
export interface BlobStore {
  /** Size in bytes, or undefined where the blob is not here. */
  size(digest: Digest): Promise<number | undefined>
  /**
   * The bytes from `start` to `end` (both inclusive; the whole blob by default).
   * @throws {OciError} `BLOB_UNKNOWN`
   */
  read(digest: Digest, range?: { readonly start: number; readonly end: number }): Promise<Readable>
  /** The whole of a small blob: a manifest, a config. @throws {OciError} `BLOB_UNKNOWN` */
  bytes(digest: Digest): Promise<Buffer>
  /**
   * Opens the partial file that stands under `key`, or a new one: what an earlier process had written is still there.
   * One holder at a time; a second one for the same key is refused with an Error.
   */
  ingest(key: string): Promise<Ingest>
  /** Removes a blob; absent is fine. */
  remove(digest: Digest): Promise<void>
}

/** Bytes on their way to become a blob. */
export interface Ingest {
  /** Bytes in the partial file: where the next ones go. */
  readonly offset: number
  /** Adds bytes; resolves when they may be followed by more (written, not yet on the platter). */
  append(chunk: Uint8Array): Promise<void>
  /** Makes what was appended survive a power cut. */
  flush(): Promise<void>
  /**
   * Verifies the whole against `digest` and makes it a blob, durably; the partial file is gone afterwards either way.
   * @throws {OciError} `DIGEST_INVALID` where the bytes are others
   */
  commit(digest: Digest): Promise<{ readonly size: number }>
  /** Goes back to nothing, for a parent that cannot resume. */
  restart(): Promise<void>
  /** Lets go of the partial file and keeps it for later. */
  close(): Promise<void>
  /** Lets go of the partial file and deletes it. */
  discard(): Promise<void>
}

/** A manifest as a repository holds it. */
export interface ManifestRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
}

/** A page of a sorted list. */
export interface Page {
  /** Only what sorts after this (by code unit). */
  readonly after?: string
  readonly limit?: number
}

/**
 * What names the blobs: repositories, manifests, tags, and the links that say which repository may give out which blob.
 * Reads are answered from memory; a change is durable when its promise resolves.
 */
export interface Index {
  repositories(page?: Page): Promise<Repository[]>
  /** Sorted tags, or undefined where the repository is unknown. */
  tags(repository: Repository, page?: Page): Promise<Tag[] | undefined>
  tag(repository: Repository, tag: Tag): Promise<Digest | undefined>
  manifest(repository: Repository, digest: Digest): Promise<ManifestRecord | undefined>
  /** Whether the repository may give out this blob (manifests are found by {@link manifest}). */
  hasBlob(repository: Repository, digest: Digest): Promise<boolean>
  /** Small documents that rooms keep beside the content, such as the last sync's result. */
  state(key: string): Promise<unknown>
  /** Applies all of the changes or none of them. */
  apply(changes: readonly IndexChange[]): Promise<void>
}

export type IndexChange =
  | { readonly kind: 'linkBlob'; readonly repository: Repository; readonly digest: Digest }
  | ({ readonly kind: 'putManifest'; readonly repository: Repository } & ManifestRecord)
  | { readonly kind: 'setTag'; readonly repository: Repository; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'removeTag'; readonly repository: Repository; readonly tag: Tag }
  | { readonly kind: 'removeManifest'; readonly repository: Repository; readonly digest: Digest }
  | { readonly kind: 'removeRepository'; readonly repository: Repository }
  /** `value` is kept as JSON; undefined removes it. */
  | { readonly kind: 'setState'; readonly key: string; readonly value: unknown }
