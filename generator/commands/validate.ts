import type { Context } from '../context.ts'
import { exitCodes, throwAll, type ExitCode } from '../errors.ts'
import { styleOfService } from '../output/annotations.ts'
import { readManifestFiles } from '../validate/files.ts'
import { formatReports, summarize } from '../validate/format.ts'
import { checkLayers } from '../validate/layers.ts'
import { examine } from '../validate/manifest.ts'
import type { FindingStyle } from '../validate/styles.ts'

export interface ValidateOptions {
  /** As the CI service likes it, where it is not given. */
  readonly output?: FindingStyle
}

/**
 * Finds what a device would refuse or misread in deployment manifests. Needs no site file and no network.
 *
 * @param names files, folders, and `-` for stdin
 * @returns 3 where a file has an error
 * @throws {GeneratorError} `MANIFEST_UNREADABLE` where some could not be read, after everything about the others has been said
 */
export async function validate(
  context: Context,
  names: readonly string[],
  options: ValidateOptions
): Promise<ExitCode> {
  const { files, unreadable } = await readManifestFiles(names, context.io.workingFolder, context.io)
  const examined = files.map(({ file, text, encoding }) => examine(text, file, encoding))
  checkLayers(examined.map(({ deployment }) => deployment))
  const reports = examined.map((each) => each.toReport())
  const style = options.output ?? styleOfService(context.io.env)
  context.stdout.write(formatReports(reports, style))
  if (style !== 'json' && style !== 'sarif' && reports.length > 0) context.stderr.write(`${summarize(reports)}\n`)
  throwAll(unreadable)
  return reports.every(({ ok }) => ok) ? exitCodes.ok : exitCodes.invalid
}
