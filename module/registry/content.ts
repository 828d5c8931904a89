import type { Readable } from 'node:stream'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'

/** A manifest as a repository holds it. */
export interface ManifestRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** What it refers to, and what a listing of that one's referrers can be filtered by. */
  readonly subject?: Digest
  readonly artifactType?: string
}

/** A page of a list that is sorted by code unit: only what comes after `after`. */
export interface Page {
  readonly after?: string
  readonly limit?: number
}

/** A blob that is open for reading. Whoever opened it closes it. */
export interface BlobFile {
  readonly descriptor: number
  /** Bytes. */
  readonly size: number
  close(): Promise<void>
}

/** Bytes on their way to become a blob; `module/storage` makes them and says what each member promises. */
export interface ContentIngest {
  readonly offset: number
  /** Makes sure of room for so many more bytes, where that many are known to come. */
  expect(bytes: number): Promise<void>
  append(chunk: Uint8Array): Promise<void>
  /** Where blobs are files: the bytes come straight from a socket. {@link offset} says how many came of `length`. */
  receive?(source: {
    /** A descriptor that nobody else reads, open until the promise settles. */
    readonly socket: number
    readonly length: number
    readonly signal?: AbortSignal
  }): Promise<void>
  /** Lets go of the bytes in any case. @throws {OciError} `DIGEST_INVALID` */
  commit(digest: Digest): Promise<{ readonly size: number }>
  /** Lets go of the bytes and keeps them for later. */
  close(): Promise<void>
  discard(): Promise<void>
}

/** All of them or none, durable when the promise resolves. */
export type ContentChange =
  | { readonly kind: 'linkBlob' | 'unlinkBlob'; readonly repository: Repository; readonly digest: Digest }
  | ({ readonly kind: 'putManifest'; readonly repository: Repository } & ManifestRecord)
  | { readonly kind: 'setTag'; readonly repository: Repository; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'removeTag'; readonly repository: Repository; readonly tag: Tag }
  | { readonly kind: 'removeManifest'; readonly repository: Repository; readonly digest: Digest }

/** What this room serves: only what is here, whole and linked in the repository that is asked. */
export interface Content {
  readonly index: {
    /** Sorted; those that begin with `prefix`. */
    repositories(page?: Page & { readonly prefix?: string }): Promise<Repository[]>
    /** Undefined where the repository is unknown. */
    tags(repository: Repository, page?: Page): Promise<Tag[] | undefined>
    tag(repository: Repository, tag: Tag): Promise<Digest | undefined>
    manifest(repository: Repository, digest: Digest): Promise<ManifestRecord | undefined>
    hasBlob(repository: Repository, digest: Digest): Promise<boolean>
    /** Every repository that may give out this blob. */
    holders(digest: Digest): Promise<Repository[]>
    /** Manifests that name `subject`, sorted. */
    referrers(
      repository: Repository,
      subject: Digest,
      page?: Page & { readonly artifactType?: string }
    ): Promise<Digest[]>
    apply(changes: readonly ContentChange[]): Promise<void>
  }
  readonly blobs: {
    size(digest: Digest): Promise<number | undefined>
    /** Both ends inclusive. @throws {OciError} `BLOB_UNKNOWN` */
    read(digest: Digest, range?: { readonly start: number; readonly end: number }): Promise<Readable>
    /** Where blobs are files: they are sent faster so. Undefined where the blob is not here. */
    open?(digest: Digest): Promise<BlobFile | undefined>
    /** @throws {OciError} `BLOB_UNKNOWN` */
    bytes(digest: Digest): Promise<Buffer>
    /** Opens the partial file that stands under `key`, or a new one; `algorithm` is what its digest will likely be. */
    ingest(key: string, algorithm?: DigestAlgorithm): Promise<ContentIngest>
    /** The same, but undefined where there is none. */
    resume(key: string, algorithm?: DigestAlgorithm): Promise<ContentIngest | undefined>
  }
}
