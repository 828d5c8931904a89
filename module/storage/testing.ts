import { randomBytes, randomUUID } from 'node:crypto'
import { digestOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseTag, type Repository } from '../oci/name.ts'
import { putBlob } from './contract.ts'
import type { IndexChange, ManifestRecord, Storage } from './storage.ts'

/** An image as tests push it. */
export interface PushedImage {
  readonly record: ManifestRecord
  readonly layers: readonly Digest[]
  readonly config: Digest
}

/** Brings an image's bytes and links, and its manifest; tags it where a tag is given. */
export async function pushImage(
  storage: Storage,
  repository: Repository,
  options: { readonly tag?: string; readonly layers?: readonly Buffer[]; readonly subject?: ManifestRecord } = {}
): Promise<PushedImage> {
  const layers = options.layers ?? [randomBytes(1000), randomBytes(2000)]
  const config = randomBytes(100)
  for (const bytes of [...layers, config]) await putBlob(storage, bytes, randomUUID())
  const describe = (bytes: Buffer): object => ({
    mediaType: 'application/octet-stream',
    digest: digestOf(bytes),
    size: bytes.length
  })
  const { subject } = options
  const record = await putManifest(storage, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describe(config),
    layers: layers.map(describe),
    ...(subject === undefined ? {} : { subject: { ...subject } })
  })
  await storage.index.apply([
    ...[...layers, config].map((bytes): IndexChange => ({ kind: 'linkBlob', repository, digest: digestOf(bytes) })),
    ...named(repository, record, options.tag)
  ])
  return { record, layers: layers.map((bytes) => digestOf(bytes)), config: digestOf(config) }
}

/** Brings an index of manifests that the repository has. */
export async function pushIndex(
  storage: Storage,
  repository: Repository,
  children: readonly ManifestRecord[],
  tag?: string
): Promise<ManifestRecord> {
  const record = await putManifest(storage, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: children.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }))
  })
  await storage.index.apply(named(repository, record, tag))
  return record
}

async function putManifest(
  storage: Storage,
  document: { readonly mediaType: string; readonly [key: string]: unknown }
): Promise<ManifestRecord> {
  const bytes = Buffer.from(JSON.stringify(document))
  return { digest: await putBlob(storage, bytes, randomUUID()), mediaType: document.mediaType, size: bytes.length }
}

function named(repository: Repository, record: ManifestRecord, tag: string | undefined): IndexChange[] {
  const put: IndexChange = { kind: 'putManifest', repository, ...record }
  return tag === undefined ? [put] : [put, { kind: 'setTag', repository, tag: parseTag(tag), digest: record.digest }]
}
