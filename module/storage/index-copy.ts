import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  type PathLike
} from 'node:fs'
import { fileMode, type StoragePaths } from './paths.ts'

/*
 * The second file that the index is kept in. What the parent has, a sync finds again; tags that were pushed here stand
 * nowhere else. Synchronous, for the index worker.
 */

/**
 * @param write writes the index into an empty file; SQLite itself does not fsync what `VACUUM INTO` made
 * @param place where it goes, whole or not at all
 */
export function placeCopy(paths: StoragePaths, write: (path: string) => void, place: string = paths.indexCopy): void {
  const fresh = `${place}.new`
  rmSync(fresh, { force: true })
  closeSync(openSync(fresh, 'wx', fileMode))
  write(fresh)
  sync(fresh, 'r+')
  renameSync(fresh, place)
  sync(paths.folder, 'r')
}

/** Puts the copy in the index's place. @returns when it was made (ISO 8601), or undefined where there is none */
export function takeCopy(paths: StoragePaths): string | undefined {
  if (!existsSync(paths.indexCopy)) return undefined
  const made = statSync(paths.indexCopy).mtime.toISOString()
  // A write-ahead log that outlived its database would be played into the copy.
  for (const suffix of ['-wal', '-shm']) rmSync(paths.index + suffix, { force: true })
  copyFileSync(paths.indexCopy, `${paths.index}.new`)
  sync(`${paths.index}.new`, 'r+')
  renameSync(`${paths.index}.new`, paths.index)
  sync(paths.folder, 'r')
  return made
}

function sync(path: PathLike, flags: string): void {
  const file = openSync(path, flags)
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
