import assert from 'node:assert/strict'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { putBlob } from '../storage/contract.ts'
import { app, codeOf, layer, manifest, useWorld, lastingHeaders } from './world.test.ts'

describe('registry: manifests', () => {
  const world = useWorld()

  it('are served by tag and digest as they are, HEAD like GET', async () => {
    for (const [reference, cached] of [
      ['1.0', undefined],
      [digestOf(manifest), 'private, max-age=31536000, immutable'],
      [digestOf(manifest).replace(':', '%3A'), 'private, max-age=31536000, immutable']
    ] as const) {
      const path = `/v2/samples/app/manifests/${reference}?ns=docker.io`
      const answer = await world.get(path, { accept: 'application/vnd.docker.distribution.manifest.v1+json' })
      assert.equal(answer.status, 200)
      assert.ok(answer.body.equals(manifest))
      assert.equal(answer.headers['content-type'], mediaTypes.ociManifest)
      assert.equal(answer.headers['content-length'], String(manifest.length))
      assert.equal(answer.headers['docker-content-digest'], digestOf(manifest))
      assert.equal(answer.headers['etag'], `"${digestOf(manifest)}"`)
      assert.equal(answer.headers['cache-control'], cached)
      const head = await world.send('HEAD', path)
      assert.equal(head.body.length, 0)
      assert.deepEqual(lastingHeaders(head.headers), lastingHeaders(answer.headers))
    }
  })

  it('are not sent again to who has them', async () => {
    const etag = `"${digestOf(manifest)}"`
    for (const value of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await world.get('/v2/samples/app/manifests/1.0', { 'if-none-match': value })
      assert.equal(answer.status, 304)
      assert.equal(answer.body.length, 0)
      assert.equal(answer.headers['etag'], etag)
    }
    assert.equal((await world.get('/v2/samples/app/manifests/1.0', { 'if-none-match': '"other"' })).status, 200)
  })

  it('that are not here are 404 at once, and somebody is told', async () => {
    const absent = digestOf('absent')
    for (const [path, code] of [
      ['/v2/samples/app/manifests/9.9', 'MANIFEST_UNKNOWN'],
      [`/v2/samples/app/manifests/${absent}`, 'MANIFEST_UNKNOWN'],
      ['/v2/samples/unknown/manifests/1.0', 'NAME_UNKNOWN'],
      // A layer is no manifest.
      [`/v2/samples/app/manifests/${digestOf(layer)}`, 'MANIFEST_UNKNOWN']
    ] as const) {
      const answer = await world.get(path)
      assert.equal(answer.status, 404)
      assert.equal(codeOf(answer), code)
      const head = await world.send('HEAD', path)
      assert.equal(head.status, 404)
      assert.equal(head.headers['content-length'], answer.headers['content-length'])
    }
    assert.deepEqual(world.missing.slice(0, 3), ['samples/app 9.9', 'samples/app 9.9', `samples/app ${absent}`])
    world.missing.length = 0
    await world.get('/v2/private/app/manifests/9.9')
    assert.deepEqual(world.missing, [], 'who may not have it cannot ask for it')
  })

  it('whose bytes were lost from the disk are like those that never came', async () => {
    const bytes = Buffer.from('{"schemaVersion":2,"lost":true}')
    const digest = await putBlob(world.storage, bytes)
    await world.storage.index.apply([
      { kind: 'putManifest', repository: app, digest, mediaType: mediaTypes.ociManifest, size: bytes.length }
    ])
    await world.storage.blobs.remove(digest)
    assert.equal(codeOf(await world.get(`/v2/samples/app/manifests/${digest}`)), 'MANIFEST_UNKNOWN')
    assert.deepEqual(world.missing, [`samples/app ${digest}`])
    await world.storage.index.apply([{ kind: 'removeManifest', repository: app, digest }])
  })

  it('are 400 where the reference is neither tag nor digest', async () => {
    assert.equal(codeOf(await world.get('/v2/samples/app/manifests/sha256:baddigeststring')), 'DIGEST_INVALID')
    assert.equal(codeOf(await world.get(`/v2/samples/app/manifests/${'x'.repeat(200)}`)), 'TAG_INVALID')
    assert.equal(codeOf(await world.get('/v2/Samples/App/manifests/1.0')), 'NAME_INVALID')
    assert.equal(codeOf(await world.get('/v2/samples/app/manifests/%ff')), 'NAME_INVALID')
  })
})
