import type { FileReport, ValidationFinding } from './finding.ts'

/** A finding on one line, in the form that editors jump from. */
export function formatFinding(
  file: string,
  { line, column, severity, code, path, message }: ValidationFinding
): string {
  return `${file}:${line}:${column}: ${severity} ${code} ${path === '' ? '' : `${path}: `}${message}`
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
