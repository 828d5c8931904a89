import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'

/** A manifest as a repository holds it. */
export interface ManifestRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
}

/** A page of a list that is sorted by code unit: only what comes after `after`. */
export interface Page {
  readonly after?: string
  readonly limit?: number
}

/** What this room serves: only what is here, whole and linked in the repository that is asked. */
export interface Content {
  readonly index: {
    repositories(page?: Page): Promise<Repository[]>
    /** Undefined where the repository is unknown. */
    tags(repository: Repository, page?: Page): Promise<Tag[] | undefined>
    tag(repository: Repository, tag: Tag): Promise<Digest | undefined>
    manifest(repository: Repository, digest: Digest): Promise<ManifestRecord | undefined>
    hasBlob(repository: Repository, digest: Digest): Promise<boolean>
  }
  readonly blobs: {
    size(digest: Digest): Promise<number | undefined>
    /** Both ends inclusive. @throws {OciError} `BLOB_UNKNOWN` */
    read(digest: Digest, range?: { readonly start: number; readonly end: number }): Promise<Readable>
    /** @throws {OciError} `BLOB_UNKNOWN` */
    bytes(digest: Digest): Promise<Buffer>
  }
}
