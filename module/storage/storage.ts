import type { Readable } from 'node:stream'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'

/** Content that survives a power cut: bytes by digest, and what names them. */
export interface Storage {
  readonly blobs: BlobStore
  readonly index: Index
  readonly disk: DiskRoom
  /**
   * Frees what nothing names any more, while others go on; what came or was asked for within the grace stays.
   * @throws {StorageError} `DISK_FAILED`, `INDEX_FAILED`
   */
  collectGarbage(options?: CollectionOptions): Promise<CollectionReport>
  /**
   * Reads every blob again, slowly, and moves those aside that are not what their digest says: they then count as absent.
   * @throws {StorageError} `DISK_FAILED`
   */
  scrub(options?: ScrubOptions): Promise<ScrubReport>
  /** Writes the index as it is into a second file, which is taken where the first is lost or damaged. @throws {StorageError} */
  copyIndex(): Promise<void>
  close(): Promise<void>
}

/** The disk as those see it who set its rules. */
export interface DiskRoom {
  /** Bytes on the disk that content never takes. */
  reserveBytes: number
  /** Whether bytes were refused, and there is no room for them so far. */
  readonly isFull: boolean
}

/**
 * Keys of state that begin so keep an image that is on its way, and whose tag does not name it yet: garbage collection spares
 * what {@link KeptImage} leads to, as far as it is here. Whoever sets one removes it when the tag has moved.
 */
export const keepPrefix = 'keep/'

/** The value of a key below {@link keepPrefix}. */
export interface KeptImage {
  /** Of a manifest. */
  readonly digest: Digest
  /** Milliseconds since 1970; it counts for thirty days. */
  readonly at: number
  /** Manifests that it does not name and that come with it: signatures, SBOMs. */
  readonly referrers?: readonly Digest[]
  /** It counts until it is removed, however long that takes: for what stands nowhere else. */
  readonly lasting?: boolean
}

/** Times are in milliseconds. */
export interface CollectionOptions {
  /** For how long content stays that nothing names yet, or that somebody looked for; six hours by default. */
  readonly graceMs?: number
  /** For how long a manifest stays that no tag, index or subject leads to, by its repository; a day by default. */
  readonly untaggedMs?: (repository: Repository) => number
  /** Which tags of a repository stay; all of them where there is no rule. */
  readonly retention?: (repository: Repository) => RetentionRule | undefined
  /** For how long partial files, quarantined blobs and damaged indexes stay; a week by default. */
  readonly leftoverMs?: number
  /** Ends it between two steps. */
  readonly signal?: AbortSignal
}

/** Which tags stay: so many of those set last, those that are young, and those that somebody else looks after. */
export interface RetentionRule {
  readonly newest: number
  /** Milliseconds. */
  readonly youngerThanMs?: number
  readonly spares: (tag: Tag) => boolean
}

/** What was freed. */
export interface CollectionReport {
  /** Removed by the rules of {@link CollectionOptions.retention}. */
  readonly tags: number
  readonly manifests: number
  readonly links: number
  readonly repositories: number
  readonly blobs: number
  readonly partials: number
  readonly bytes: number
  readonly milliseconds: number
  /** False where it was ended before it had seen everything. */
  readonly complete: boolean
}

export interface ScrubOptions {
  /** How fast to read, in bytes a second; 8 MiB by default, which leaves an SD card to those who pull. */
  readonly bytesPerSecond?: number
  /** Ends it; the next one goes on where it was. */
  readonly signal?: AbortSignal
  /** Waits, where reading was ahead of its pace, for so many milliseconds or until it is ended; sleeps by default. */
  readonly rest?: (milliseconds: number) => Promise<unknown>
}

export interface ScrubReport {
  readonly blobs: number
  readonly bytes: number
  /** What was moved aside. */
  readonly damaged: readonly Digest[]
  readonly milliseconds: number
  /** False where it was ended before it had seen everything. */
  readonly complete: boolean
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
  /** The blob's file, where blobs are files: whoever sends it needs no copy in memory. Undefined where it is not here. */
  open?(digest: Digest): Promise<BlobFile | undefined>
  /** The whole of a small blob: a manifest, a config. @throws {OciError} `BLOB_UNKNOWN` */
  bytes(digest: Digest): Promise<Buffer>
  /**
   * Opens the partial file that stands under `key`, or a new one: what an earlier process had written is still there.
   * One holder at a time; a second one for the same key is refused with an Error.
   *
   * @param algorithm what the digest will most likely be (a wrong guess costs a second reading); a key that is a digest
   *   says it itself
   */
  ingest(key: string, algorithm?: DigestAlgorithm): Promise<Ingest>
  /** The same, but only where a partial file stands under `key`; undefined where none does. */
  resume(key: string, algorithm?: DigestAlgorithm): Promise<Ingest | undefined>
  /** Removes a blob; absent is fine. */
  remove(digest: Digest): Promise<void>
}

/** A blob that is open for reading. Whoever opened it closes it. */
export interface BlobFile {
  readonly descriptor: number
  /** Bytes. */
  readonly size: number
  close(): Promise<void>
}

/** Bytes on their way to become a blob. */
export interface Ingest {
  /** Bytes in the partial file: where the next ones go. */
  readonly offset: number
  /**
   * Sets room aside for so many bytes that are about to come, before the first of them does; what does not come of them by
   * the time this is let go of is free again. Calling it once more replaces the number.
   * @throws {StorageError} `DISK_FULL` where they would not fit above the disk's reserve
   */
  expect(bytes: number): Promise<void>
  /** Adds bytes; resolves when they may be followed by more (written, not yet on the platter). */
  append(chunk: Uint8Array): Promise<void>
  /**
   * Adds bytes straight from a socket, past the caller: half of the work of {@link append}, where `module/libc` can be loaded.
   * Resolves when all of them came, or no more do (the sender ended, the signal says so): {@link offset} has how many did,
   * also meanwhile. What was in the socket when it failed may be lost.
   */
  receive(source: SocketSource): Promise<void>
  /** Makes what was appended survive a power cut. */
  flush(): Promise<void>
  /**
   * Verifies the whole against `digest` and makes it a blob, durably. Wrong bytes are deleted; where the disk failed, the
   * partial file stays for another try. Either way this ingest is let go of.
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

/** Bytes that come from a socket. */
export interface SocketSource {
  /** A descriptor: non-blocking, plain, read by nobody else, and open until the promise settles. */
  readonly socket: number
  /** How many to take; what follows them stays in the socket. */
  readonly length: number
  readonly signal?: AbortSignal
}

/** A manifest as a repository holds it. */
export interface ManifestRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** The manifest that this one refers to (`subject`), whether it is here or not. */
  readonly subject?: Digest
  /** What a listing of the subject's referrers can be filtered by. */
  readonly artifactType?: string
}

/** A page of a sorted list. */
export interface Page {
  /** Only what sorts after this (by code unit). */
  readonly after?: string
  readonly limit?: number
}

export interface RepositoriesPage extends Page {
  /** Only what begins so. */
  readonly prefix?: string
}

export interface ReferrersPage extends Page {
  readonly artifactType?: string
}

/**
 * What names the blobs: repositories, manifests, tags, and the links that say which repository may give out which blob.
 * Reads are answered from memory; a change is durable when its promise resolves.
 */
export interface Index {
  /** Sorted; a page costs its own length, however many there are. */
  repositories(page?: RepositoriesPage): Promise<Repository[]>
  /** Sorted tags, or undefined where the repository is unknown. */
  tags(repository: Repository, page?: Page): Promise<Tag[] | undefined>
  tag(repository: Repository, tag: Tag): Promise<Digest | undefined>
  manifest(repository: Repository, digest: Digest): Promise<ManifestRecord | undefined>
  /** Whether the repository may give out this blob (manifests are found by {@link manifest}). */
  hasBlob(repository: Repository, digest: Digest): Promise<boolean>
  /** Every repository that may give out this blob, in no order. */
  holders(digest: Digest): Promise<Repository[]>
  /** Manifests of the repository that name `subject`, sorted; a page costs its own length, however many there are. */
  referrers(repository: Repository, subject: Digest, page?: ReferrersPage): Promise<Digest[]>
  /** Small documents that rooms keep beside the content, such as the last sync's result. */
  state(key: string): Promise<unknown>
  /** Those whose keys begin so, with their keys, in the order of these. */
  states(prefix: string): Promise<readonly (readonly [key: string, value: unknown])[]>
  /** Applies all of the changes or none of them. */
  apply(changes: readonly IndexChange[]): Promise<void>
}

export type IndexChange =
  | { readonly kind: 'linkBlob'; readonly repository: Repository; readonly digest: Digest }
  /** The bytes stay: other repositories may hold them. */
  | { readonly kind: 'unlinkBlob'; readonly repository: Repository; readonly digest: Digest }
  | ({ readonly kind: 'putManifest'; readonly repository: Repository } & ManifestRecord)
  | { readonly kind: 'setTag'; readonly repository: Repository; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'removeTag'; readonly repository: Repository; readonly tag: Tag }
  | { readonly kind: 'removeManifest'; readonly repository: Repository; readonly digest: Digest }
  | { readonly kind: 'removeRepository'; readonly repository: Repository }
  /** `value` is kept as JSON; undefined removes it. */
  | { readonly kind: 'setState'; readonly key: string; readonly value: unknown }
