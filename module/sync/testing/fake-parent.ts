import { randomBytes } from 'node:crypto'
import { digestOf, type Digest } from '../../oci/digest.ts'
import { mediaTypes } from '../../oci/media-types.ts'
import { parseRepository, parseTag, type Repository, type Tag } from '../../oci/name.ts'
import type { ParentFault, ParentSource, Referrer } from '../ports.ts'
import type { Chunk, ParentTarget, UploadPlace } from '../upward/ports.ts'

/** An error as a parent throws it. */
export function fault(code: string, more: { transient?: boolean; retryAfterSeconds?: number } = {}): ParentFault {
  return Object.assign(new Error(`fault ${code}`), {
    code,
    transient: more.transient ?? ['PARENT_UNREACHABLE', 'PARENT_THROTTLED', 'PARENT_FAILED'].includes(code),
    retryAfterSeconds: more.retryAfterSeconds
  })
}

/** A parent for tests: holds what it is given, counts what it is asked for, and goes wrong on request. */
export class FakeParent implements ParentSource, ParentTarget {
  readonly origin = 'https://parent.test'
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
  incomplete = false
  resumes = true
  /** It resumes at multiples of this only, in bytes. */
  resumesAt = 1
  /** Whether answers say how many bytes the whole blob has. */
  tellsSize = true
  /** What it says that blobs are packed with. */
  encoding: string | undefined
  /** What answers for every blob, where it is not the parent. */
  inItsPlace: Buffer | undefined
  /** Uploads under way, by location; forgetting one is losing it. */
  readonly uploads = new Map<string, Buffer>()
  /** Blob bytes that came in. */
  received = 0
  /** Called with each piece of an upload before it is taken; throwing cuts the request there. */
  onReceive: (piece: Uint8Array) => void | Promise<void> = () => undefined
  /** Told of each tag that is set, by whomever. */
  onTagged: (name: string, digest: Digest) => void = () => undefined
  /** Manifests as they came in, each `repository:reference`. */
  readonly pushed: string[] = []
  #upload = 0
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

  isIncomplete(): boolean {
    return this.incomplete
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
    const held = this.content.has(reference as Digest) ? (reference as Digest) : undefined
    const digest = this.tagsOf.get(repository)?.get(reference as Tag) ?? held
    if (digest === undefined) throw fault('PARENT_NOT_FOUND')
    return { digest }
  }

  async hasBlob(repository: Repository, digest: Digest): Promise<boolean> {
    await this.#ask(`HAS ${repository}@${digest}`)
    return this.content.has(digest)
  }

  async beginUpload(repository: Repository, digest: Digest): Promise<UploadPlace> {
    await this.#ask(`BEGIN ${repository}@${digest}`)
    this.#upload += 1
    const location = `/v2/${repository}/blobs/uploads/${this.#upload}`
    this.uploads.set(location, Buffer.alloc(0))
    return { location, offset: 0 }
  }

  async findUpload(_repository: Repository, location: string): Promise<UploadPlace | undefined> {
    await this.#ask(`FIND ${location}`)
    const bytes = this.uploads.get(location)
    return bytes && { location, offset: bytes.byteLength }
  }

  async sendChunk(_repository: Repository, location: string, chunk: Chunk): Promise<UploadPlace | undefined> {
    await this.#ask(`CHUNK ${location} ${chunk.offset}`)
    if (!this.uploads.has(location)) return undefined
    await this.#receive(location, chunk)
    return { location, offset: this.uploads.get(location)?.byteLength ?? 0 }
  }

  async finishUpload(
    _repository: Repository,
    location: string,
    digest: Digest,
    { last }: { readonly last?: Chunk | undefined }
  ): Promise<boolean> {
    await this.#ask(`FINISH ${location}`)
    if (last !== undefined && this.uploads.has(location)) await this.#receive(location, last)
    const bytes = this.uploads.get(location)
    this.uploads.delete(location)
    if (bytes === undefined || digestOf(bytes) !== digest) return false
    this.add(bytes)
    return true
  }

  async putManifest(
    repository: Repository,
    reference: Tag | Digest,
    { bytes }: { readonly bytes: Uint8Array }
  ): Promise<void> {
    await this.#ask(`PUT ${repository}:${reference}`)
    const { config, layers, manifests } = JSON.parse(Buffer.from(bytes).toString()) as Record<
      string,
      { digest: Digest }[] | { digest: Digest } | undefined
    >
    for (const { digest } of [config ?? [], layers ?? [], manifests ?? []].flat())
      if (!this.content.has(digest)) throw new Error(`${reference} came before ${digest}, which it names`)
    this.pushed.push(`${repository}:${reference}`)
    const name = reference.includes(':') ? repository : `${repository}:${reference}`
    this.#tag(name, Buffer.from(bytes))
  }

  async deleteManifest(repository: Repository, reference: Tag | Digest): Promise<void> {
    await this.#ask(`DELETE ${repository}:${reference}`)
    const tags = this.tagsOf.get(repository)
    if (!reference.includes(':')) tags?.delete(reference as Tag)
    else {
      this.content.delete(reference as Digest)
      for (const [tag, digest] of tags ?? []) if (digest === reference) tags?.delete(tag)
    }
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
  ): Promise<{
    offset: number
    size: number | undefined
    encoding: string | undefined
    stream: AsyncIterable<Buffer>
  }> {
    await this.#ask(`BLOB ${repository}@${digest} ${offset}`)
    const bytes = this.content.get(digest)
    if (bytes === undefined) throw fault('PARENT_NOT_FOUND')
    const answer = this.inItsPlace ?? bytes
    const from = this.resumes && answer === bytes ? offset - (offset % this.resumesAt) : 0
    const size = this.tellsSize ? answer.byteLength : undefined
    return { offset: from, size, encoding: this.encoding, stream: this.#pieces(digest, answer, from, signal) }
  }

  async checkBlob(repository: Repository, digest: Digest): Promise<void> {
    await this.#ask(`PROVE ${repository}@${digest}`)
    if (!this.content.has(digest)) throw fault('PARENT_NOT_FOUND')
  }

  async referrers(repository: Repository, subject: Digest): Promise<Referrer[] | undefined> {
    await this.#ask(`REFERRERS ${repository}@${subject}`)
    if (!this.hasReferrers) return undefined
    return [...this.content].flatMap(([digest, bytes]) => {
      if (!bytes.includes(`"subject":`)) return []
      const manifest = JSON.parse(bytes.toString()) as Referrer & { subject?: { digest: Digest } }
      const { mediaType, artifactType } = manifest
      return manifest.subject?.digest === subject ? [{ digest, mediaType, artifactType }] : []
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

  async #receive(location: string, { offset, pieces }: Chunk): Promise<void> {
    if (this.uploads.get(location)?.byteLength !== offset) throw new Error(`a chunk at ${offset} that does not fit`)
    for await (const piece of pieces()) {
      await this.onReceive(piece)
      this.received += piece.byteLength
      this.uploads.set(location, Buffer.concat([this.uploads.get(location) ?? Buffer.alloc(0), piece]))
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
      this.onTagged(name, digest)
    }
    return digest
  }
}
