import { randomBytes } from 'node:crypto'
import { digestOf, type Digest } from '../../oci/digest.ts'
import { mediaTypes } from '../../oci/media-types.ts'
import { parseRepository, parseTag, type Repository, type Tag } from '../../oci/name.ts'
import type { ParentFault, ParentSource } from '../ports.ts'

/** An error as a parent throws it. */
export function fault(code: string, more: { transient?: boolean; retryAfterSeconds?: number } = {}): ParentFault {
  return Object.assign(new Error(`fault ${code}`), {
    code,
    transient: more.transient ?? ['PARENT_UNREACHABLE', 'PARENT_THROTTLED', 'PARENT_FAILED'].includes(code),
    retryAfterSeconds: more.retryAfterSeconds
  })
}

/** A parent for tests: holds what it is given, counts what it is asked for, and goes wrong on request. */
export class FakeParent implements ParentSource {
  readonly requests: string[] = []
  /** Blob bytes that went out, by digest. */
  readonly served = new Map<Digest, number>()
  readonly content = new Map<Digest, Buffer>()
  readonly tagsOf = new Map<Repository, Map<Tag, Digest>>()
  /** Asked before each request; what it returns is thrown. */
  trouble: (request: string) => Error | undefined = () => undefined
  /** Called with each piece of a blob before it goes out; throwing cuts the answer there. */
  onPiece: (digest: Digest, offset: number, piece: Buffer, signal: AbortSignal) => Buffer | Promise<Buffer> = (
    _digest,
    _offset,
    piece
  ) => piece
  resumes = true
  /** Whether it has the referrers API; what a manifest's `subject` says is found by it. */
  hasReferrers = true
  pieceBytes = 1000

  /** Puts an image of random layers, or of given ones. */
  put(name: string, layers: readonly (number | Buffer)[], extra: object = {}): Digest {
    const blobs = layers.map((layer) => this.add(typeof layer === 'number' ? randomBytes(layer) : layer))
    const config = this.add(Buffer.from(JSON.stringify({ image: name, extra })))
    const describe = (bytes: Buffer, mediaType: string) => ({
      mediaType,
      digest: digestOf(bytes),
      size: bytes.byteLength
    })
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: describe(config, 'application/vnd.oci.image.config.v1+json'),
      layers: blobs.map((blob) => describe(blob, 'application/vnd.oci.image.layer.v1.tar'))
    }
    return this.#tag(name, Buffer.from(JSON.stringify(manifest)))
  }

  /**
   * Puts an index of images that were put before.
   * @param more what else the descriptor of a child says
   */
  putIndex(name: string, children: readonly Digest[], more: (digest: Digest) => object = () => ({})): Digest {
    const manifests = children.map((digest) => ({
      mediaType: mediaTypes.ociManifest,
      digest,
      size: this.content.get(digest)?.byteLength ?? 0,
      ...more(digest)
    }))
    return this.#tag(name, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests })))
  }

  /** Puts an artifact that refers to a manifest, with a tag of its own where the name has one. */
  putReferrer(name: string, subject: Digest, layer: Buffer, artifactType = 'application/x-signature'): Digest {
    const config = this.add(Buffer.from('{}'))
    const describe = (bytes: Buffer, mediaType: string) => ({
      mediaType,
      digest: digestOf(bytes),
      size: bytes.byteLength
    })
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType,
      config: describe(config, 'application/vnd.oci.empty.v1+json'),
      layers: [describe(this.add(layer), artifactType)],
      subject: { mediaType: mediaTypes.ociManifest, digest: subject, size: this.content.get(subject)?.byteLength ?? 0 }
    }
    return this.#tag(name, Buffer.from(JSON.stringify(manifest)))
  }

  add(bytes: Buffer): Buffer {
    this.content.set(digestOf(bytes), bytes)
    return bytes
  }

  /** Sizes of the blobs that a manifest names, added up. */
  blobBytes(...manifests: readonly Digest[]): number {
    const sizes = new Map<string, number>()
    for (const digest of manifests) {
      const { config, layers } = JSON.parse(this.content.get(digest)?.toString() ?? '{}') as {
        config: { digest: string; size: number }
        layers: { digest: string; size: number }[]
      }
      for (const blob of [config, ...layers]) sizes.set(blob.digest, blob.size)
    }
    return [...sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  totalServed(): number {
    return [...this.served.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  async check(): Promise<void> {
    await this.#ask('CHECK')
  }

  async *tags(repository: Repository): AsyncGenerator<Tag, void, undefined> {
    await this.#ask(`TAGS ${repository}`)
    yield* this.tagsOf.get(repository)?.keys() ?? []
  }

  async head(repository: Repository, reference: Tag | Digest): Promise<{ digest: Digest }> {
    await this.#ask(`HEAD ${repository}:${reference}`)
    const digest = this.tagsOf.get(repository)?.get(reference as Tag)
    if (digest === undefined) throw fault('PARENT_NOT_FOUND')
    return { digest }
  }

  async manifest(repository: Repository, reference: Tag | Digest): Promise<{ bytes: Buffer; mediaType: string }> {
    await this.#ask(`MANIFEST ${repository}@${reference}`)
    const bytes = this.content.get(this.tagsOf.get(repository)?.get(reference as Tag) ?? (reference as Digest))
    if (bytes === undefined) throw fault('PARENT_NOT_FOUND')
    const { mediaType } = JSON.parse(bytes.toString()) as { mediaType: string }
    return { bytes, mediaType }
  }

  async blob(
    repository: Repository,
    digest: Digest,
    { offset, signal }: { readonly offset: number; readonly signal: AbortSignal }
  ): Promise<{ offset: number; stream: AsyncIterable<Buffer> }> {
    await this.#ask(`BLOB ${repository}@${digest} ${offset}`)
    const bytes = this.content.get(digest)
    if (bytes === undefined) throw fault('PARENT_NOT_FOUND')
    const from = this.resumes ? offset : 0
    return { offset: from, stream: this.#pieces(digest, bytes, from, signal) }
  }

  async referrers(
    repository: Repository,
    subject: Digest
  ): Promise<{ digest: Digest; mediaType: string }[] | undefined> {
    await this.#ask(`REFERRERS ${repository}@${subject}`)
    if (!this.hasReferrers) return undefined
    return [...this.content].flatMap(([digest, bytes]) => {
      if (!bytes.includes(`"subject":`)) return []
      const manifest = JSON.parse(bytes.toString()) as { mediaType: string; subject?: { digest: Digest } }
      return manifest.subject?.digest === subject ? [{ digest, mediaType: manifest.mediaType }] : []
    })
  }

  async *#pieces(digest: Digest, bytes: Buffer, from: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    for (let at = from; at < bytes.byteLength; at += this.pieceBytes) {
      signal.throwIfAborted()
      const piece = await this.onPiece(digest, at, bytes.subarray(at, at + this.pieceBytes), signal)
      this.served.set(digest, (this.served.get(digest) ?? 0) + piece.byteLength)
      yield piece
    }
  }

  #ask(request: string): Promise<void> {
    this.requests.push(request)
    const trouble = this.trouble(request)
    return trouble === undefined ? Promise.resolve() : Promise.reject(trouble)
  }

  #tag(name: string, manifest: Buffer): Digest {
    const [repository = '', tag] = name.split(':')
    const digest = digestOf(this.add(manifest))
    if (tag !== undefined) {
      const tags = this.tagsOf.get(parseRepository(repository)) ?? new Map<Tag, Digest>()
      this.tagsOf.set(parseRepository(repository), tags.set(parseTag(tag), digest))
    }
    return digest
  }
}
