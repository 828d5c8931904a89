import { createHash } from 'node:crypto'
import { OciError } from './errors.ts'

/** A content digest such as `sha256:<64 hex>`, checked once at the edge and trusted inside. */
export type Digest = string & { readonly __brand: 'Digest' }

/** Algorithms the registered set of the image spec names, with the length of their hex form. */
const hexLengths = { sha256: 64, sha512: 128 } as const

export type DigestAlgorithm = keyof typeof hexLengths

/**
 * Parses a digest.
 *
 * @param text what a client, a manifest or a file name says
 * @throws {OciError} `DIGEST_INVALID` for an unknown algorithm, a wrong length or upper-case hex
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
 */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new OciError('DIGEST_INVALID', `not a sha256 or sha512 digest: ${text.slice(0, 150)}`)
  return text
}

/** Whether `text` is a digest this registry can verify. */
export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(':')
  const algorithm = text.slice(0, Math.max(colon, 0))
  if (!Object.hasOwn(hexLengths, algorithm)) return false
  const hex = text.slice(colon + 1)
  return hex.length === hexLengths[algorithm as DigestAlgorithm] && /^[0-9a-f]+$/.test(hex)
}

const noDigest = /(?:^| )(?!sha256:[0-9a-f]{64}(?: |$)|sha512:[0-9a-f]{128}(?: |$))/

/** Whether `text` is digests with a space between each two: ten thousand are looked at in a millisecond. */
export function areDigests(text: string): boolean {
  return !noDigest.test(text)
}

/** The algorithm part of a digest. */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm
}

/** The hex part of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** The digest of bytes already in memory. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}
