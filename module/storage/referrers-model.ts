import type { Digest } from '../oci/digest.ts'
import { SortedNames } from './sorted.ts'
import type { ManifestRecord, ReferrersPage } from './storage.ts'

/** Which manifests of one repository name which subject: sorted lists, one of all and one for each artifact type. */
export class ReferrersModel {
  readonly #lists: Map<string, SortedNames<Digest>>

  constructor(manifests: Iterable<ManifestRecord> = []) {
    const lists = new Map<string, Digest[]>()
    for (const manifest of manifests)
      for (const key of keysOf(manifest)) {
        const list = lists.get(key)
        if (list === undefined) lists.set(key, [manifest.digest])
        else list.push(manifest.digest)
      }
    this.#lists = new Map([...lists].map(([key, digests]) => [key, new SortedNames(digests)]))
  }

  add(manifest: ManifestRecord): void {
    for (const key of keysOf(manifest)) {
      const list = this.#lists.get(key)
      if (list === undefined) this.#lists.set(key, new SortedNames([manifest.digest]))
      else list.add(manifest.digest)
    }
  }

  remove(manifest: ManifestRecord): void {
    for (const key of keysOf(manifest)) {
      const list = this.#lists.get(key)
      list?.remove(manifest.digest)
      if (list?.page({ limit: 1 }).length === 0) this.#lists.delete(key)
    }
  }

  page(subject: Digest, { artifactType, ...page }: ReferrersPage = {}): Digest[] {
    return this.#lists.get(keyOf(subject, artifactType))?.page(page) ?? []
  }
}

function keysOf({ subject, artifactType }: ManifestRecord): string[] {
  if (subject === undefined) return []
  return artifactType === undefined ? [subject] : [subject, keyOf(subject, artifactType)]
}

/** No digest holds a space. */
function keyOf(subject: Digest, artifactType: string | undefined): string {
  return artifactType === undefined ? subject : `${subject} ${artifactType}`
}
