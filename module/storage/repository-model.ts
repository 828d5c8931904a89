import type { Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/name.ts'
import type { RepositoryContents } from './index-protocol.ts'
import { ReferrersModel } from './referrers-model.ts'
import { SortedNames } from './sorted.ts'
import type { ManifestRecord } from './storage.ts'

/** A repository as it stands; for looking only. */
export interface RepositoryView {
  readonly links: ReadonlySet<Digest>
  readonly manifests: ReadonlyMap<Digest, ManifestRecord>
  readonly tags: ReadonlyMap<Tag, Digest>
}

type Row = readonly [
  digest: Digest,
  mediaType: string,
  size: number,
  subject: Digest | null,
  artifactType: string | null
]

interface Manifests {
  readonly byDigest: Map<Digest, ManifestRecord>
  readonly referrers: ReferrersModel
}

interface Tags {
  readonly byName: Map<Tag, Digest>
  readonly names: SortedNames<Tag>
}

/** A repository in memory. What was read at the start is taken apart when it is asked for. */
export class RepositoryModel implements RepositoryView {
  #unread: Partial<RepositoryContents>
  #links: Set<Digest> | undefined
  #manifests: Manifests | undefined
  #tags: Tags | undefined

  constructor(contents: Partial<RepositoryContents> = {}) {
    this.#unread = contents
  }

  get links(): Set<Digest> {
    if (this.#links === undefined) {
      this.#links = new Set(listed<Digest>(this.#unread.links))
      this.#unread = { ...this.#unread, links: undefined }
    }
    return this.#links
  }

  /** Whether it links or describes the digest, without taking anything apart: for who asks every repository. */
  names(digest: Digest): boolean {
    return (
      this.hasLink(digest) ||
      // A digest that opens a row: further in, it is a subject.
      (this.#manifests?.byDigest.has(digest) ?? (this.#unread.manifests ?? '').includes(`["${digest}",`))
    )
  }

  /** Whether it links the digest, in the same way. */
  hasLink(digest: Digest): boolean {
    return this.#links?.has(digest) ?? (this.#unread.links ?? '').includes(digest)
  }

  get manifests(): Map<Digest, ManifestRecord> {
    return this.#readManifests().byDigest
  }

  get referrers(): ReferrersModel {
    return this.#readManifests().referrers
  }

  get tags(): Map<Tag, Digest> {
    return this.#readTags().byName
  }

  get tagNames(): SortedNames<Tag> {
    return this.#readTags().names
  }

  #readManifests(): Manifests {
    if (this.#manifests === undefined) {
      const manifests = (JSON.parse(this.#unread.manifests ?? '[]') as Row[]).map(record)
      this.#manifests = {
        byDigest: new Map(manifests.map((manifest) => [manifest.digest, manifest])),
        referrers: new ReferrersModel(manifests)
      }
      this.#unread = { ...this.#unread, manifests: undefined }
    }
    return this.#manifests
  }

  #readTags(): Tags {
    if (this.#tags === undefined) {
      const names = listed<Tag>(this.#unread.tags)
      const digests = listed<Digest>(this.#unread.tagged)
      this.#tags = {
        byName: new Map(names.map((name, at) => [name, digests[at] as Digest])),
        names: new SortedNames(names)
      }
      this.#unread = { ...this.#unread, tags: undefined, tagged: undefined }
    }
    return this.#tags
  }
}

function listed<T extends string>(text: string | undefined): T[] {
  return text === undefined ? [] : (text.split(' ') as T[])
}

function record([digest, mediaType, size, subject, artifactType]: Row): ManifestRecord {
  return {
    digest,
    mediaType,
    size,
    ...(subject === null ? {} : { subject }),
    ...(artifactType === null ? {} : { artifactType })
  }
}
