import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { IndexContents, StoredChange } from './index-protocol.ts'
import { SortedNames } from './sorted.ts'
import type { ManifestRecord, Page } from './storage.ts'

interface RepositoryModel {
  readonly links: Set<Digest>
  readonly manifests: Map<Digest, ManifestRecord>
  readonly tags: Map<Tag, Digest>
  readonly tagNames: SortedNames<Tag>
}

/** What the index holds, in memory: reads on a puller's path never wait for the disk. */
export class IndexModel {
  readonly #repositories: Map<Repository, RepositoryModel>
  readonly #names: SortedNames<Repository>
  readonly #state: Map<string, string>

  constructor(contents: IndexContents) {
    this.#repositories = new Map(
      contents.repositories.map(({ name, links, manifests, tags }) => [
        name,
        {
          links: new Set(links),
          manifests: new Map(manifests.map((manifest) => [manifest.digest, manifest])),
          tags: new Map(tags),
          tagNames: new SortedNames(tags.map(([tag]) => tag))
        }
      ])
    )
    this.#names = new SortedNames(this.#repositories.keys())
    this.#state = new Map(contents.state)
  }

  repositories(page?: Page): Repository[] {
    return this.#names.page(page)
  }

  tags(repository: Repository, page?: Page): Tag[] | undefined {
    return this.#repositories.get(repository)?.tagNames.page(page)
  }

  tag(repository: Repository, tag: Tag): Digest | undefined {
    return this.#repositories.get(repository)?.tags.get(tag)
  }

  manifest(repository: Repository, digest: Digest): ManifestRecord | undefined {
    return this.#repositories.get(repository)?.manifests.get(digest)
  }

  hasBlob(repository: Repository, digest: Digest): boolean {
    return this.#repositories.get(repository)?.links.has(digest) ?? false
  }

  state(key: string): unknown {
    const json = this.#state.get(key)
    return json === undefined ? undefined : JSON.parse(json)
  }

  /** Follows a change that is durable by now; what the tables' foreign keys do on disk is done here by hand. */
  follow(change: StoredChange): void {
    switch (change.kind) {
      case 'linkBlob':
        this.#known(change.repository).links.add(change.digest)
        return
      case 'putManifest': {
        const { digest, mediaType, size } = change
        this.#known(change.repository).manifests.set(digest, { digest, mediaType, size })
        return
      }
      case 'setTag': {
        const repository = this.#known(change.repository)
        repository.tags.set(change.tag, change.digest)
        repository.tagNames.add(change.tag)
        return
      }
      case 'removeTag':
        this.#removeTag(change.repository, change.tag)
        return
      case 'removeManifest': {
        const repository = this.#repositories.get(change.repository)
        repository?.manifests.delete(change.digest)
        for (const [tag, digest] of repository?.tags ?? [])
          if (digest === change.digest) this.#removeTag(change.repository, tag)
        return
      }
      case 'removeRepository':
        this.#repositories.delete(change.repository)
        this.#names.remove(change.repository)
        return
      case 'setState':
        if (change.json === undefined) this.#state.delete(change.key)
        else this.#state.set(change.key, change.json)
    }
  }

  #removeTag(name: Repository, tag: Tag): void {
    const repository = this.#repositories.get(name)
    repository?.tags.delete(tag)
    repository?.tagNames.remove(tag)
  }

  #known(name: Repository): RepositoryModel {
    let repository = this.#repositories.get(name)
    if (repository === undefined) {
      repository = { links: new Set(), manifests: new Map(), tags: new Map(), tagNames: new SortedNames() }
      this.#repositories.set(name, repository)
      this.#names.add(name)
    }
    return repository
  }
}
