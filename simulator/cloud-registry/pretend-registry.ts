import type { Digest } from '../../module/oci/digest.ts'
import type { Exchange, Host } from '../cloud-http.ts'
import type { Gate } from './access.ts'
import type { BlobFiles } from './blob-files.ts'
import { blobHost } from './blob-host.ts'
import { buildArtifact, buildImage, type ArtifactOptions, type ImageOptions } from './images.ts'
import { RegistryError } from './errors.ts'
import type { RegistryKnobs } from './knobs.ts'
import { serveRegistry, type RegistryParts } from './registry.ts'
import { Repositories, type StoredManifest } from './repositories.ts'
import { SignedUrls } from './signed-urls.ts'
import { Throttle } from './throttle.ts'
import { Uploads } from './uploads.ts'

/** What was put into a registry by a push. */
export interface Pushed {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly mediaType: string
  /** Of the manifest, in bytes. */
  readonly size: number
  /** The manifest's own digest, and of an index those of its images. */
  readonly manifests: readonly Digest[]
  /** Configs and layers of all of them. */
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[]
}

export interface PretendRegistryOptions {
  readonly name: string
  readonly files: BlobFiles
  readonly knobs: RegistryKnobs
  readonly now: () => number
  readonly gate: Gate
  readonly blobHostName: () => string
  readonly elsewhere?: (exchange: Exchange) => Promise<void>
  readonly prepare?: (repositories: Repositories, repository: string, reference: string) => Promise<void>
}

/** One registry of the pretend cloud: its two hosts, and what a test puts into it without going through them. */
export class PretendRegistry {
  readonly repositories = new Repositories()
  readonly knobs: RegistryKnobs
  readonly serve: Host
  readonly serveBlobs: Host
  readonly #files: BlobFiles
  readonly #name: string
  readonly #parts: RegistryParts

  constructor(options: PretendRegistryOptions) {
    const { files, knobs, now, gate, blobHostName, elsewhere, prepare } = options
    this.knobs = knobs
    this.#files = files
    this.#name = options.name
    const urls = new SignedUrls(options.name, now)
    this.#parts = {
      files,
      repositories: this.repositories,
      uploads: new Uploads(files, this.repositories),
      urls,
      throttle: new Throttle(knobs, now),
      knobs,
      gate,
      blobHostName,
      elsewhere: elsewhere ?? (() => Promise.reject(new RegistryError('NOT_FOUND'))),
      ...(prepare === undefined
        ? {}
        : {
            prepare: (repository: string, reference: string) => prepare(this.repositories, repository, reference)
          })
    }
    this.serve = (exchange) => serveRegistry(exchange, this.#parts)
    this.serveBlobs = blobHost(files, urls, knobs)
  }

  /** Makes what is made on demand, as a pull of it would. */
  async prepare(repository: string, reference: string): Promise<void> {
    await this.#parts.prepare?.(repository, reference)
  }

  /** Puts a generated image under a tag; name and tag decide its bytes unless a seed is given. */
  async pushImage(repository: string, tag: string, options: ImageOptions = {}): Promise<Pushed> {
    const seed = options.seed ?? `${this.#name}/${repository}:${tag}`
    const content = this.repositories.ensure(repository)
    const manifest = await buildImage(this.#files, content, { ...options, seed })
    content.tags.set(tag, manifest.digest)
    return this.#describe(repository, tag, manifest)
  }

  /** Puts an artifact of one blob under a tag. */
  async push(repository: string, tag: string, options: ArtifactOptions): Promise<Pushed> {
    const content = this.repositories.ensure(repository)
    const manifest = await buildArtifact(this.#files, content, options)
    content.tags.set(tag, manifest.digest)
    return this.#describe(repository, tag, manifest)
  }

  /** Takes a tag away, or a manifest with its tags. */
  delete(repository: string, reference: string): void {
    const content = this.repositories.get(repository)
    if (content?.tags.delete(reference) === false) content.remove(reference as Digest)
  }

  /** What a tag leads to, or undefined. */
  digestOf(repository: string, tag: string): Digest | undefined {
    return this.repositories.get(repository)?.tags.get(tag)
  }

  tags(repository: string): readonly string[] {
    return this.repositories.get(repository)?.sortedTags() ?? []
  }

  async close(): Promise<void> {
    await this.#parts.uploads.close()
  }

  #describe(repository: string, tag: string, manifest: StoredManifest): Pushed {
    const content = this.repositories.ensure(repository)
    const all = [manifest, ...manifest.manifests.flatMap((child) => content.manifests.get(child) ?? [])]
    const blobs = new Set(all.flatMap((each) => each.blobs))
    return {
      repository,
      tag,
      digest: manifest.digest,
      mediaType: manifest.mediaType,
      size: manifest.bytes.length,
      manifests: all.map((each) => each.digest),
      blobs: [...blobs].map((digest) => ({ digest, size: this.#files.size(digest) ?? 0 }))
    }
  }
}
