import type { Digest } from '../../module/oci/digest.ts'

export interface StoredManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Buffer
  /** Manifests and blobs it names that a registry is expected to hold. */
  readonly manifests: readonly Digest[]
  readonly blobs: readonly Digest[]
  readonly subject?: Digest
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** What one repository holds; blobs are links into the shared files. */
export class RepositoryContent {
  readonly blobs = new Set<Digest>()
  readonly manifests = new Map<Digest, StoredManifest>()
  readonly tags = new Map<string, Digest>()

  /** By tag or digest. */
  find(reference: string): StoredManifest | undefined {
    const digest = this.tags.get(reference) ?? (reference as Digest)
    return this.manifests.get(digest)
  }

  /** The tags that are listed, in the order the service lists them. */
  sortedTags(): string[] {
    return [...this.tags.keys()].sort((left, right) => (left < right ? -1 : 1))
  }

  /** Takes a manifest away with the tags that lead to it. */
  remove(digest: Digest): void {
    this.manifests.delete(digest)
    for (const [tag, target] of this.tags) if (target === digest) this.tags.delete(tag)
  }

  /**
   * Takes over a manifest and all below it from another repository, as importing an image does.
   *
   * @returns false, and nothing done, where a part is missing at the source
   */
  copyFrom(source: RepositoryContent, digest: Digest): boolean {
    const manifest = source.manifests.get(digest)
    if (manifest === undefined) return false
    if (!manifest.manifests.every((child) => this.copyFrom(source, child))) return false
    for (const blob of manifest.blobs) this.blobs.add(blob)
    this.manifests.set(digest, manifest)
    return true
  }
}

/** A registry's repositories by name. */
export class Repositories {
  readonly #all = new Map<string, RepositoryContent>()

  get(name: string): RepositoryContent | undefined {
    return this.#all.get(name)
  }

  ensure(name: string): RepositoryContent {
    const content = this.#all.get(name) ?? new RepositoryContent()
    this.#all.set(name, content)
    return content
  }

  /** Names of those that hold a manifest, sorted. */
  names(): string[] {
    return [...this.#all]
      .filter(([, content]) => content.manifests.size > 0)
      .map(([name]) => name)
      .sort()
  }
}
