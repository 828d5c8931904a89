import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { IndexContents, StoredChange } from './index-protocol.ts'
import { RepositoryModel, type RepositoryView } from './repository-model.ts'
import { SortedNames } from './sorted.ts'
import type { ManifestRecord, Page, ReferrersPage, RepositoriesPage } from './storage.ts'

/** What the index holds, in memory: reads on a puller's path never wait for the disk. */
export class IndexModel {
  readonly #repositories: Map<Repository, RepositoryModel>
  readonly #names: SortedNames<Repository>
  readonly #state: Map<string, string>

  constructor(contents: IndexContents) {
    this.#repositories = new Map(contents.repositories.map((each) => [each.name, new RepositoryModel(each)]))
    this.#names = new SortedNames(this.#repositories.keys())
    this.#state = new Map(contents.state)
  }

  repositories(page?: RepositoriesPage): Repository[] {
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

  /** Looks at each repository: mounts are rare, and a second table of every link would cost more memory than they do time. */
  holders(digest: Digest): Repository[] {
    return [...this.#repositories].filter(([, repository]) => repository.hasLink(digest)).map(([name]) => name)
  }

  referrers(repository: Repository, subject: Digest, page?: ReferrersPage): Digest[] {
    return this.#repositories.get(repository)?.referrers.page(subject, page) ?? []
  }

  view(repository: Repository): RepositoryView | undefined {
    return this.#repositories.get(repository)
  }

  /** Whether any repository names it: the bytes then stay. */
  names(digest: Digest): boolean {
    for (const repository of this.#repositories.values()) if (repository.names(digest)) return true
    return false
  }

  /** Keys of state that begin so, with their values. */
  statesBelow(prefix: string): (readonly [key: string, value: unknown])[] {
    return [...this.#state]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, json]) => [key, JSON.parse(json) as unknown])
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
      case 'unlinkBlob':
        this.#repositories.get(change.repository)?.links.delete(change.digest)
        return
      case 'putManifest': {
        const { kind: _kind, repository: name, ...manifest } = change
        const repository = this.#known(name)
        repository.manifests.set(manifest.digest, manifest)
        repository.referrers.add(manifest)
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
        const manifest = repository?.manifests.get(change.digest)
        if (repository === undefined || manifest === undefined) return
        repository.manifests.delete(change.digest)
        repository.referrers.remove(manifest)
        for (const [tag, digest] of repository.tags)
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
      repository = new RepositoryModel()
      this.#repositories.set(name, repository)
      this.#names.add(name)
    }
    return repository
  }
}
