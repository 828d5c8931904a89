import { digestOf, isDigest, type Digest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { isRepository, type Repository } from '../oci/name.ts'
import { artifactReference } from './artifact-reference.ts'
import { readSettings, type SettingsProblem, type SettingsReading } from './validate.ts'

/** What an artifact with settings says it is; its one layer is JSON of the same type. */
export const settingsArtifactType = 'application/vnd.causeway.settings.v1+json'

/**
 * The sections that an artifact may hold: those that grow. Tokens with their hashes, and the parent's password, stay in the twin,
 * which only the module reads: an artifact is read by whoever may read its repository.
 */
export const artifactSections = ['imageSets', 'scopeMaps'] as const
export type ArtifactSections = Partial<Record<(typeof artifactSections)[number], Readonly<Record<string, unknown>>>>

/** Bytes: 500 actions take 30 kB, and nobody needs more than a hundred such scope maps. */
export const largestSettingsArtifact = 4 * 1024 * 1024

/** The same, as it was read. */
export interface ArtifactReference {
  readonly repository: Repository
  readonly digest: Digest
}

/** An artifact as it is pushed. */
export interface PackedArtifact {
  readonly digest: Digest
  readonly manifest: Buffer
  /** Config and content. */
  readonly blobs: readonly Buffer[]
}

/** Makes an artifact of settings; the same settings give the same digest. */
export function packArtifact(sections: ArtifactSections): PackedArtifact {
  const content = Buffer.from(sortedJson({ schemaVersion: '1.0', ...sections }))
  const empty = Buffer.from('{}')
  const describe = (mediaType: string, bytes: Buffer): object => {
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: settingsArtifactType,
      config: describe('application/vnd.oci.empty.v1+json', empty),
      layers: [describe(settingsArtifactType, content)]
    })
  )
  return { digest: digestOf(manifest), manifest, blobs: [empty, content] }
}

/** An artifact that is none of settings, and never will be: its digest says which bytes it has. */
export class SettingsArtifactError extends Error {
  override readonly name = 'SettingsArtifactError'
}

/**
 * Where the settings of an artifact are.
 *
 * @param manifest whose digest was checked
 * @throws {SettingsArtifactError}
 */
export function contentOf(manifest: Uint8Array): { readonly digest: Digest; readonly size: number } {
  let read
  try {
    read = readManifest(manifest)
  } catch (cause) {
    throw new SettingsArtifactError('it is no image manifest', { cause })
  }
  const content = read.blobs.filter(({ mediaType }) => mediaType === settingsArtifactType)
  const [one, ...more] = content
  if (one === undefined || more.length > 0 || read.artifactType !== settingsArtifactType)
    throw new SettingsArtifactError(`it is no artifact of type ${settingsArtifactType} with one layer of that type`)
  if (one.size > largestSettingsArtifact)
    throw new SettingsArtifactError(`it has ${one.size} bytes, and at most ${largestSettingsArtifact} are taken`)
  return one
}

/** Keys that this release does not know are warned about where the whole document is read. */
const leniently = artifactReference.strip()

/** The artifact that a document names: undefined where it names none. */
export function referenceOf(
  document: Readonly<Record<string, unknown>>
): ArtifactReference | readonly SettingsProblem[] | undefined {
  const written = document['settingsArtifact']
  if (written === undefined) return undefined
  const reading = leniently.safeParse(written)
  if (!reading.success)
    return reading.error.issues.map(({ path, message }) => ({
      path: ['settingsArtifact', ...path].map(String).join('.'),
      reason: message
    }))
  const { repository, digest } = reading.data
  return isRepository(repository) && isDigest(digest) ? { repository, digest } : []
}

/**
 * Validates a document together with the artifact that it names, as one: nothing applies where either is wrong.
 *
 * @param content the artifact's, whose digest was checked
 * @returns paths in the artifact begin with `settingsArtifact.`
 */
export function readWithArtifact(document: Readonly<Record<string, unknown>>, content: Uint8Array): SettingsReading {
  const parsed = parse(content)
  if (parsed === undefined) return { ok: false, errors: [problem('', 'it is not JSON, or no object')] }
  const { schemaVersion, ...sections } = parsed
  if (typeof schemaVersion !== 'string' || !/^1\.\d+$/.test(schemaVersion))
    return { ok: false, errors: [problem('schemaVersion', 'must be 1.0')] }
  const errors: SettingsProblem[] = []
  const merged: Record<string, unknown> = { ...document }
  for (const [section, entries] of Object.entries(sections)) {
    if (!(artifactSections as readonly string[]).includes(section))
      errors.push(
        problem(section, `only ${artifactSections.join(' and ')} may stand in an artifact, which others can read`)
      )
    else if (!isRecord(entries)) errors.push(problem(section, 'must be an object'))
    else {
      const here = isRecord(document[section]) ? document[section] : {}
      for (const name of Object.keys(entries))
        if (Object.hasOwn(here, name))
          errors.push(problem(`${section}.${name}`, 'stands in the twin too: one of them has to go'))
      merged[section] = { ...entries, ...here }
    }
  }
  if (errors.length > 0) return { ok: false, errors }
  const reading = readSettings(merged)
  const named = (problems: readonly SettingsProblem[]): SettingsProblem[] =>
    problems.map(({ path, reason }) => ({ path: isIn(sections, path) ? `settingsArtifact.${path}` : path, reason }))
  return reading.ok ? { ...reading, warnings: named(reading.warnings) } : { ok: false, errors: named(reading.errors) }
}

/**
 * Reads a document as one with the artifact that it names, where it names one.
 *
 * @param kept gives the artifact's content, undefined where it is not here
 * @returns undefined where the artifact is not here
 */
export async function readKept(
  document: Readonly<Record<string, unknown>>,
  kept: (digest: Digest) => Promise<Uint8Array | undefined>
): Promise<SettingsReading | undefined> {
  const reference = referenceOf(document)
  if (reference === undefined) return readSettings(document)
  if (!('digest' in reference)) return { ok: false, errors: reference }
  const content = await kept(reference.digest)
  return content && readWithArtifact(document, content)
}

function isIn(sections: Readonly<Record<string, unknown>>, path: string): boolean {
  const [section = '', name = ''] = path.split('.', 2)
  const entries = sections[section]
  return isRecord(entries) && Object.hasOwn(entries, name)
}

function problem(path: string, reason: string): SettingsProblem {
  return { path: path === '' ? 'settingsArtifact' : `settingsArtifact.${path}`, reason }
}

function parse(content: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    isRecord(each) ? Object.fromEntries(Object.entries(each).sort(([left], [right]) => (left < right ? -1 : 1))) : each
  )
}
