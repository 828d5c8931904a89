import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { algorithmOf, hexOf, type Digest } from '../oci/digest.ts'

/*
 * Every path on disk, and the only place that knows one. Folders are 0700, files 0600.
 *
 *   <folder>/
 *   ├── blobs/
 *   │   └── <algorithm>/            sha256, sha512
 *   │       └── <first 2 hex>/
 *   │           └── <hex>           verified bytes: layers, configs, manifests
 *   ├── partial/
 *   │   └── <sha256 of the key>     bytes on their way; their number is the offset to go on from
 *   ├── trash/                      bytes that nothing names any more, for the moment until they are deleted
 *   ├── quarantine/
 *   │   └── <algorithm>-<hex>       bytes that are not what their name says, for whoever wants to look
 *   ├── index.db                    tags, manifests, links, state (SQLite; -wal stands beside it)
 *   ├── index-copy.db               the index as it was a while ago: taken where index.db is lost or damaged
 *   ├── index-of-version-<n>.db     the index as it was before it was brought to a newer schema, for the way back
 *   └── index.db.damaged-<time>     an index that could not be read, set aside for whoever wants to look
 *
 * A blob is renamed from partial/ into blobs/, so both must stand on one file system.
 */

/** Mode of folders and of files: content may be private, and nobody but the module reads it here. */
export const folderMode = 0o700
export const fileMode = 0o600

/** The paths below one storage folder. */
export interface StoragePaths {
  readonly folder: string
  readonly blobs: string
  readonly partials: string
  readonly trash: string
  readonly quarantine: string
  readonly index: string
  readonly indexCopy: string
  blob(digest: Digest): string
  /** The folder that holds {@link blob}: what is fsynced after a rename. */
  blobFolder(digest: Digest): string
  /** Keys come from outside (upload ids, digests), so only their hash becomes a file name. */
  partial(key: string): string
  trashed(digest: Digest): string
  quarantined(digest: Digest): string
  damagedIndex(at: Date): string
  /** @param version of its schema */
  olderIndex(version: number): string
}

export function storagePaths(folder: string): StoragePaths {
  const blobFolder = (digest: Digest): string => join(folder, 'blobs', algorithmOf(digest), hexOf(digest).slice(0, 2))
  const index = join(folder, 'index.db')
  return {
    folder,
    blobs: join(folder, 'blobs'),
    partials: join(folder, 'partial'),
    trash: join(folder, 'trash'),
    quarantine: join(folder, 'quarantine'),
    index,
    indexCopy: join(folder, 'index-copy.db'),
    blob: (digest) => join(blobFolder(digest), hexOf(digest)),
    blobFolder,
    partial: (key) => join(folder, 'partial', createHash('sha256').update(key).digest('hex')),
    trashed: (digest) => join(folder, 'trash', flatName(digest)),
    quarantined: (digest) => join(folder, 'quarantine', flatName(digest)),
    olderIndex: (version) => join(folder, `index-of-version-${version}.db`),
    damagedIndex: (at) => `${index}.damaged-${at.toISOString().replace(/[:.]/g, '-')}`
  }
}

function flatName(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}`
}
