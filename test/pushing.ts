import { randomBytes } from 'node:crypto'
import { digestOf, type Digest } from '../module/oci/digest.ts'
import { mediaTypes } from '../module/oci/media-types.ts'

/** Milliseconds that one request on loopback may take. */
const patience = 20_000

export interface Target {
  /** `http://host:port` */
  readonly origin: string
  readonly user: string
  readonly password: string
}

export interface PushedImage {
  readonly digest: Digest
  /** Of the manifest and its blobs. */
  readonly bytes: number
  readonly blobs: readonly Digest[]
}

/**
 * Pushes an image, as a client does.
 *
 * @returns once the registry has acknowledged all of it
 * @throws {Error} where it has not
 */
export async function pushImage(
  target: Target,
  repository: string,
  tag: string,
  layers: readonly Buffer[]
): Promise<PushedImage> {
  const config = Buffer.from(JSON.stringify({ os: 'linux', noise: randomBytes(8).toString('hex') }))
  const blobs = [config, ...layers]
  for (const blob of blobs) await pushBlob(target, repository, blob)
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length })
  const manifest = await pushManifest(target, repository, tag, {
    mediaType: mediaTypes.ociManifest,
    config: describe('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map((layer) => describe('application/vnd.oci.image.layer.v1.tar', layer))
  })
  const bytes = [manifest, ...blobs].reduce((sum, { length }) => sum + length, 0)
  return { digest: digestOf(manifest), bytes, blobs: blobs.map((blob) => digestOf(blob)) }
}

async function pushBlob(target: Target, repository: string, blob: Buffer): Promise<void> {
  const begun = await send(target, 'POST', `/v2/${repository}/blobs/uploads/`, 202)
  const place = new URL(begun.headers.get('location') ?? '', target.origin)
  place.searchParams.set('digest', digestOf(blob))
  await send(target, 'PUT', place.href, 201, blob)
}

/** Pushes a manifest alone, whatever it names; its bytes. */
export async function pushManifest(
  target: Target,
  repository: string,
  tag: string,
  document: Readonly<Record<string, unknown>> & { readonly mediaType: string }
): Promise<Buffer> {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
  await send(target, 'PUT', `/v2/${repository}/manifests/${tag}`, 201, bytes, document.mediaType)
  return bytes
}

/** What a registry answers to a GET, its body aside. */
export async function statusAt(target: Target, path: string): Promise<number> {
  const answer = await fetch(new URL(path, target.origin), {
    headers: { accept: `${mediaTypes.ociManifest}, ${mediaTypes.ociIndex}`, ...authorization(target) },
    signal: AbortSignal.timeout(patience)
  })
  await answer.body?.cancel()
  return answer.status
}

/** Deletes a tag, or a manifest by its digest. */
export async function deleteImage(target: Target, repository: string, reference: string): Promise<void> {
  await send(target, 'DELETE', `/v2/${repository}/manifests/${reference}`, 202)
}

/** What a tag names; undefined where there is no such tag. */
export async function digestAt(target: Target, repository: string, tag: string): Promise<string | undefined> {
  const answer = await fetch(new URL(`/v2/${repository}/manifests/${tag}`, target.origin), {
    method: 'HEAD',
    headers: { accept: mediaTypes.ociManifest, ...authorization(target) },
    signal: AbortSignal.timeout(patience)
  })
  return answer.status === 200 ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined
}

/** A blob's bytes. */
export async function pullBlob(target: Target, repository: string, digest: string): Promise<Buffer> {
  const answer = await send(target, 'GET', `/v2/${repository}/blobs/${digest}`, 200)
  return Buffer.from(await answer.arrayBuffer())
}

async function send(
  target: Target,
  method: string,
  path: string,
  expected: number,
  body?: Buffer,
  contentType = 'application/octet-stream'
): Promise<Response> {
  const answer = await fetch(new URL(path, target.origin), {
    method,
    headers: { ...authorization(target), ...(body === undefined ? {} : { 'content-type': contentType }) },
    ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    signal: AbortSignal.timeout(patience)
  })
  if (answer.status === expected) return answer
  throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
}

function authorization({ user, password }: Target): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}
