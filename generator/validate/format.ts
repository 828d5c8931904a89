import { azdoAnnotation, githubAnnotation, type Annotation } from '../output/annotations.ts'
import { plain, plainJson } from '../output/plain.ts'
import { formatSarif } from '../output/sarif.ts'
import type { FileReport, ValidationFinding } from './finding.ts'
import { rules, type RuleCode } from './rules.ts'
import type { FindingStyle } from './styles.ts'

/** Everything that was found, as it goes to standard output. */
export function formatReports(files: readonly FileReport[], style: FindingStyle): string {
  const lines = (format: (file: string, finding: ValidationFinding) => string): string =>
    files.flatMap(({ file, findings }) => findings.map((finding) => format(file, finding))).join('')
  switch (style) {
    case 'text':
      return lines((file, finding) => `${formatFinding(file, finding)}\n`)
    case 'json':
      return plainJson(`${JSON.stringify({ files }, undefined, 2)}\n`)
    case 'github':
      return lines((file, finding) => githubAnnotation(annotationOf(file, finding)))
    case 'azdo':
      return lines((file, finding) => {
        const annotation = annotationOf(file, finding)
        // Azure DevOps knows errors and warnings only.
        if (annotation.level === 'notice') return `${formatFinding(file, finding)}\n`
        return azdoAnnotation({ ...annotation, level: annotation.level })
      })
    case 'sarif':
      return sarif(files)
  }
}

function annotationOf(file: string, { severity, line, column, code, path, message }: ValidationFinding): Annotation {
  const title = rules[code].title
  return {
    level: severity === 'info' ? 'notice' : severity,
    ...{ file, line, column, code, title },
    message: path === '' ? message : `${path}: ${message}`
  }
}

function sarif(files: readonly FileReport[]): string {
  const results = files.flatMap(({ file, findings }) =>
    findings.map(({ code, severity, line, column, path, message }) => ({
      ruleId: code,
      level: severity === 'info' ? ('note' as const) : severity,
      ...{ message, file, line, column },
      fingerprint: `${file}/${path}/${code}`
    }))
  )
  return formatSarif('causeway validate', (code) => rules[code as RuleCode].title, results)
}

/** A finding on one line, in the form that editors jump from. */
export function formatFinding(
  file: string,
  { line, column, severity, code, path, message }: ValidationFinding
): string {
  return plain(`${file}:${line}:${column}: ${severity} ${code} ${path === '' ? '' : `${path}: `}${message}`)
}

/** `3 files: 1 error, 2 warnings, 4 remarks` */
export function summarize(files: readonly FileReport[]): string {
  const counts = { error: 0, warning: 0, info: 0 }
  for (const { findings } of files) for (const { severity } of findings) counts[severity] += 1
  const parts = [
    [counts.error, 'error'],
    [counts.warning, 'warning'],
    [counts.info, 'remark']
  ] as const
  const said = parts.filter(([count]) => count > 0).map(([count, word]) => plural(count, word))
  return `${plural(files.length, 'file')}: ${said.length === 0 ? 'nothing found' : said.join(', ')}`
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
