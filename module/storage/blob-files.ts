import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest, type Digest } from '../oci/digest.ts'
import { systemCode } from './errors.ts'
import type { StoragePaths } from './paths.ts'

/** Every blob on disk, one folder at a time, from the folder after `after` on; what is no blob's name is passed over. */
export async function* blobFiles(
  paths: StoragePaths,
  after = ''
): AsyncGenerator<{ readonly digest: Digest; readonly folder: string }, void, undefined> {
  for (const algorithm of await entries(paths.blobs))
    for (const prefix of await entries(join(paths.blobs, algorithm))) {
      const folder = `${algorithm}/${prefix}`
      if (folder <= after) continue
      for (const hex of await entries(join(paths.blobs, algorithm, prefix))) {
        const digest = `${algorithm}:${hex}`
        if (isDigest(digest) && hex.startsWith(prefix)) yield { digest, folder }
      }
    }
}

/** A folder's entries in their order; none where it is gone, or is a file. */
export async function entries(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(cause) ?? '')) return []
    throw cause
  }
}
