import { isDigest, type Digest } from './digest.ts'
import { OciError } from './errors.ts'
import { isIndexMediaType, isMediaType, mediaTypes } from './media-types.ts'

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: { readonly os?: string; readonly architecture?: string; readonly variant?: string }
  readonly urls?: readonly string[]
}

/** What a registry needs to know of a manifest's bytes; the bytes themselves stay as they were pushed. */
export interface ManifestContents {
  readonly mediaType: string
  /** Whether the document has that type itself. The same bytes may be here and there with different ones where it has none. */
  readonly isTyped: boolean
  /** Child manifests, for an index. */
  readonly manifests: readonly Descriptor[]
  /** Config and layers that a registry is expected to hold (those with `urls` are fetched from elsewhere). */
  readonly blobs: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  /** It has what an index has and what an image has: to one client it is the one, to the next the other (CVE-2021-41190). */
  readonly isAmbiguous: boolean
}

/**
 * Objects, lists and what stands in them. A manifest of 8 MiB with nothing but the shortest descriptors has fewer; what has more
 * takes a hundred times its bytes when it is read.
 */
const mostParts = 400_000

/**
 * Reads what a manifest refers to.
 *
 * @param bytes the manifest exactly as pushed or fetched
 * @param contentType the Content-Type it came with; the document's own `mediaType` must agree when it has one
 * @throws {OciError} `MANIFEST_INVALID` with what is wrong
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export function readManifest(bytes: Uint8Array, contentType?: string): ManifestContents {
  const document = parseObject(bytes)
  const type = text(contentType?.split(';', 1)[0]?.trim().toLowerCase())
  const own = text(document['mediaType'])
  const mediaType = own ?? type ?? guess(document)
  // It becomes the Content-Type of every answer that serves these bytes: what no header can carry would fail them all.
  if (!isMediaType(mediaType)) throw invalid('mediaType must be type/subtype (RFC 6838), of 127 characters each')
  if (type !== undefined && type !== mediaType && type !== 'application/json' && type !== 'application/octet-stream')
    throw invalid(`Content-Type ${type} differs from the manifest's mediaType ${mediaType}`)
  if (document['schemaVersion'] !== 2) throw invalid('schemaVersion must be 2')
  const index = isIndexMediaType(mediaType)
  const config = document['config'] === undefined ? [] : [descriptor(document['config'], 'config')]
  const layers = descriptors(document['layers'], 'layers').filter((layer) => !isForeign(layer))
  // Where it is missing, an image manifest is what its config is (distribution-spec, "Listing Referrers").
  const artifactType = text(document['artifactType']) ?? config[0]?.mediaType
  return {
    mediaType,
    isTyped: own !== undefined,
    manifests: index ? descriptors(document['manifests'], 'manifests') : [],
    blobs: index ? [] : [...config, ...layers],
    ...(document['subject'] ? { subject: descriptor(document['subject'], 'subject') } : {}),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(isRecord(document['annotations'])
      ? { annotations: document['annotations'] as Readonly<Record<string, string>> }
      : {}),
    isAmbiguous:
      document['manifests'] !== undefined && (document['layers'] !== undefined || document['config'] !== undefined)
  }
}

/** What a registry files a manifest under, so that whoever asks for the referrers of its subject finds it. */
export function referenceOf({ subject, artifactType }: ManifestContents): {
  readonly subject?: Digest
  readonly artifactType?: string
} {
  if (subject === undefined) return {}
  return { subject: subject.digest, ...(artifactType === undefined ? {} : { artifactType }) }
}

/** Non-distributable layers stay where their `urls` say; registries need not hold them (image-spec, layer.md). */
function isForeign(layer: Descriptor): boolean {
  return (layer.urls?.length ?? 0) > 0 && /nondistributable|\.foreign\./.test(layer.mediaType)
}

/** Empty counts as missing: clients written in Go cannot tell the two apart. */
function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function guess(document: Record<string, unknown>): string {
  return Array.isArray(document['manifests']) ? mediaTypes.ociIndex : mediaTypes.ociManifest
}

function descriptors(value: unknown, where: string): Descriptor[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid(`${where} must be an array`)
  return value.map((entry, position) => descriptor(entry, `${where}[${position}]`))
}

function descriptor(value: unknown, where: string): Descriptor {
  if (!isRecord(value)) throw invalid(`${where} must be an object`)
  const { mediaType, digest, size } = value
  if (typeof mediaType !== 'string') throw invalid(`${where}.mediaType must be a string`)
  if (typeof digest !== 'string' || !isDigest(digest)) throw invalid(`${where}.digest must be a digest`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${where}.size must be a whole number of bytes`)
  return value as unknown as Descriptor
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  if (hasTooManyParts(bytes)) throw invalid(`more than ${mostParts} parts`)
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw invalid('not JSON', cause)
  }
  if (!isRecord(document)) throw invalid('must be a JSON object')
  return document
}

/**
 * Whether something answered a manifest, and not a page or an error of its own. Every manifest has one of these names, schema 1 too;
 * what is wrong with it otherwise is for {@link readManifest}, also that it is too large to be parsed here.
 */
export function looksLikeManifest(bytes: Uint8Array): boolean {
  if (hasTooManyParts(bytes)) return true
  try {
    const document = JSON.parse(new TextDecoder().decode(bytes)) as {
      schemaVersion?: unknown
      mediaType?: unknown
    } | null
    return document?.schemaVersion !== undefined || document?.mediaType !== undefined
  } catch {
    return false
  }
}

function hasTooManyParts(bytes: Uint8Array): boolean {
  return bytes.length > mostParts && countParts(bytes) > mostParts
}

/** By their signs outside of strings, before anything is made of them. In what is no JSON the number means nothing. */
function countParts(bytes: Uint8Array): number {
  const [quote, backslash, comma, list, object] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b] as const
  let count = 0
  let quoted = false
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === quote) quoted = !quoted
    else if (quoted) {
      if (byte === backslash) at += 1
    } else if (byte === comma || byte === list || byte === object) count += 1
  }
  return count
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string, cause?: unknown): OciError {
  return new OciError('MANIFEST_INVALID', `manifest invalid: ${message}`, { cause })
}
