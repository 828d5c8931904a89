import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { GeneratorError } from '../errors.ts'
import type { DeploymentManifest } from './generate.ts'
import { decodeText } from '../validate/encoding.ts'
import { findPlaceholder } from './references.ts'
import { isRecord } from './template.ts'

/**
 * Reads a deployment manifest that is about to be applied.
 *
 * @throws {GeneratorError} `MANIFEST_UNREADABLE`, and as {@link parseManifest}
 */
export async function readManifest(path: string, workingFolder: string): Promise<DeploymentManifest> {
  return parseManifest(await readManifestText(path, workingFolder), path)
}

/** The text of {@link readManifest}, for findings with their places. @throws {GeneratorError} `MANIFEST_UNREADABLE` */
export async function readManifestText(path: string, workingFolder: string): Promise<string> {
  try {
    return decodeText(await readFile(resolve(workingFolder, path))).text.replace(/^\uFEFF/, '')
  } catch (cause) {
    throw new GeneratorError(
      'MANIFEST_UNREADABLE',
      `the deployment manifest ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'})`,
      { cause }
    )
  }
}

/**
 * Takes a deployment manifest out of its envelope.
 *
 * @param path what errors call it
 * @throws {GeneratorError} `MANIFEST_INVALID`, or `MANIFEST_HAS_REFERENCES` where it was made without secrets; never with a
 *   value of the file in the message
 */
export function parseManifest(text: string, path: string): DeploymentManifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new GeneratorError('MANIFEST_INVALID', `${path} is not JSON`)
  }
  // Both envelopes are about: `az … set-modules` takes either (facts: deployment-manifests §1.1).
  const inner = isRecord(value) && isRecord(value['content']) ? value['content'] : value
  const content = isRecord(inner) ? inner['modulesContent'] : undefined
  if (!isRecord(content) || !isRecord(content['$edgeAgent']) || !isRecord(content['$edgeAgent']['properties.desired']))
    throw new GeneratorError(
      'MANIFEST_INVALID',
      `${path} is no deployment manifest: modulesContent.$edgeAgent must have properties.desired`
    )
  const waiting = findPlaceholder(content)
  if (waiting !== undefined)
    throw new GeneratorError(
      'MANIFEST_HAS_REFERENCES',
      `${path} still has ${waiting.placeholder} at ${waiting.path.map(String).join('.')}; generate it with secrets before it is deployed`
    )
  return { modulesContent: content as DeploymentManifest['modulesContent'] }
}
