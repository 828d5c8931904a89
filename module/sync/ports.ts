import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'

/** A manifest that refers to another. */
export interface Referrer {
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType?: string | undefined
}

/** A parent as sync sees it; `module/parent` makes one. */
export interface ParentSource {
  /** Whether it has said in this pass that it lacks what it is to have: then nothing is gone because it is not there. */
  isIncomplete(): boolean
  check(signal?: AbortSignal): Promise<void>
  tags(repository: Repository, signal?: AbortSignal): AsyncIterable<Tag>
  head(
    repository: Repository,
    reference: Tag | Digest,
    options: { readonly known: Digest | undefined; readonly signal: AbortSignal }
  ): Promise<{ readonly digest: Digest }>
  manifest(
    repository: Repository,
    reference: Tag | Digest,
    options: { readonly signal: AbortSignal }
  ): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string }>
  blob(
    repository: Repository,
    digest: Digest,
    options: {
      readonly offset: number
      readonly signal: AbortSignal
      /** Bytes that may wait to be read; the parent's own measure where it is not given. */
      readonly readAhead?: number | undefined
    }
  ): Promise<{
    /** Where the bytes begin: as asked for, or before that. */
    readonly offset: number
    /** Bytes of the whole blob, where the parent says so. */
    readonly size?: number | undefined
    /** What the bytes are packed with by their headers; undefined where they are the blob's own. */
    readonly encoding?: string | undefined
    readonly stream: AsyncIterable<Uint8Array>
  }>
  /** Throws `PARENT_NOT_FOUND` where the repository does not have it; none of its bytes come. */
  checkBlob(repository: Repository, digest: Digest, options: { readonly signal: AbortSignal }): Promise<void>
  /** What refers to a manifest, or undefined where the parent has no such list to give. */
  referrers(
    repository: Repository,
    subject: Digest,
    options: { readonly signal: AbortSignal }
  ): Promise<readonly Referrer[] | undefined>
}

/** Errors of a parent carry these. */
export interface ParentFault extends Error {
  /** `PARENT_…` */
  readonly code: string
  readonly transient: boolean
  readonly retryAfterSeconds: number | undefined
}

/** The error as a parent's, or undefined where something else threw it. */
export function asParentFault(error: unknown): ParentFault | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as Partial<ParentFault>
  return typeof code === 'string' && code.startsWith('PARENT_') ? (error as ParentFault) : undefined
}

/** The part of a content store that sync works with; `module/storage` makes one and says what each member promises. */
export interface Content {
  readonly blobs: {
    size(digest: Digest): Promise<number | undefined>
    bytes(digest: Digest): Promise<Uint8Array>
    ingest(key: string): Promise<ContentIngest>
  }
  readonly index: {
    tags(repository: Repository): Promise<readonly Tag[] | undefined>
    tag(repository: Repository, tag: Tag): Promise<Digest | undefined>
    manifest(repository: Repository, digest: Digest): Promise<{ readonly mediaType: string } | undefined>
    hasBlob(repository: Repository, digest: Digest): Promise<boolean>
    state(key: string): Promise<unknown>
    apply(changes: readonly ContentChange[]): Promise<void>
  }
}

export interface ContentIngest {
  readonly offset: number
  /** Sets room aside on the disk for bytes that are about to come. */
  expect(bytes: number): Promise<void>
  append(chunk: Uint8Array): Promise<void>
  flush(): Promise<void>
  commit(digest: Digest): Promise<unknown>
  restart(): Promise<void>
  close(): Promise<void>
}

export type ContentChange =
  | { readonly kind: 'linkBlob'; readonly repository: Repository; readonly digest: Digest }
  | {
      readonly kind: 'putManifest'
      readonly repository: Repository
      readonly digest: Digest
      readonly mediaType: string
      readonly size: number
      readonly subject?: Digest
      readonly artifactType?: string
    }
  | { readonly kind: 'setTag'; readonly repository: Repository; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'removeTag'; readonly repository: Repository; readonly tag: Tag }
  | { readonly kind: 'removeRepository'; readonly repository: Repository }
  | { readonly kind: 'setState'; readonly key: string; readonly value: unknown }

/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds since some moment: no setting of the clock changes what has passed. */
  elapsed(): number
  /** Resolves after so many milliseconds; rejects with the signal's reason when that comes first. */
  delay(milliseconds: number, signal: AbortSignal): Promise<void>
}
