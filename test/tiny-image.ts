import { gzipSync } from 'node:zlib'
import { digestOf, type Digest } from '../module/oci/digest.ts'
import { mediaTypes } from '../module/oci/media-types.ts'

/** An image that every engine takes: one layer with one file in it. */
export interface TinyImage {
  readonly manifest: Buffer
  readonly digest: Digest
  /** The config and the layer. */
  readonly blobs: readonly Buffer[]
}

/** @param text what stands in the file: other text, other digests */
export function makeTinyImage(text: string): TinyImage {
  const tar = tarOf('hello.txt', Buffer.from(text))
  const layer = gzipSync(tar)
  const config = Buffer.from(
    JSON.stringify({
      created: '2026-01-01T00:00:00Z',
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/hello.txt'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      history: [{ created: '2026-01-01T00:00:00Z', created_by: 'a test' }]
    })
  )
  const describe = (mediaType: string, bytes: Buffer): object => {
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: [describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)]
    })
  )
  return { manifest, digest: digestOf(manifest), blobs: [config, layer] }
}

/** A ustar archive of one file: header, content, padding, two empty blocks. */
function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0' + '0000000\0' + '0000000\0', 100)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0`, 124)
  header.write(' '.repeat(8) + '0', 148)
  header.write('ustar\0' + '00', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc(((512 - (content.length % 512)) % 512) + 1024)])
}
