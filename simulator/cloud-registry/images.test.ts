import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { digestOf, type Digest } from '../../module/oci/digest.ts'
import { readManifest } from '../../module/oci/manifest.ts'
import { BlobFiles } from './blob-files.ts'
import { buildImage } from './images.ts'
import { RepositoryContent } from './repositories.ts'

describe('generated images', () => {
  let folder = ''
  let files: BlobFiles

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-images-'))
    files = await BlobFiles.open(folder)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const read = (digest: Digest): Promise<Buffer> => buffer(files.read(digest, 0, files.size(digest)! - 1))

  for (const size of [0, 1, 512, 100_000])
    it(`have layers of tar and gzip, as their config says (${size} bytes inside)`, async () => {
      const content = new RepositoryContent()
      const image = await buildImage(files, content, { seed: 's', sizes: [size], platforms: ['linux/arm/v7'] })
      const child = readManifest(image.bytes).manifests[0]!
      assert.deepEqual(child.platform, { os: 'linux', architecture: 'arm', variant: 'v7' })
      const [config, layer] = readManifest(content.manifests.get(child.digest)!.bytes).blobs
      const bytes = await read(layer!.digest)
      assert.equal(bytes.length, layer!.size)
      assert.equal(digestOf(bytes), layer!.digest)
      const tar = gunzipSync(bytes)
      assert.deepEqual(JSON.parse((await read(config!.digest)).toString()).rootfs.diff_ids, [digestOf(tar)])
      assert.equal(tar.length % 512, 0)
      assert.equal(parseInt(tar.toString('latin1', 124, 135), 8), size)
      assert.equal(tar.toString('latin1', 257, 262), 'ustar')
      const blank = Buffer.concat([tar.subarray(0, 148), Buffer.alloc(8, ' '), tar.subarray(156, 512)])
      assert.equal(
        parseInt(tar.toString('latin1', 148, 154), 8),
        blank.reduce((sum, byte) => sum + byte, 0)
      )
      assert.ok(tar.subarray(512 + Math.ceil(size / 512) * 512).equals(Buffer.alloc(1024)))
    })

  it('keep nothing of an upload whose digest is wrong', async () => {
    const upload = await files.startUpload()
    await upload.append(Buffer.from('bytes'))
    assert.equal(await upload.commit(digestOf('others')), false)
    assert.equal(files.size(digestOf('others')), undefined)
    assert.equal(files.size(digestOf('bytes')), undefined)
  })
})
