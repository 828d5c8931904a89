import assert from 'node:assert/strict'
import { digestOf } from './digest.ts'
import { looksLikeManifest, readManifest } from './manifest.ts'
import { mediaTypes } from './media-types.ts'

const descriptor = (mediaType: string, content: string) => ({
  mediaType,
  digest: digestOf(content),
  size: content.length
})
const config = descriptor('application/vnd.oci.image.config.v1+json', '{}')
const layer = descriptor('application/vnd.oci.image.layer.v1.tar+gzip', 'layer')
const bytes = (document: unknown) => Buffer.from(JSON.stringify(document))

describe('looksLikeManifest', () => {
  it('knows manifests of every kind from pages and other JSON', () => {
    for (const text of ['{"schemaVersion":1}', '{"mediaType":"a/b"}']) assert.ok(looksLikeManifest(Buffer.from(text)))
    for (const text of ['<html>', '{}', 'null', '[]']) assert.ok(!looksLikeManifest(Buffer.from(text)), text)
  })

  it('parses nothing that would take a hundred times its bytes, and leaves that to be refused', () => {
    assert.ok(looksLikeManifest(Buffer.from('['.repeat(500_000))))
  })
})

describe('readManifest', () => {
  it('lists config and layers of an image', () => {
    const read = readManifest(bytes({ schemaVersion: 2, config, layers: [layer] }), mediaTypes.ociManifest)
    assert.deepEqual(read.blobs, [config, layer])
    assert.deepEqual(read.manifests, [])
    assert.equal(read.mediaType, mediaTypes.ociManifest)
    assert.equal(read.artifactType, config.mediaType)
  })

  it("lists the children of an index, and of Docker's manifest list", () => {
    const child = descriptor(mediaTypes.ociManifest, 'child')
    for (const mediaType of [mediaTypes.ociIndex, mediaTypes.dockerManifestList])
      assert.deepEqual(readManifest(bytes({ schemaVersion: 2, mediaType, manifests: [child] })).manifests, [child])
  })

  it('does not expect non-distributable layers', () => {
    const foreign = {
      ...descriptor('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'windows'),
      urls: ['https://example.com/layer']
    }
    const read = readManifest(
      bytes({ schemaVersion: 2, mediaType: mediaTypes.dockerManifest, config, layers: [foreign, layer] })
    )
    assert.deepEqual(read.blobs, [config, layer])
  })

  it('keeps subject, artifactType and annotations for referrers', () => {
    const read = readManifest(
      bytes({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        artifactType: 'application/spdx+json',
        config,
        layers: [],
        subject: layer,
        annotations: { a: 'b' }
      })
    )
    assert.equal(read.artifactType, 'application/spdx+json')
    assert.deepEqual(read.subject, layer)
    assert.deepEqual(read.annotations, { a: 'b' })
  })

  it('takes an empty mediaType for a missing one', () => {
    const document = bytes({ schemaVersion: 2, mediaType: '', manifests: [] })
    assert.equal(readManifest(document).mediaType, mediaTypes.ociIndex)
    assert.equal(readManifest(document, mediaTypes.dockerManifestList).mediaType, mediaTypes.dockerManifestList)
  })

  for (const [what, document, contentType] of [
    ['an array', [], undefined],
    ['schema version 1', { schemaVersion: 1 }, undefined],
    ['a Content-Type that differs', { schemaVersion: 2, mediaType: mediaTypes.ociIndex }, mediaTypes.ociManifest],
    ['a mediaType that no header can carry', { schemaVersion: 2, mediaType: 'application/x\nfoo: bar' }, undefined],
    ['a mediaType beyond ASCII', { schemaVersion: 2, mediaType: 'application/vnd.\u00fc' }, 'application/json'],
    ['a mediaType without a subtype', { schemaVersion: 2, mediaType: 'a b c' }, 'application/octet-stream'],
    ['a mediaType that is too long', { schemaVersion: 2, mediaType: `a/${'x'.repeat(128)}` }, undefined],
    ['a Content-Type that is no type', { schemaVersion: 2 }, 'a b c'],
    ['layers that are no array', { schemaVersion: 2, layers: {} }, undefined],
    ['a layer without a digest', { schemaVersion: 2, layers: [{ mediaType: 'x', size: 1 }] }, undefined],
    ['a negative size', { schemaVersion: 2, layers: [{ ...layer, size: -1 }] }, undefined]
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(() => readManifest(bytes(document), contentType), { code: 'MANIFEST_INVALID' })
    })

  it('refuses what is not JSON, and not UTF-8', () => {
    assert.throws(() => readManifest(Buffer.from('{')), { code: 'MANIFEST_INVALID' })
    assert.throws(() => readManifest(Buffer.from([0x22, 0xff, 0x22])), { code: 'MANIFEST_INVALID' })
  })
})
