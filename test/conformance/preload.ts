import assert from 'node:assert/strict'
import { digestOf, type Digest } from '../../module/oci/digest.ts'
import { mediaTypes } from '../../module/oci/media-types.ts'

/** What was pushed for a registry that can only be read. */
export interface Preloaded {
  readonly tags: readonly string[]
  readonly manifests: readonly Digest[]
  readonly blobs: readonly Digest[]
  /** Digests that have referrers. */
  readonly subjects: readonly Digest[]
}

/** Pushes an image for two platforms, and a signature that refers to it. */
export async function preload(origin: string, authorization: string, repository: string): Promise<Preloaded> {
  const put = async (path: string, body: Buffer, type: string, method = 'PUT'): Promise<void> => {
    const response = await fetch(`${origin}/v2/${repository}/${path}`, {
      method,
      headers: { authorization, 'content-type': type },
      body: new Uint8Array(body)
    })
    assert.equal(response.status, 201, await response.text())
  }
  const blobs: Digest[] = []
  const blob = async (text: string, mediaType: string): Promise<object> => {
    const digest = digestOf(text)
    await put(`blobs/uploads/?digest=${digest}`, Buffer.from(text), 'application/octet-stream', 'POST')
    blobs.push(digest)
    return { mediaType, digest, size: text.length }
  }
  const manifests: Digest[] = []
  const manifest = async (document: object, mediaType: string, tag?: string): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }))
    const digest = digestOf(bytes)
    await put(`manifests/${tag ?? digest}`, bytes, mediaType)
    manifests.push(digest)
    return { mediaType, digest, size: bytes.length }
  }
  const images: Descriptor[] = []
  for (const architecture of ['amd64', 'arm64'])
    images.push(
      await manifest(
        {
          config: await blob(JSON.stringify({ architecture, os: 'linux' }), 'application/vnd.oci.image.config.v1+json'),
          layers: [await blob(`a layer for ${architecture}`, 'application/vnd.oci.image.layer.v1.tar')]
        },
        mediaTypes.ociManifest
      )
    )
  const index = await manifest({ manifests: images }, mediaTypes.ociIndex, 'latest')
  const signature = {
    artifactType: 'application/vnd.example.signature',
    config: await blob('{}', 'application/vnd.oci.empty.v1+json'),
    layers: [await blob('a signature', 'application/vnd.example.signature')],
    subject: index,
    annotations: { 'org.example.signed-by': 'nobody' }
  }
  await manifest(signature, mediaTypes.ociManifest, 'signature')
  return { tags: ['latest', 'signature'], manifests, blobs, subjects: [index.digest] }
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}
