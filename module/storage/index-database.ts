import { closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Tag } from '../oci/name.ts'
import { StorageError } from './errors.ts'
import { placeCopy, takeCopy } from './index-copy.ts'
import type { Failure, IndexContents, Rescue, StoredChange } from './index-protocol.ts'
import { readIndex } from './index-reading.ts'
import { configureIndex, DamagedIndex, prepareIndex } from './index-schema.ts'
import { fileMode, storagePaths, type StoragePaths } from './paths.ts'

/** https://www.sqlite.org/rescode.html: primary result codes, the low byte of `errcode`. */
const sqlite = { error: 1, busy: 5, corrupt: 11, full: 13, constraint: 19, notADatabase: 26 } as const
/** `SQLITE_CONSTRAINT_FOREIGNKEY`, an extended code. */
const foreignKeyViolation = 787

/** The index in SQLite. It blocks, so what is called after the start runs in a worker. */
export class IndexDatabase {
  readonly #database: DatabaseSync
  readonly #paths: StoragePaths
  readonly #statements = new Map<string, StatementSync>()
  /** When a tag was set last; read when the first one is. */
  #lastTime: number | undefined

  private constructor(database: DatabaseSync, paths: StoragePaths) {
    this.#database = database
    this.#paths = paths
  }

  /**
   * Opens the index. In place of one that is lost, or damaged and then set aside, the last copy is taken; without one, or
   * where that is damaged too, an empty index is made.
   *
   * @throws {StorageError} `INDEX_TOO_NEW`, `STORAGE_IN_USE`, `DISK_FULL`, `INDEX_FAILED`
   */
  static open(folder: string): { index: IndexDatabase; contents: IndexContents } & Rescue {
    const paths = storagePaths(folder)
    if (!existsSync(paths.index)) return IndexDatabase.#reopen(paths, { absent: true })
    try {
      return IndexDatabase.#tryOpen(paths)
    } catch (error) {
      if (!isDamage(error)) throw indexError('opening the index', error)
      return IndexDatabase.#reopen(paths, { setAside: moveAside(paths) })
    }
  }

  /**
   * Opens an index that {@link open} has brought in order, and that was closed since.
   *
   * @throws {StorageError} `STORAGE_IN_USE`, `DISK_FULL`, `INDEX_FAILED`
   */
  static resume(folder: string): IndexDatabase {
    const paths = storagePaths(folder)
    try {
      const database = new DatabaseSync(paths.index)
      try {
        configureIndex(database)
        return new IndexDatabase(database, paths)
      } catch (error) {
        database.close()
        throw error
      }
    } catch (error) {
      throw indexError('opening the index', error)
    }
  }

  static #reopen(paths: StoragePaths, rescue: Rescue): { index: IndexDatabase; contents: IndexContents } & Rescue {
    const copyOf = takeCopy(paths)
    try {
      return { ...IndexDatabase.#tryOpen(paths), ...rescue, ...(copyOf === undefined ? {} : { copyOf }) }
    } catch (error) {
      if (copyOf === undefined || !isDamage(error)) throw indexError('making a new index', error)
      moveAside(paths)
      rmSync(paths.indexCopy)
      return IndexDatabase.#reopen(paths, rescue)
    }
  }

  static #tryOpen(paths: StoragePaths): { index: IndexDatabase; contents: IndexContents } {
    // SQLite gives its -wal the mode of the database, so the file is made here first.
    closeSync(openSync(paths.index, 'a', fileMode))
    const database = new DatabaseSync(paths.index)
    try {
      prepareIndex(database, paths)
      return { index: new IndexDatabase(database, paths), contents: readIndex(database) }
    } catch (error) {
      database.close()
      throw error
    }
  }

  /**
   * Applies batches in one transaction, each of them all or nothing.
   *
   * @returns by batch, why it was refused; every one where the commit itself failed
   */
  apply(batches: readonly (readonly StoredChange[])[]): (Failure | undefined)[] {
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      const failures = batches.map((changes) => this.#applyOne(changes))
      this.#database.exec('COMMIT')
      return failures
    } catch (error) {
      this.#rollBack()
      const { code, message } = indexError('writing the index', error)
      return batches.map(() => ({ code, message }))
    }
  }

  /** Writes the index as it is now into a second file, whole or not at all. @returns why it could not be */
  copy(): { failure?: Failure } {
    try {
      placeCopy(this.#paths, (path) => this.#run('VACUUM INTO ?', path))
      return {}
    } catch (error) {
      const { code, message } = indexError('copying the index', error)
      return { failure: { code, message } }
    }
  }

  /** When each tag of a repository was set, in milliseconds since 1970. */
  tagTimes(repository: string): { times: (readonly [tag: Tag, setAt: number])[]; failure?: Failure } {
    try {
      const rows = this.#database.prepare(`SELECT name, set_at FROM tags WHERE repository = ${idOf}`).all(repository)
      return { times: rows.map(({ name, set_at }) => [name as Tag, Number(set_at)] as const) }
    } catch (error) {
      const { code, message } = indexError('reading the index', error)
      return { times: [], failure: { code, message } }
    }
  }

  close(): void {
    this.#database.close()
  }

  /** Later than every time before, also on a device whose clock was set back: which tag came last must not depend on it. */
  #nextTime(): number {
    this.#lastTime ??= Number(this.#database.prepare('SELECT max(set_at) AS time FROM tags').get()?.['time'] ?? 0)
    this.#lastTime = Math.max(Date.now(), this.#lastTime + 1)
    return this.#lastTime
  }

  #rollBack(): void {
    try {
      this.#database.exec('ROLLBACK')
    } catch {
      // SQLite has done so itself where the error was a full disk or a failed write (lang_transaction.html, section 3.1).
    }
  }

  #applyOne(changes: readonly StoredChange[]): Failure | undefined {
    this.#database.exec('SAVEPOINT batch')
    try {
      for (const change of changes) this.#change(change)
      this.#database.exec('RELEASE batch')
      return undefined
    } catch (error) {
      // The disk's troubles are everybody's; a change that cannot be is its own caller's alone.
      if (resultCode(error) !== undefined && resultCode(error) !== sqlite.constraint) throw error
      this.#database.exec('ROLLBACK TO batch; RELEASE batch')
      return refusal(error)
    }
  }

  #change(change: StoredChange): void {
    switch (change.kind) {
      case 'linkBlob':
        this.#repository(change.repository)
        this.#run(`INSERT OR IGNORE INTO links VALUES (${idOf}, ?)`, change.repository, change.digest)
        return
      case 'unlinkBlob':
        this.#run(`DELETE FROM links WHERE repository = ${idOf} AND digest = ?`, change.repository, change.digest)
        return
      case 'putManifest':
        this.#repository(change.repository)
        this.#run(
          `INSERT INTO manifests VALUES (${idOf}, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET media_type = excluded.media_type, size = excluded.size,
             subject = excluded.subject, artifact_type = excluded.artifact_type`,
          change.repository,
          change.digest,
          change.mediaType,
          change.size,
          change.subject ?? null,
          change.artifactType ?? null
        )
        return
      case 'setTag':
        this.#repository(change.repository)
        this.#run(
          `INSERT INTO tags VALUES (${idOf}, ?, ?, ?)
           ON CONFLICT DO UPDATE SET digest = excluded.digest, set_at = excluded.set_at`,
          change.repository,
          change.tag,
          change.digest,
          this.#nextTime()
        )
        return
      case 'removeTag':
        this.#run(`DELETE FROM tags WHERE repository = ${idOf} AND name = ?`, change.repository, change.tag)
        return
      case 'removeManifest':
        this.#run(`DELETE FROM manifests WHERE repository = ${idOf} AND digest = ?`, change.repository, change.digest)
        return
      case 'removeRepository':
        this.#run('DELETE FROM repositories WHERE name = ?', change.repository)
        return
      case 'setState':
        if (change.json === undefined) this.#run('DELETE FROM state WHERE key = ?', change.key)
        else
          this.#run(
            'INSERT INTO state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
            change.key,
            change.json
          )
    }
  }

  #repository(name: string): void {
    this.#run('INSERT OR IGNORE INTO repositories (name) VALUES (?)', name)
  }

  #run(sql: string, ...values: (string | number | null)[]): void {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = this.#database.prepare(sql)))
    statement.run(...values)
  }
}

const idOf = '(SELECT id FROM repositories WHERE name = ?)'

/** The -wal belongs to the damaged file: left behind, SQLite would play it into the new one. */
function moveAside(paths: StoragePaths): string {
  const aside = paths.damagedIndex(new Date())
  for (const suffix of ['', '-wal', '-shm'])
    if (existsSync(paths.index + suffix)) renameSync(paths.index + suffix, aside + suffix)
  return aside
}

/** `SQLITE_ERROR` while opening means that tables are missing or have other columns than their version says. */
function isDamage(error: unknown): boolean {
  const damage: readonly (number | undefined)[] = [sqlite.corrupt, sqlite.notADatabase, sqlite.error]
  return error instanceof DamagedIndex || damage.includes(resultCode(error))
}

function refusal(error: unknown): Failure {
  if (error instanceof Error && 'errcode' in error && error.errcode === foreignKeyViolation)
    return {
      code: 'MANIFEST_ABSENT',
      message: 'a tag would name a manifest that its repository does not hold; put the manifest first'
    }
  const { code, message } = indexError('a change of the index', error)
  return { code, message }
}

function indexError(what: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  const code = resultCode(cause)
  if (code === sqlite.full) return new StorageError('DISK_FULL', `no space left while ${what} (${reason})`, { cause })
  if (code === sqlite.busy)
    return new StorageError(
      'STORAGE_IN_USE',
      'another process has this data folder open: stop it, or give each its own folder',
      { cause }
    )
  return new StorageError('INDEX_FAILED', `${what} failed: ${reason}`, { cause })
}

function resultCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined
}
