import { GeneratorError } from '../errors.ts'
import { formatFinding } from './format.ts'
import { validateManifest } from './manifest.ts'
import type { Site } from '../site-file/site.ts'
import { checkPullToken } from './pull-token.ts'
import { checkReach } from './reach.ts'

/**
 * Refuses what a device would refuse, before it is written or applied.
 *
 * @param text of the deployment manifest
 * @param file what findings call it
 * @param site whose device it is for
 * @returns its warnings, one line each
 * @throws {GeneratorError} `VALIDATION_FAILED` with every error; none holds a secret
 */
export function assertValid(text: string, file: string, site: Site): readonly string[] {
  const report = validateManifest(text, file)
  const findings = report.ok
    ? [...report.findings, ...checkPullToken(text, site), ...checkReach(text)]
    : report.findings
  const lines = (severity: 'error' | 'warning'): string[] =>
    findings.filter((finding) => finding.severity === severity).map((finding) => formatFinding(file, finding))
  const errors = lines('error')
  if (errors.length === 0) return lines('warning')
  throw new GeneratorError(
    'VALIDATION_FAILED',
    `a device would refuse ${file}: ${errors.length} error${errors.length === 1 ? '' : 's'}; causeway explain <code> tells more`,
    { details: errors }
  )
}
