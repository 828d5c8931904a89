import type { Context } from '../context.ts'
import { exitCodes, type ExitCode } from '../errors.ts'
import { readManifestFiles } from '../validate/files.ts'
import { formatFinding, summarize } from '../validate/format.ts'
import { checkLayers } from '../validate/layers.ts'
import { examine } from '../validate/manifest.ts'

export interface ValidateOptions {
  readonly output: 'text' | 'json'
}

/**
 * Finds what a device would refuse or misread in deployment manifests. Needs no site file and no network.
 *
 * @param names files, folders, and `-` for stdin
 * @returns 3 where a file has an error
 */
export async function validate(
  context: Context,
  names: readonly string[],
  options: ValidateOptions
): Promise<ExitCode> {
  const files = await readManifestFiles(names, context.io.workingFolder, context.io.stdin)
  const examined = files.map(({ file, text, encoding }) => examine(text, file, encoding))
  checkLayers(examined.map(({ deployment }) => deployment))
  const reports = examined.map((each) => each.toReport())
  if (options.output === 'json') context.stdout.write(`${JSON.stringify({ files: reports }, undefined, 2)}\n`)
  else {
    for (const { file, findings } of reports)
      for (const finding of findings) context.stdout.write(`${formatFinding(file, finding)}\n`)
    context.stderr.write(`${summarize(reports)}\n`)
  }
  return reports.every(({ ok }) => ok) ? exitCodes.ok : exitCodes.invalid
}
