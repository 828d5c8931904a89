import { readFileSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Digest } from '../oci/digest.ts'
import { readManifest, referenceOf } from '../oci/manifest.ts'
import { StorageError } from './errors.ts'
import { placeCopy } from './index-copy.ts'
import type { StoragePaths } from './paths.ts'

/** Kept in `PRAGMA user_version`; a change that an older release cannot read counts it up. */
export const indexSchemaVersion = 3

/*
 * The index on disk. A tag's foreign key is what refuses tags without their manifest, and what takes a manifest's tags away
 * with it; both are checked by each statement, so the order inside one `apply` matters.
 */
const tables = `
  CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE links (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE manifests (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    subject TEXT,
    artifact_type TEXT,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    set_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, name),
    FOREIGN KEY (repository, digest) REFERENCES manifests ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tags_by_digest ON tags (repository, digest);
  CREATE TABLE state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`

/** Another process that is just being stopped gets this long to let go, in milliseconds. */
const busyTimeout = 1000

/** The file is no index of ours, or is damaged: what it held is lost to us, and it may be set aside. */
export class DamagedIndex extends Error {
  override readonly name = 'DamagedIndex'
}

/**
 * Brings an opened database to this release's schema.
 *
 * @throws {StorageError} `INDEX_TOO_NEW`
 * @throws {DamagedIndex} where SQLite or the tables say so
 */
export function prepareIndex(database: DatabaseSync, paths: StoragePaths): void {
  configureIndex(database)
  const version = userVersion(database)
  if (version > indexSchemaVersion)
    throw new StorageError(
      'INDEX_TOO_NEW',
      `the index has schema version ${version} and this release reads up to ${indexSchemaVersion}: ` +
        'run the newer release again; or put index-of-version-<n>.db in the place of index.db, where the newer release has ' +
        'left one that this one reads; or give this one an empty data folder'
    )
  if (version === 0) create(database)
  // There is no way back but this: an older release refuses what this one writes.
  else if (version < indexSchemaVersion)
    placeCopy(paths, (path) => database.prepare('VACUUM INTO ?').run(path), paths.olderIndex(version))
  if (version === 1) addReferrers(database, paths)
  if (version === 1 || version === 2) addTagTimes(database)
  const problems = database.prepare('PRAGMA quick_check(1)').all()
  if (problems[0]?.['quick_check'] !== 'ok') throw new DamagedIndex(`quick_check: ${JSON.stringify(problems)}`)
}

/** What holds for a connection, and not for the file: to be called on each. */
export function configureIndex(database: DatabaseSync): void {
  database.exec(`PRAGMA busy_timeout = ${busyTimeout}`)
  // Exclusive: a second process on this folder is refused at once, and WAL then needs no shared memory, which some
  // volumes do not have. Must stand before the journal mode to have that effect.
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL')
  // FULL: a change that was acknowledged survives a power cut, not only a crash of this process.
  database.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF')
}

function create(database: DatabaseSync): void {
  const foreign = database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()
  if (foreign?.['tables'] !== 0) throw new DamagedIndex('a database of another program')
  database.exec(`BEGIN IMMEDIATE; ${tables} PRAGMA user_version = ${indexSchemaVersion}; COMMIT`)
}

/** Version 2 knows of each manifest what it refers to, which until then stood in its bytes alone. */
function addReferrers(database: DatabaseSync, paths: StoragePaths): void {
  database.exec(`
    BEGIN IMMEDIATE;
    ALTER TABLE manifests ADD COLUMN subject TEXT;
    ALTER TABLE manifests ADD COLUMN artifact_type TEXT;`)
  const update = database.prepare('UPDATE manifests SET subject = ?, artifact_type = ? WHERE digest = ?')
  for (const row of database.prepare('SELECT DISTINCT digest FROM manifests').all()) {
    const { subject, artifactType } = referenceIn(paths.blob(row['digest'] as Digest))
    update.run(subject ?? null, artifactType ?? null, row['digest'] ?? null)
  }
  database.exec('PRAGMA user_version = 2; COMMIT')
}

/** Version 3 knows when a tag was set; of those before it counts that they are here now, so that none goes too soon. */
function addTagTimes(database: DatabaseSync): void {
  database.exec(`
    BEGIN IMMEDIATE;
    ALTER TABLE tags ADD COLUMN set_at INTEGER NOT NULL DEFAULT 0;
    UPDATE tags SET set_at = ${Date.now()};
    PRAGMA user_version = 3;
    COMMIT`)
}

/** A manifest whose bytes are lost refers to nothing until a sync or a push brings it again. */
function referenceIn(file: string): { readonly subject?: Digest; readonly artifactType?: string } {
  try {
    return referenceOf(readManifest(readFileSync(file)))
  } catch {
    return {}
  }
}

function userVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
}
