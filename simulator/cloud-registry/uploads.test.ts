import assert from 'node:assert/strict'
import { digestOf } from '../../module/oci/digest.ts'
import { mediaTypes } from '../../module/oci/media-types.ts'
import type { Answer } from '../cloud-fixture.ts'
import { RegistryFixture } from './registry-fixture.ts'

describe('pushes to the pretend cloud registry', () => {
  let fixture: RegistryFixture

  beforeEach(async () => {
    fixture = await RegistryFixture.start()
  })
  afterEach(() => fixture.close())

  describe('pushing', () => {
    let headers: Record<string, string>
    const config = Buffer.from('{}')
    const layer = Buffer.from('a layer that is pushed')

    beforeEach(async () => {
      const actions = [
        'repositories/app/content/read',
        'repositories/app/content/write',
        'repositories/app/content/delete'
      ]
      headers = await fixture.bearer(actions, 'repository:app:pull,push,delete')
    })

    async function startUpload(): Promise<string> {
      const answer = await fixture.send('POST', '/v2/app/blobs/uploads/', { headers })
      assert.equal(answer.status, 202)
      assert.ok(answer.headers.location?.startsWith('/v2/app/blobs/uploads/'))
      return answer.headers.location!
    }

    async function pushBlob(bytes: Buffer): Promise<void> {
      const location = await startUpload()
      const answer = await fixture.send('PUT', `${location}&digest=${digestOf(bytes)}`, { headers, body: bytes })
      assert.equal(answer.status, 201)
    }

    it('takes an image, blob by blob, then its manifest', async () => {
      await pushBlob(config)
      await pushBlob(layer)
      const manifest = Buffer.from(JSON.stringify(manifestOf(config, layer)))
      const withType = { ...headers, 'content-type': mediaTypes.ociManifest }
      const put = await fixture.send('PUT', '/v2/app/manifests/v1', { headers: withType, body: manifest })
      assert.equal(put.status, 201, put.text)
      assert.equal(put.headers['docker-content-digest'], digestOf(manifest))
      assert.deepEqual((await fixture.send('GET', '/v2/app/manifests/v1', { headers })).body, manifest)
      assert.equal(fixture.registry.digestOf('app', 'v1'), digestOf(manifest))
      assert.equal((await fixture.send('DELETE', `/v2/app/manifests/${digestOf(manifest)}`, { headers })).status, 202)
      assert.deepEqual(fixture.registry.tags('app'), [])
    })

    it('takes chunks in order, from the newest Location only', async () => {
      const start = await startUpload()
      const chunk = (location: string, from: number, bytes: Buffer): Promise<Answer> =>
        fixture.send('PATCH', location, {
          headers: { ...headers, 'content-range': `${from}-${from + bytes.length - 1}` },
          body: bytes
        })
      const first = await chunk(start, 0, layer.subarray(0, 10))
      assert.equal(first.status, 202)
      assert.equal(first.headers.range, '0-9')
      assert.equal((await chunk(start, 10, layer.subarray(10))).status, 400)
      const location = first.headers.location!
      assert.equal((await chunk(location, 11, layer.subarray(11))).status, 416)
      const asked = await fixture.send('GET', location, { headers })
      assert.equal(asked.status, 204)
      assert.equal(asked.headers.range, '0-9')
      const second = await chunk(location, 10, layer.subarray(10))
      const done = await fixture.send('PUT', `${second.headers.location!}&digest=${digestOf(layer)}`, { headers })
      assert.equal(done.status, 201)
      assert.equal((await fixture.send('HEAD', `/v2/app/blobs/${digestOf(layer)}`, { headers })).status, 200)
    })

    it('refuses what does not fit, and can be told to stop', async () => {
      const wrong = await fixture.send('PUT', `${await startUpload()}&digest=${digestOf('other')}`, {
        headers,
        body: layer
      })
      assert.equal(wrong.status, 400)
      assert.equal((await fixture.send('HEAD', `/v2/app/blobs/${digestOf('other')}`, { headers })).status, 404)
      const location = await startUpload()
      assert.equal((await fixture.send('DELETE', location, { headers })).status, 204)
      assert.equal((await fixture.send('GET', location, { headers })).status, 404)
      const withType = { ...headers, 'content-type': mediaTypes.ociManifest }
      const missing = await fixture.send('PUT', '/v2/app/manifests/v1', {
        headers: withType,
        body: manifestOf(config, layer)
      })
      assert.equal(missing.json.errors[0].code, 'MANIFEST_BLOB_UNKNOWN')
      const broken = await fixture.send('PUT', '/v2/app/manifests/v1', { headers: withType, body: 'no json' })
      assert.equal(broken.json.errors[0].code, 'MANIFEST_INVALID')
    })

    it('mounts from a repository that the token may read, and from no other', async () => {
      const { blobs } = await fixture.registry.pushImage('base', '1')
      const digest = blobs[0]!.digest
      const path = `/v2/app/blobs/uploads/?mount=${digest}&from=base`
      assert.equal((await fixture.send('POST', path, { headers })).status, 202)
      const both = await fixture.bearer(
        ['repositories/app/content/write', 'repositories/base/content/read'],
        'repository:app:push',
        'repository:base:pull'
      )
      assert.equal((await fixture.send('POST', path, { headers: both })).status, 201)
    })
  })
})

function manifestOf(config: Buffer, layer: Buffer): object {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(layer), size: layer.length }]
  }
}
