import { algorithmOf, digestOf, type Digest } from '../../oci/digest.ts'
import { OciError } from '../../oci/errors.ts'
import { readManifest } from '../../oci/manifest.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import type { Content, ContentChange, ContentIngest } from '../ports.ts'

interface MemoryRepository {
  readonly tags: Map<Tag, Digest>
  readonly manifests: Map<Digest, string>
  readonly blobs: Set<Digest>
}

/** What sync changes, and what clients do. */
type MemoryChange =
  | ContentChange
  | { readonly kind: 'removeManifest'; readonly repository: Repository; readonly digest: Digest }
  | { readonly kind: 'unlinkBlob'; readonly repository: Repository; readonly digest: Digest }

/**
 * Content for tests: partial bytes outlive the ingest that wrote them, and a change that would make a tag name something
 * incomplete is refused, which is what every test of sync relies on to notice one.
 */
export class MemoryContent implements Content {
  readonly held = new Map<Digest, Uint8Array>()
  readonly partial = new Map<string, Buffer>()
  readonly repositories = new Map<Repository, MemoryRepository>()
  readonly states = new Map<string, unknown>()
  readonly changes: MemoryChange[] = []
  flushes = 0
  /** Thrown by the next append. */
  failure: Error | undefined
  readonly #open = new Set<string>()

  readonly blobs = {
    size: (digest: Digest) => Promise.resolve(this.held.get(digest)?.byteLength),
    bytes: (digest: Digest) => {
      const bytes = this.held.get(digest)
      return bytes === undefined ? Promise.reject(new OciError('BLOB_UNKNOWN')) : Promise.resolve(bytes)
    },
    read: async (digest: Digest, { start, end }: { readonly start: number; readonly end: number }) => {
      const bytes = await this.blobs.bytes(digest)
      return (async function* (): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(bytes.subarray(start, end + 1))
      })()
    },
    ingest: (key: string) =>
      this.#open.has(key) ? Promise.reject(new Error(`${key} is held already`)) : Promise.resolve(this.#ingest(key))
  }

  readonly index = {
    tags: (repository: Repository) => {
      const known = this.repositories.get(repository)
      return Promise.resolve(known === undefined ? undefined : [...known.tags.keys()].sort())
    },
    tag: (repository: Repository, tag: Tag) => Promise.resolve(this.repositories.get(repository)?.tags.get(tag)),
    manifest: (repository: Repository, digest: Digest) => {
      const mediaType = this.repositories.get(repository)?.manifests.get(digest)
      const size = this.held.get(digest)?.byteLength ?? 0
      return Promise.resolve(mediaType === undefined ? undefined : { mediaType, size })
    },
    holders: (digest: Digest) =>
      Promise.resolve([...this.repositories].filter(([, { blobs }]) => blobs.has(digest)).map(([name]) => name)),
    hasBlob: (repository: Repository, digest: Digest) =>
      Promise.resolve(this.repositories.get(repository)?.blobs.has(digest) ?? false),
    state: (key: string) => Promise.resolve(this.states.get(key)),
    states: (prefix: string) =>
      Promise.resolve(
        [...this.states]
          .filter(([key, value]) => key.startsWith(prefix) && value !== undefined)
          .sort(([one], [other]) => (one < other ? -1 : 1))
      ),
    apply: (changes: readonly MemoryChange[]) => {
      for (const change of changes) this.#apply(change)
      return Promise.resolve()
    }
  }

  #apply(change: MemoryChange): void {
    this.changes.push(change)
    if (change.kind === 'setState') {
      this.states.set(change.key, change.value)
      return
    }
    const fresh: MemoryRepository = { tags: new Map(), manifests: new Map(), blobs: new Set() }
    const repository = this.repositories.get(change.repository) ?? fresh
    if (change.kind === 'removeTag') {
      repository.tags.delete(change.tag)
      return
    }
    if (change.kind === 'unlinkBlob') {
      repository.blobs.delete(change.digest)
      return
    }
    if (change.kind === 'removeManifest') {
      repository.manifests.delete(change.digest)
      for (const [tag, digest] of repository.tags) if (digest === change.digest) repository.tags.delete(tag)
      return
    }
    if (change.kind === 'removeRepository') {
      this.repositories.delete(change.repository)
      return
    }
    this.repositories.set(change.repository, repository)
    if (!this.held.has(change.digest) && change.kind !== 'setTag') throw new Error(`${change.digest} is not here`)
    if (change.kind === 'linkBlob') repository.blobs.add(change.digest)
    else if (change.kind === 'putManifest') repository.manifests.set(change.digest, change.mediaType)
    else {
      this.#mustBeWhole(repository, change.digest)
      repository.tags.set(change.tag, change.digest)
    }
  }

  #mustBeWhole(repository: MemoryRepository, digest: Digest): void {
    const mediaType = repository.manifests.get(digest)
    const bytes = this.held.get(digest)
    if (mediaType === undefined || bytes === undefined) throw new Error(`manifest ${digest} is not here`)
    const contents = readManifest(bytes, mediaType)
    for (const blob of contents.blobs)
      if (!repository.blobs.has(blob.digest) || this.held.get(blob.digest)?.byteLength !== blob.size)
        throw new Error(`blob ${blob.digest} is not here`)
    for (const child of contents.manifests)
      if (repository.manifests.has(child.digest)) this.#mustBeWhole(repository, child.digest)
  }

  #ingest(key: string): ContentIngest {
    this.#open.add(key)
    const current = (): Buffer => this.partial.get(key) ?? Buffer.alloc(0)
    return {
      get offset() {
        return current().byteLength
      },
      expect: () => Promise.resolve(),
      append: (chunk) => {
        if (this.failure !== undefined) return Promise.reject(this.failure)
        this.partial.set(key, Buffer.concat([current(), chunk]))
        return Promise.resolve()
      },
      flush: () => {
        this.flushes += 1
        return Promise.resolve()
      },
      commit: (digest) => {
        const bytes = current()
        this.partial.delete(key)
        this.#open.delete(key)
        if (digestOf(bytes, algorithmOf(digest)) !== digest)
          return Promise.reject(
            new OciError('DIGEST_INVALID', `the ${bytes.byteLength} bytes received are not ${digest}`)
          )
        this.held.set(digest, bytes)
        return Promise.resolve()
      },
      restart: () => {
        this.partial.delete(key)
        return Promise.resolve()
      },
      close: () => {
        this.#open.delete(key)
        return Promise.resolve()
      }
    }
  }
}
