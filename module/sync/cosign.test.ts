import assert from 'node:assert/strict'
import { digestOf, type Digest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import { refusalOfCosign, type SignatureLayer } from './cosign.ts'
import { cosignFixture } from './testing/cosign-fixture.ts'

const { attestationManifest, blobs, bundleManifest, digest, otherPublicKey, publicKey, simpleManifest } = cosignFixture

/** The last layer of a manifest of the fixture. */
function layerOf(manifest: string): SignatureLayer {
  const layer = readManifest(Buffer.from(manifest)).blobs.at(-1) ?? assert.fail()
  const bytes = blobs.map((blob) => Buffer.from(blob)).find((blob) => digestOf(blob) === layer.digest) ?? assert.fail()
  return { ...layer, bytes }
}

describe("sync: cosign's signatures", () => {
  const bundle = layerOf(bundleManifest)
  const simple = layerOf(simpleManifest)
  const elsewhere = digestOf(Buffer.from('another image'))

  const cases: [name: string, layer: SignatureLayer, keys: readonly string[], subject: Digest, refusal?: RegExp][] = [
    ['takes a bundle by its key', bundle, [publicKey], digest],
    ['takes the older form by its key', simple, [publicKey], digest],
    ['takes any of several keys', bundle, [otherPublicKey, publicKey], digest],
    ['refuses a bundle of another key', bundle, [otherPublicKey], digest, /another key/],
    ['refuses the older form of another key', simple, [otherPublicKey], digest, /another key/],
    ['refuses a bundle for another image', bundle, [publicKey], elsewhere, /another image/],
    ['refuses the older form for another image', simple, [publicKey], elsewhere, /another image/],
    ['refuses an attestation', layerOf(attestationManifest), [publicKey], digest, /attestation/],
    [
      'refuses the older form without its signature',
      { ...simple, annotations: {} },
      [publicKey],
      digest,
      /no signature/
    ]
  ]
  for (const [name, layer, keys, subject, refusal] of cases)
    it(name, () => {
      const answer = refusalOfCosign(subject, layer, keys)
      if (refusal === undefined) assert.equal(answer, undefined)
      else assert.match(answer ?? '', refusal)
    })

  it('refuses a statement that was changed to name another image', () => {
    const document = JSON.parse(Buffer.from(bundle.bytes).toString()) as { dsseEnvelope: { payload: string } }
    const statement = Buffer.from(document.dsseEnvelope.payload, 'base64').toString()
    const changed = statement.replace(digest.slice('sha256:'.length), elsewhere.slice('sha256:'.length))
    assert.notEqual(changed, statement)
    document.dsseEnvelope.payload = Buffer.from(changed).toString('base64')
    const bytes = Buffer.from(JSON.stringify(document))
    assert.match(refusalOfCosign(elsewhere, { ...bundle, bytes }, [publicKey]) ?? '', /content was changed/)
  })

  it('refuses an older payload that was changed to name another image', () => {
    const bytes = Buffer.from(Buffer.from(simple.bytes).toString().replace(digest, elsewhere))
    assert.match(refusalOfCosign(elsewhere, { ...simple, bytes }, [publicKey]) ?? '', /content was changed/)
  })

  it('refuses what is no signature at all', () => {
    for (const text of ['', '{}', 'null', '[]', '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}'])
      for (const layer of [bundle, simple])
        assert.equal(
          typeof refusalOfCosign(digest, { ...layer, bytes: Buffer.from(text) }, [publicKey]),
          'string',
          text
        )
  })
})
