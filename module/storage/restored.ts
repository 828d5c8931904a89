import { entries } from './blob-files.ts'
import type { CleaningParts } from './garbage-collection.ts'
import type { Rescue } from './index-protocol.ts'
import type { IndexChange } from './storage.ts'

/**
 * Says what became of an index that was lost or damaged, and takes out of a copy what was deleted since it was made: a
 * manifest whose bytes are gone, with its tags.
 */
export async function mendRestored({ index, paths, blobs, log }: CleaningParts, rescue: Rescue): Promise<void> {
  const { absent, copyOf, setAside } = rescue
  if (absent === undefined && setAside === undefined) return
  const what = setAside === undefined ? 'lost' : 'damaged'
  if (copyOf === undefined) {
    if (setAside !== undefined || (await entries(paths.blobs)).length > 0)
      log?.error(`the index was ${what} and begins anew; blobs are kept, and the next sync takes them up again`, {
        setAside
      })
    return
  }
  log?.error(`the index was ${what} and its copy is in force: what changed since comes again with the next sync`, {
    copyOf,
    setAside
  })
  for (const repository of await index.repositories()) {
    const changes: IndexChange[] = []
    for (const digest of index.model.view(repository)?.manifests.keys() ?? [])
      if ((await blobs.size(digest)) === undefined) changes.push({ kind: 'removeManifest', repository, digest })
    if (changes.length > 0) await index.apply(changes)
  }
}
