import type { Log } from '../log/log.ts'
import { FileBlobs } from './blobs.ts'
import { makeFolder } from './durable.ts'
import { diskError } from './errors.ts'
import { Hasher } from './hasher.ts'
import { WorkerIndex } from './index.ts'
import { storagePaths } from './paths.ts'
import type { Storage } from './storage.ts'

export interface StorageOptions {
  /** Made where it is absent; one process at a time. */
  readonly folder: string
  readonly log?: Log
}

/**
 * Opens content on disk: files for bytes, SQLite for what names them.
 *
 * @throws {StorageError} `STORAGE_IN_USE`, `INDEX_TOO_NEW`, `DISK_FULL`, `DISK_FAILED`, `INDEX_FAILED`
 */
export async function openStorage({ folder, log }: StorageOptions): Promise<Storage> {
  const paths = storagePaths(folder)
  try {
    for (const each of [paths.folder, paths.blobs, paths.partials]) await makeFolder(each)
  } catch (cause) {
    throw diskError(`making the data folder ${folder}`, cause)
  }
  const hasher = new Hasher()
  const blobs = new FileBlobs(paths, hasher)
  const { index, setAside } = await WorkerIndex.open(folder, async (digest) => (await blobs.size(digest)) !== undefined)
  if (setAside !== undefined)
    log?.error('the index was damaged and begins anew; blobs are kept, and the next sync takes them up again', {
      setAside
    })
  return {
    blobs,
    index,
    async close() {
      await blobs.close()
      await index.close()
      await hasher.close()
    }
  }
}
