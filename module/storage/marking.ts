import { readFile } from 'node:fs/promises'
import type { Digest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryView } from './repository-model.ts'
import type { StoragePaths } from './paths.ts'

/** What a manifest names. */
interface Names {
  readonly children: readonly Digest[]
  readonly blobs: readonly Digest[]
  readonly subject: Digest | undefined
}

/** What each manifest of a repository names; undefined where its bytes cannot be read. */
export type Named = ReadonlyMap<Digest, Names | undefined>

/** Reads a manifest past the blob store, so that looking does not count as relying on it. */
async function namesOf(paths: StoragePaths, digest: Digest, mediaType?: string): Promise<Names | undefined> {
  try {
    const { manifests, blobs, subject } = readManifest(await readFile(paths.blob(digest)), mediaType)
    return {
      children: manifests.map((child) => child.digest),
      blobs: blobs.map((blob) => blob.digest),
      subject: subject?.digest
    }
  } catch {
    // Lost, damaged or not yet here: what it names is unknown, and whoever asks must be careful then.
    return undefined
  }
}

/** @returns undefined where it was ended: of a part nobody may conclude what the whole does not name */
export async function readNamed(
  paths: StoragePaths,
  { manifests }: RepositoryView,
  signal?: AbortSignal
): Promise<Named | undefined> {
  const named = new Map<Digest, Names | undefined>()
  for (const [digest, { mediaType }] of [...manifests]) {
    if (signal?.aborted === true) return undefined
    named.set(digest, await namesOf(paths, digest, mediaType))
  }
  return named
}

/** Everything that can be reached from `roots`: down to the children of indexes, and up to what has one of them as subject. */
export function reach(named: Named, roots: Iterable<Digest>): Set<Digest> {
  const referrers = new Map<Digest, Digest[]>()
  for (const [digest, names] of named)
    if (names?.subject !== undefined) referrers.set(names.subject, [...(referrers.get(names.subject) ?? []), digest])
  const reached = new Set<Digest>()
  const waiting = [...roots].filter((digest) => named.has(digest))
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (reached.has(digest)) continue
    reached.add(digest)
    const next = [...(named.get(digest)?.children ?? []), ...(referrers.get(digest) ?? [])]
    waiting.push(...next.filter((each) => named.has(each)))
  }
  return reached
}

/** What a manifest and all below it need, whether a repository holds it or not: for an image that is still being brought. */
export async function readTree(paths: StoragePaths, root: Digest): Promise<Set<Digest>> {
  const needed = new Set<Digest>()
  const waiting = [root]
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (needed.has(digest)) continue
    needed.add(digest)
    const names = await namesOf(paths, digest)
    for (const blob of names?.blobs ?? []) needed.add(blob)
    waiting.push(...(names?.children ?? []))
  }
  return needed
}
