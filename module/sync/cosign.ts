import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import {
  bundleFromJSON,
  isBundleWithDsseEnvelope,
  isBundleWithPublicKey,
  toMessageSignatureBundle
} from '@sigstore/bundle'
import { toSignedEntity, Verifier, type SignedEntity } from '@sigstore/verify'
import { algorithmOf, hexOf, type Digest } from '../oci/digest.ts'

/** The layer of a manifest that cosign 3 attaches (https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md). */
const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
/** The layer of one that older releases attach (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md). */
const simpleMediaType = 'application/vnd.dev.cosign.simplesigning.v1+json'
const simpleSignature = 'dev.cosignproject.cosign/signature'
const simpleType = 'cosign container image signature'
const statementMediaType = 'application/vnd.in-toto+json'
/** Attestations come in bundles too, and say something about an image; that it may run is said by this alone. */
const signPredicate = 'https://sigstore.dev/cosign/sign/v1'

export const signatureMediaTypes: readonly string[] = [bundleMediaType, simpleMediaType]

/** A layer that may hold a signature. */
export interface SignatureLayer {
  readonly mediaType: string
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly bytes: Uint8Array
}

/**
 * Whether cosign signed a manifest with one of some keys. Entries of transparency logs and time stamps, which only keyless
 * signatures need, are not looked at: the key is what is trusted.
 *
 * @param publicKeys PEM
 * @returns undefined where it did, else why this is no such signature
 */
export function refusalOfCosign(
  subject: Digest,
  layer: SignatureLayer,
  publicKeys: readonly string[]
): string | undefined {
  try {
    const entity =
      layer.mediaType === bundleMediaType ? ofBundle(subject, layer.bytes) : ofSimpleSigning(subject, layer)
    return publicKeys.some((pem) => isSignedBy(entity, createPublicKey(pem)))
      ? undefined
      : 'it was made with another key, or its content was changed'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function ofBundle(subject: Digest, bytes: Uint8Array): SignedEntity {
  const bundle = bundleFromJSON(JSON.parse(Buffer.from(bytes).toString()))
  if (!isBundleWithPublicKey(bundle)) throw new Error('it was made with a certificate, not with a key')
  if (!isBundleWithDsseEnvelope(bundle)) throw new Error('it is no signed statement')
  const { payload, payloadType } = bundle.content.dsseEnvelope
  if (payloadType !== statementMediaType) throw new Error(`it signs ${payloadType}, which is no statement`)
  const { predicateType, subject: about } = JSON.parse(payload.toString()) as {
    predicateType?: unknown
    subject?: readonly { readonly digest?: Readonly<Record<string, unknown>> }[]
  }
  if (predicateType !== signPredicate) throw new Error('it is an attestation, not a signature')
  if (about?.some(({ digest }) => digest?.[algorithmOf(subject)] === hexOf(subject)) !== true)
    throw new Error('it is for another image')
  return toSignedEntity(bundle)
}

function ofSimpleSigning(subject: Digest, { annotations, bytes }: SignatureLayer): SignedEntity {
  const signature = annotations?.[simpleSignature]
  if (signature === undefined) throw new Error('its manifest holds no signature')
  const payload = Buffer.from(bytes)
  const { critical } = JSON.parse(payload.toString()) as {
    critical?: { readonly type?: unknown; readonly image?: Readonly<Record<string, unknown>> }
  }
  if (critical?.type !== simpleType) throw new Error('it signs something else than an image')
  if (critical.image?.['docker-manifest-digest'] !== subject) throw new Error('it is for another image')
  return toSignedEntity(
    toMessageSignatureBundle({
      digest: createHash('sha256').update(payload).digest(),
      signature: Buffer.from(signature, 'base64'),
      keyHint: ''
    }),
    payload
  )
}

function isSignedBy(entity: SignedEntity, publicKey: KeyObject): boolean {
  const verifier = new Verifier(
    {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [],
      ctlogs: [],
      // Whatever key the signature says it was made with: it has to verify with this one.
      publicKey: () => ({ publicKey, validFor: () => true })
    },
    { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }
  )
  try {
    verifier.verify({ ...entity, tlogEntries: [], timestamps: [] })
    return true
  } catch {
    return false
  }
}
