import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'

const kibi = 1024
const mebi = 1024 * kibi

/** Sizes of the blobs that are read, in bytes. */
export const blobSizes = {
  '1 KiB': kibi,
  '64 KiB': 64 * kibi,
  '1 MiB': mebi,
  '64 MiB': 64 * mebi,
  '1 GiB': 1024 * mebi
} as const
export type BlobSize = keyof typeof blobSizes

export interface Blob {
  readonly path: string
  readonly size: number
  readonly digest: string
}

/** What every server holds: one repository with an image of ten layers. */
export interface Content {
  readonly repository: string
  readonly tag: string
  readonly blobs: ReadonlyMap<BlobSize, Blob>
  readonly config: Buffer
  readonly manifest: Buffer
  readonly mediaType: string
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Makes the content's files. @param sizes the blobs that the chosen rows need */
export async function makeContent(folder: string, sizes: readonly BlobSize[]): Promise<Content> {
  const blobs = new Map<BlobSize, Blob>()
  for (const size of sizes) blobs.set(size, await makeBlob(join(folder, size.replace(' ', '')), blobSizes[size]))
  const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
  const layers = [...blobs.values()].map(({ size, digest }) => {
    return { mediaType: 'application/vnd.oci.image.layer.v1.tar', size, digest }
  })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(config), size: config.length },
      layers,
      // As long as a manifest of ten layers commonly is.
      annotations: { padding: 'x'.repeat(1200) }
    })
  )
  return { repository: 'bench/app', tag: 'latest', blobs, config, manifest, mediaType }
}

/** Bytes without a pattern, from a counter: the same in every run. */
async function makeBlob(path: string, size: number): Promise<Blob> {
  const hash = createHash('sha256')
  const file = createWriteStream(path)
  for (let written = 0; written < size;) {
    const block = Buffer.alloc(
      Math.min(mebi, size - written),
      createHash('sha512').update(`${size} ${written}`).digest()
    )
    hash.update(block)
    written += block.length
    if (!file.write(block)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
  return { path, size, digest: `sha256:${hash.digest('hex')}` }
}

/** A blob's bytes, a mebibyte at a time. */
export async function* read(blob: Blob): AsyncGenerator<Buffer> {
  const file = await open(blob.path)
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(mebi), 0, mebi)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}
