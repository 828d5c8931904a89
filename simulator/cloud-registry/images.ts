import { createCipheriv, createHash } from 'node:crypto'
import { createGzip } from 'node:zlib'
import { digestOf, type Digest } from '../../module/oci/digest.ts'
import { mediaTypes } from '../../module/oci/media-types.ts'
import type { BlobFiles } from './blob-files.ts'
import type { RepositoryContent, StoredManifest } from './repositories.ts'

export interface LayerOptions {
  /** Bytes of the file inside; the blob is a little longer. */
  readonly size?: number
  /** Layers of the same seed and size are the same blob, in whatever image. */
  readonly seed?: string
}

export interface ImageOptions {
  /** How many, or each one; one layer when missing. */
  readonly layers?: number | readonly LayerOptions[]
  /** Sizes in bytes, a shorter way than `layers`. */
  readonly sizes?: readonly number[]
  readonly labels?: Readonly<Record<string, string>>
  /** `os/architecture[/variant]`; an index is made when given, one image otherwise (`linux/amd64`). */
  readonly platforms?: readonly string[]
  /** What the content is made from: the same seed gives the same digests. */
  readonly seed?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly subject?: { readonly digest: Digest; readonly mediaType: string; readonly size: number }
}

export interface ArtifactOptions {
  /** The one blob. */
  readonly bytes: Uint8Array
  /** Of the blob. */
  readonly mediaType?: string
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly subject?: { readonly digest: Digest; readonly mediaType: string; readonly size: number }
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

const defaultLayerSize = 1024

/** Makes a small real image: OCI manifest and config, layers of tar and gzip, all of it decided by the seed. */
export async function buildImage(
  files: BlobFiles,
  repository: RepositoryContent,
  options: ImageOptions & { readonly seed: string }
): Promise<StoredManifest> {
  if (options.platforms === undefined) return buildPlatform(files, repository, options, 'linux/amd64')
  const manifests = []
  for (const platform of options.platforms) {
    const { subject: _, ...image } = options
    const child = await buildPlatform(files, repository, image, platform)
    manifests.push({ ...describe(child), platform: parsePlatform(platform) })
  }
  return addManifest(repository, mediaTypes.ociIndex, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests,
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations })
  })
}

/** Makes an OCI artifact of one blob: a signature, an SBOM, a settings document. */
export async function buildArtifact(
  files: BlobFiles,
  repository: RepositoryContent,
  options: ArtifactOptions
): Promise<StoredManifest> {
  const empty = Buffer.from('{}')
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: await files.put(empty), size: empty.length }
  const layer = {
    mediaType: options.mediaType ?? 'application/octet-stream',
    digest: await files.put(options.bytes),
    size: options.bytes.length
  }
  repository.blobs.add(config.digest).add(layer.digest)
  return addManifest(repository, mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: options.artifactType ?? 'application/vnd.example.artifact',
    config,
    layers: [layer],
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations })
  })
}

async function buildPlatform(
  files: BlobFiles,
  repository: RepositoryContent,
  options: ImageOptions & { readonly seed: string },
  platform: string
): Promise<StoredManifest> {
  const layers: Descriptor[] = []
  const diffIds: string[] = []
  for (const [index, layer] of layersOf(options).entries()) {
    const seed = layer.seed ?? `${options.seed} ${platform} ${index}`
    const built = await buildLayer(files, seed, layer.size ?? defaultLayerSize)
    layers.push(built.descriptor)
    diffIds.push(built.diffId)
    repository.blobs.add(built.descriptor.digest)
  }
  const config = await addConfig(files, repository, options, platform, diffIds)
  return addManifest(repository, mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config,
    layers,
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations })
  })
}

function layersOf(options: ImageOptions): readonly LayerOptions[] {
  if (options.sizes !== undefined) return options.sizes.map((size) => ({ size }))
  return typeof options.layers === 'object' ? options.layers : Array.from({ length: options.layers ?? 1 }, () => ({}))
}

async function addConfig(
  files: BlobFiles,
  repository: RepositoryContent,
  options: ImageOptions & { readonly seed: string },
  platform: string,
  diffIds: readonly string[]
): Promise<Descriptor> {
  const document = {
    created: '2026-01-01T00:00:00Z',
    ...parsePlatform(platform),
    config: { Entrypoint: ['/run'], Labels: { 'org.causeway.simulator.seed': options.seed, ...options.labels } },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'simulator' }))
  }
  const bytes = Buffer.from(JSON.stringify(document))
  const digest = await files.put(bytes)
  repository.blobs.add(digest)
  return { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: bytes.length }
}

function addManifest(
  repository: RepositoryContent,
  mediaType: string,
  document: {
    readonly manifests?: readonly Descriptor[]
    readonly config?: Descriptor
    readonly layers?: readonly Descriptor[]
    readonly subject?: Descriptor
    readonly artifactType?: string
    readonly annotations?: Readonly<Record<string, string>>
  } & Readonly<Record<string, unknown>>
): StoredManifest {
  const bytes = Buffer.from(JSON.stringify(document))
  const artifactType = document.artifactType ?? document.config?.mediaType
  const stored: StoredManifest = {
    digest: digestOf(bytes),
    mediaType,
    bytes,
    manifests: (document.manifests ?? []).map((child) => child.digest),
    blobs: [...(document.config === undefined ? [] : [document.config]), ...(document.layers ?? [])].map(
      (blob) => blob.digest
    ),
    ...(document.subject === undefined ? {} : { subject: document.subject.digest }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(document.annotations === undefined ? {} : { annotations: document.annotations })
  }
  repository.manifests.set(stored.digest, stored)
  return stored
}

export function describe(manifest: StoredManifest): Descriptor {
  return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length }
}

/** A tar of one file with bytes that do not compress, gzipped without compression: size and digest follow from the seed. */
async function buildLayer(
  files: BlobFiles,
  seed: string,
  size: number
): Promise<{ readonly descriptor: Descriptor; readonly diffId: string }> {
  const diff = createHash('sha256')
  const blob = createHash('sha256')
  const upload = await files.startUpload()
  const gzip = createGzip({ level: 0 })
  const written = (async () => {
    for await (const part of gzip as AsyncIterable<Buffer>) {
      blob.update(part)
      await upload.append(part)
    }
  })()
  for (const part of tar(`data/${digestOf(seed).slice(7, 19)}`, seed, size)) {
    diff.update(part)
    await new Promise<void>((resolve, reject) =>
      gzip.write(part, (error) => (error instanceof Error ? reject(error) : resolve()))
    )
  }
  gzip.end()
  await written
  const digest = `sha256:${blob.digest('hex')}` as Digest
  await upload.commit(digest)
  return {
    descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: upload.length },
    diffId: `sha256:${diff.digest('hex')}`
  }
}

/** A ustar archive of one file: header, content, padding, two empty blocks. */
function* tar(name: string, seed: string, size: number): Generator<Buffer> {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0' + '0000000\0' + '0000000\0', 100)
  header.write(`${size.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0`, 124)
  header.write('        0', 148)
  header.write('ustar\0' + '00', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  yield header
  const stream = createCipheriv(
    'aes-128-ctr',
    createHash('sha256').update(seed).digest().subarray(0, 16),
    Buffer.alloc(16)
  )
  const zeros = Buffer.alloc(64 * 1024)
  for (let left = size; left > 0; left -= zeros.length)
    yield stream.update(zeros.subarray(0, Math.min(left, zeros.length)))
  yield Buffer.alloc(((512 - (size % 512)) % 512) + 1024)
}

function parsePlatform(platform: string): { os: string; architecture: string; variant?: string } {
  const [os = 'linux', architecture = 'amd64', variant] = platform.split('/')
  return { os, architecture, ...(variant === undefined ? {} : { variant }) }
}
