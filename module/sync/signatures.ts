import { createHash } from 'node:crypto'
import type { Digest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import { isIndexMediaType } from '../oci/media-types.ts'
import type { Repository } from '../oci/name.ts'
import type { SignatureLayer } from './cosign.ts'
import type { ImageTree } from './image-tree.ts'
import type { PlannedImage } from './plan.ts'
import type { Content, ContentChange } from './ports.ts'
import type { SignaturePolicy } from './signature-policy.ts'

export type QuarantineCode = 'SIGNATURE_MISSING' | 'SIGNATURE_INVALID'

/** An image is not signed as its image sets demand: it stays in quarantine, unserved, and is looked at again in every pass. */
export class Quarantined extends Error {
  override readonly name = 'Quarantined'
  readonly code: QuarantineCode

  constructor(code: QuarantineCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Signatures are a few kilobytes. */
const largestSignature = 1024 * 1024
const mostReasons = 3

/**
 * Verifies what came with an image, before its layers are paid for: the digest that is signed covers them all.
 *
 * @param fetch brings a signature's bytes
 * @throws {Quarantined} where a set's demand is not met; what fetching throws
 */
export async function verifySignatures(
  content: Pick<Content, 'blobs'>,
  { repository, signatures: policy }: Pick<PlannedImage, 'repository' | 'signatures'>,
  digest: Digest,
  tree: ImageTree,
  fetch: (blob: Digest, size: number) => Promise<void>
): Promise<void> {
  if (policy.length === 0) return
  // Loaded by those who verify: a device without a policy does without the library's memory.
  const { refusalOfCosign, signatureMediaTypes } = await import('./cosign.ts')
  const layers = await collect(content, digest, tree, signatureMediaTypes, fetch)
  if (layers.length === 0)
    throw new Quarantined(
      'SIGNATURE_MISSING',
      `${nameOf(repository, digest)} is in quarantine: cosign has not signed it in the parent; sign it there (cosign sign --key), and the next pass takes it`
    )
  for (const publicKeys of policy) {
    const refusals = layers.map((layer) => refusalOfCosign(digest, layer, publicKeys))
    if (refusals.includes(undefined)) continue
    const reasons = [...new Set(refusals)].slice(0, mostReasons).join('; ')
    throw new Quarantined(
      'SIGNATURE_INVALID',
      `${nameOf(repository, digest)} is in quarantine: of ${layers.length} signatures none holds (${reasons}); sign it in the parent with a key of its image set, or correct signature.cosign.publicKeys`
    )
  }
}

/** Whether an image that is here was verified by this policy. */
export async function isVerified(
  index: Pick<Content['index'], 'state'>,
  { name, signatures }: Pick<PlannedImage, 'name' | 'signatures'>,
  digest: Digest
): Promise<boolean> {
  if (signatures.length === 0) return true
  const kept = (await index.state(keyOf(name))) as { readonly digest?: unknown; readonly policy?: unknown } | undefined
  return kept?.digest === digest && kept.policy === fingerprint(signatures)
}

/** To be applied with what moves the image's tag. */
export function rememberVerified(
  { name, signatures }: Pick<PlannedImage, 'name' | 'signatures'>,
  digest: Digest
): ContentChange[] {
  if (signatures.length === 0) return []
  return [{ kind: 'setState', key: keyOf(name), value: { digest, policy: fingerprint(signatures) } }]
}

/** To be applied with what takes an image away. */
export function forgetVerified(image: string): ContentChange {
  return { kind: 'setState', key: keyOf(image), value: undefined }
}

async function collect(
  content: Pick<Content, 'blobs'>,
  digest: Digest,
  { manifests }: ImageTree,
  mediaTypes: readonly string[],
  fetch: (blob: Digest, size: number) => Promise<void>
): Promise<SignatureLayer[]> {
  const layers: SignatureLayer[] = []
  for (const manifest of manifests) {
    if (manifest.digest === digest || isIndexMediaType(manifest.mediaType)) continue
    const { blobs } = readManifest(await content.blobs.bytes(manifest.digest), manifest.mediaType)
    for (const { mediaType, annotations, digest: blob, size } of blobs) {
      if (!mediaTypes.includes(mediaType) || size > largestSignature) continue
      await fetch(blob, size)
      layers.push({ mediaType, annotations, bytes: await content.blobs.bytes(blob) })
    }
  }
  return layers
}

function fingerprint(policy: SignaturePolicy): string {
  return createHash('sha256').update(JSON.stringify(policy)).digest('hex').slice(0, 16)
}

function keyOf(image: string): string {
  return `sync.verified/${image}`
}

function nameOf(repository: Repository, digest: Digest): string {
  return `${repository}@${digest}`
}
