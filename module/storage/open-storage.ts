import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../log/log.ts'
import { entries } from './blob-files.ts'
import { FileBlobs } from './blobs.ts'
import { Disk, type DiskOptions } from './disk.ts'
import { makeFolders } from './durable.ts'
import { diskError } from './errors.ts'
import { collectGarbage } from './garbage-collection.ts'
import { Hasher } from './hasher.ts'
import { WorkerIndex } from './index.ts'
import { Leases } from './leases.ts'
import { storagePaths } from './paths.ts'
import { mendRestored } from './restored.ts'
import { scrub } from './scrub.ts'
import type { Storage } from './storage.ts'
import { Turns } from './turns.ts'

export interface StorageOptions {
  /** Made where it is absent; one process at a time. */
  readonly folder: string
  readonly log?: Log
  /** How much of the disk is left alone, and who is told when it is full. */
  readonly disk?: Omit<DiskOptions, 'folder'>
  /** Makes the disk slow or lets it wait, for tests and measurements. */
  readonly durability?: {
    /** Waited for before each fsync of a blob. */
    readonly beforeSync?: () => Promise<void>
    /** See `commitGate` in index-protocol.ts. */
    readonly commitGate?: SharedArrayBuffer
  }
}

/**
 * fsyncs of blobs at once. Node has four threads for files: were all of them to wait for an SD card, which takes seconds at
 * times, nobody could open the blob that he wants to pull.
 */
const syncsAtOnce = 2

/**
 * Opens content on disk: files for bytes, SQLite for what names them.
 *
 * @throws {StorageError} `STORAGE_IN_USE`, `INDEX_TOO_NEW`, `DISK_FULL`, `DISK_FAILED`, `INDEX_FAILED`
 */
export async function openStorage({ folder, log, disk: diskOptions, durability }: StorageOptions): Promise<Storage> {
  const paths = storagePaths(folder)
  try {
    await makeFolders(paths.folder, [paths.blobs, paths.partials, paths.trash, paths.quarantine])
  } catch (cause) {
    throw diskError(`making the data folder ${folder}`, cause)
  }
  const leases = new Leases()
  const disk = new Disk({ ...diskOptions, folder })
  const hasher = new Hasher()
  const beforeSync = durability?.beforeSync ?? (() => Promise.resolve())
  const blobs = new FileBlobs({ paths, hasher, disk, leases, beforeSync, turns: new Turns(syncsAtOnce) })
  const { index, rescue } = WorkerIndex.open({
    folder,
    leases,
    commitGate: durability?.commitGate,
    onDiskFull: (message) => disk.failed(message),
    hasBytes: async (digest) => (await blobs.size(digest)) !== undefined
  })
  const parts = { paths, blobs, index, leases, log }
  await mendRestored(parts, rescue)
  // What was about to be deleted when the process before this one ended. Nobody else has this folder open by now.
  for (const name of await entries(paths.trash)) await rm(join(paths.trash, name), { force: true })
  let collecting: Promise<unknown> = Promise.resolve()
  return {
    blobs,
    index,
    disk,
    collectGarbage(options) {
      // One at a time: the file that one has found may not be deleted by another.
      const report = collecting.then(() => collectGarbage(parts, options))
      collecting = report.catch(() => undefined)
      return report
    },
    scrub: (options) => scrub(parts, options),
    copyIndex: () => index.copy(),
    async close() {
      disk.close()
      await blobs.close()
      await index.close()
      await hasher.close()
    }
  }
}
