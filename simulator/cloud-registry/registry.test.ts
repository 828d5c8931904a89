import assert from 'node:assert/strict'
import { digestOf } from '../../module/oci/digest.ts'
import { mediaTypes } from '../../module/oci/media-types.ts'
import { accept, RegistryFixture } from './registry-fixture.ts'

describe('the content of the pretend cloud registry', () => {
  let fixture: RegistryFixture

  beforeEach(async () => {
    fixture = await RegistryFixture.start()
  })
  afterEach(() => fixture.close())

  describe('reading', () => {
    it('gives a manifest by tag and digest, to those who accept its type', async () => {
      const pushed = await fixture.registry.pushImage('app', '1', { platforms: ['linux/amd64', 'linux/arm/v7'] })
      const headers = await fixture.bearer(['repositories/app/content/read'], 'repository:app:pull')
      const byTag = await fixture.send('GET', '/v2/app/manifests/1', { headers })
      assert.equal(byTag.status, 200)
      assert.equal(byTag.headers['content-type'], mediaTypes.ociIndex)
      assert.equal(byTag.headers['docker-content-digest'], pushed.digest)
      assert.equal(digestOf(byTag.body), pushed.digest)
      const head = await fixture.send('HEAD', `/v2/app/manifests/${pushed.digest}`, { headers })
      assert.equal(head.headers['content-length'], String(byTag.body.length))
      assert.equal(head.body.length, 0)
      const refused = await fixture.send('GET', '/v2/app/manifests/1', { headers: { ...headers, accept: '*/*' } })
      assert.equal(refused.status, 404)
      assert.match(refused.text, /OCI index found, but accept header does not support OCI indexes/)
    })

    it('sends a blob to the data endpoint, which wants no Authorization and knows ranges', async () => {
      const pushed = await fixture.registry.pushImage('app', '1', { sizes: [5000] })
      const layer = pushed.blobs.find((blob) => blob.size > 5000)!
      const headers = await fixture.bearer(['repositories/app/content/read'], 'repository:app:pull')
      const head = await fixture.send('HEAD', `/v2/app/blobs/${layer.digest}`, { headers })
      assert.equal(head.status, 200)
      assert.equal(head.headers['content-length'], String(layer.size))
      const redirect = await fixture.send('GET', `/v2/app/blobs/${layer.digest}`, { headers })
      assert.equal(redirect.status, 307)
      assert.equal(redirect.headers['docker-content-digest'], layer.digest)
      const location = redirect.headers.location!
      assert.equal(new URL(location).host, 'contoso.westeurope.data.azurecr.io')

      const whole = await fixture.send('GET', location)
      assert.equal(whole.status, 200)
      assert.equal(digestOf(whole.body), layer.digest)
      const etag = whole.headers.etag!
      const rows = [
        [{ authorization: 'Bearer x' }, 400, undefined],
        [{ range: 'bytes=1000-1999' }, 206, `bytes 1000-1999/${layer.size}`],
        [{ range: `bytes=1000-`, 'if-range': etag }, 206, `bytes 1000-${layer.size - 1}/${layer.size}`],
        [{ range: 'bytes=1000-', 'if-range': '"other"' }, 200, undefined],
        [{ range: 'bytes=-10' }, 200, undefined],
        [{ range: `bytes=${layer.size}-` }, 416, `bytes */${layer.size}`],
        [{ 'if-match': '"other"' }, 412, undefined],
        [{ 'if-none-match': etag }, 304, undefined]
      ] as const
      for (const [asked, status, contentRange] of rows) {
        const answer = await fixture.send('GET', location, { headers: asked })
        assert.equal(answer.status, status, JSON.stringify(asked))
        assert.equal(answer.headers['content-range'], contentRange, JSON.stringify(asked))
        if (status === 206) assert.deepEqual(answer.body, whole.body.subarray(1000, 1000 + answer.body.length))
      }
      assert.equal((await fixture.send('GET', location.replace(/sig=[^&]+/, 'sig=AAAA'))).status, 403)
      fixture.clock += fixture.registry.knobs.signedUrlSeconds * 1000
      assert.equal((await fixture.send('GET', location)).status, 403)
    })

    it('lists tags in pages', async () => {
      for (const tag of ['c', 'a', 'b', 'B']) await fixture.registry.pushImage('app', tag)
      const headers = await fixture.bearer(['repositories/app/metadata/read'], 'repository:app:metadata_read')
      const first = await fixture.send('GET', '/v2/app/tags/list?n=3', { headers })
      assert.deepEqual(first.json, { name: 'app', tags: ['B', 'a', 'b'] })
      const next = /^<([^>]+)>; rel="next"$/.exec(first.headers.link as string)![1]!
      const second = await fixture.send('GET', next, { headers })
      assert.deepEqual(second.json, { name: 'app', tags: ['c'] })
      assert.equal(second.headers.link, undefined)
      assert.equal((await fixture.send('GET', '/v2/app/tags/list?n=0', { headers })).status, 400)
    })

    it('says what is not there', async () => {
      const headers = await fixture.bearer(
        ['repositories/*/content/read', 'repositories/*/metadata/read'],
        'repository:none:pull,metadata_read'
      )
      const rows = [
        ['/v2/none/tags/list', 404, 'NAME_UNKNOWN'],
        ['/v2/none/manifests/1', 404, 'MANIFEST_UNKNOWN'],
        [`/v2/none/manifests/${digestOf('x')}`, 404, 'MANIFEST_UNKNOWN'],
        [`/v2/none/blobs/${digestOf('x')}`, 404, 'BLOB_UNKNOWN'],
        ['/v2/none/blobs/sha256:1', 400, 'DIGEST_INVALID'],
        ['/v2/Upper/manifests/1', 400, 'NAME_INVALID'],
        ['/v2/%zz/manifests/1', 400, 'NAME_INVALID']
      ] as const
      for (const [path, status, code] of rows) {
        const answer = await fixture.send('GET', path, { headers })
        assert.equal(answer.status, status, path)
        assert.equal(answer.json.errors[0].code, code)
      }
    })

    it('lists referrers, by type where asked', async () => {
      const image = await fixture.registry.pushImage('app', '1')
      const subject = { digest: image.digest, mediaType: image.mediaType, size: image.size }
      const signature = await fixture.registry.push('app', 'sig', {
        bytes: Buffer.from('signed'),
        artifactType: 'application/signature',
        annotations: { by: 'test' },
        subject
      })
      const headers = await fixture.bearer(['repositories/app/content/read'], 'repository:app:pull')
      const all = await fixture.send('GET', `/v2/app/referrers/${image.digest}`, { headers })
      assert.equal(all.headers['content-type'], mediaTypes.ociIndex)
      assert.deepEqual(all.json.manifests, [
        {
          mediaType: mediaTypes.ociManifest,
          digest: signature.digest,
          size: signature.size,
          artifactType: 'application/signature',
          annotations: { by: 'test' }
        }
      ])
      const other = await fixture.send('GET', `/v2/app/referrers/${image.digest}?artifactType=a/b`, { headers })
      assert.deepEqual(other.json.manifests, [])
      assert.equal(other.headers['oci-filters-applied'], 'artifactType')
    })
  })

  describe('bad weather', () => {
    it('refuses the next so many requests with a Retry-After', async () => {
      fixture.registry.knobs.refuse = { next: 2, status: 429, retryAfter: 7 }
      for (const expected of [429, 429, 401]) {
        const answer = await fixture.send('GET', '/v2/')
        assert.equal(answer.status, expected)
        if (expected === 429) assert.equal(answer.headers['retry-after'], '7')
      }
    })

    it('refuses what is over a rate, until the bucket has filled again', async () => {
      fixture.registry.knobs.rate = { capacity: 2, perSecond: 0.5 }
      const statuses = []
      for (let request = 0; request < 3; request += 1) statuses.push((await fixture.send('GET', '/v2/')).status)
      assert.deepEqual(statuses, [401, 401, 429])
      fixture.clock += 2000
      assert.equal((await fixture.send('GET', '/v2/')).status, 401)
    })

    it('lets a blob trickle, whole', async () => {
      const { blobs } = await fixture.registry.pushImage('app', '1', { sizes: [30_000] })
      const layer = blobs.find((blob) => blob.size > 30_000)!
      const headers = await fixture.bearer(['repositories/app/content/read'], 'repository:app:pull')
      const { location } = (await fixture.send('GET', `/v2/app/blobs/${layer.digest}`, { headers })).headers
      fixture.registry.knobs.bytesPerSecond = 200_000
      assert.equal(digestOf((await fixture.send('GET', location!)).body), layer.digest)
    })

    it('breaks a blob off, and counts what it sent', async () => {
      const { blobs } = await fixture.registry.pushImage('app', '1', { sizes: [200_000] })
      const layer = blobs.find((blob) => blob.size > 200_000)!
      const headers = await fixture.bearer(['repositories/app/content/read'], 'repository:app:pull')
      const location = (await fixture.send('GET', `/v2/app/blobs/${layer.digest}`, { headers })).headers.location!
      fixture.registry.knobs.cut = { afterBytes: 50_000, times: 1 }
      await assert.rejects(fixture.send('GET', location))
      const rest = await fixture.send('GET', location, { headers: { range: 'bytes=50000-' } })
      assert.equal(rest.status, 206)
      const sent = fixture.registry.requests.filter(
        (request) => request.path.includes(layer.digest.slice(7)) && request.bytesSent > 1000
      )
      assert.deepEqual(
        sent.map(({ status, bytesSent, range }) => ({ status, bytesSent, range })),
        [
          { status: 200, bytesSent: 50_000, range: undefined },
          { status: 206, bytesSent: layer.size - 50_000, range: 'bytes=50000-' }
        ]
      )
    })
  })

  describe('generated images', () => {
    it('are the same for the same seed, and share layers of the same seed', async () => {
      const first = await fixture.registry.pushImage('a', '1', { seed: 's', layers: [{ seed: 'base', size: 100 }, {}] })
      const again = await fixture.registry.pushImage('b', '2', { seed: 's', layers: [{ seed: 'base', size: 100 }, {}] })
      const other = await fixture.registry.pushImage('c', '3', { seed: 't', layers: [{ seed: 'base', size: 100 }, {}] })
      assert.equal(first.digest, again.digest)
      assert.notEqual(first.digest, other.digest)
      const shared = first.blobs.filter((blob) => other.blobs.some(({ digest }) => digest === blob.digest))
      assert.equal(shared.length, 1)
    })
  })

  it('has Microsoft’s images at any tag, for anybody to read', async () => {
    const host = 'https://mcr.microsoft.com'
    assert.equal((await fixture.send('GET', `${host}/v2/`)).status, 200)
    const answer = await fixture.send('GET', `${host}/v2/azureiotedge-api-proxy/manifests/1.1.27`, { headers: accept })
    const child = answer.json.manifests[0].digest as string
    const path = `${host}/v2/azureiotedge-api-proxy`
    const image = (await fixture.send('GET', `${path}/manifests/${child}`, { headers: accept })).json
    const redirect = await fixture.send('GET', `${path}/blobs/${image.config.digest as string}`)
    const config = (await fixture.send('GET', redirect.headers.location!)).json
    assert.equal(config.config.Labels['org.opencontainers.image.title'], 'azureiotedge-api-proxy')
    assert.equal((await fixture.send('GET', `${host}/v2/nothing/manifests/1`, { headers: accept })).status, 404)
    assert.equal((await fixture.send('POST', `${path}/blobs/uploads/`)).status, 403)
  })
})
