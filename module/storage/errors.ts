/** Stable codes of what storage can fail with, beside the registry's own (`BLOB_UNKNOWN`, `DIGEST_INVALID`). */
export type StorageErrorCode =
  /** The file system is full; what was there before is untouched. */
  | 'DISK_FULL'
  /** The file system refused a read or a write. */
  | 'DISK_FAILED'
  /** Somebody else holds the partial file of this key. */
  | 'INGEST_BUSY'
  /** Bytes that a change would name are not here. */
  | 'BLOB_ABSENT'
  /** A tag would name a manifest that its repository does not hold. */
  | 'MANIFEST_ABSENT'
  /** The index was written by a newer release. */
  | 'INDEX_TOO_NEW'
  /** The index cannot be read, and setting it aside would not help. */
  | 'INDEX_FAILED'
  /** Another process has this folder open. */
  | 'STORAGE_IN_USE'
  /** The storage, or the ingest, was closed before. */
  | 'CLOSED'

/** Something that content on disk could not do, with what to do about it where that is known. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What a failed call of the file system means here; errors that already are this room's stay as they are. */
export function diskError(what: string, cause: unknown): Error {
  if (cause instanceof StorageError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  const full = ['ENOSPC', 'EDQUOT'].includes(systemCode(cause) ?? '')
  return full
    ? new StorageError('DISK_FULL', `no space left while ${what}: free some on the data volume (${reason})`, { cause })
    : new StorageError('DISK_FAILED', `the file system failed while ${what}: ${reason}`, { cause })
}

/** `ENOENT` and its siblings, where an error carries one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
