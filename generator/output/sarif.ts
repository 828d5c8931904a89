import { plainJson } from './plain.ts'

/** What was found in a file, for code scanning. */
export interface SarifResult {
  readonly ruleId: string
  readonly level: 'error' | 'warning' | 'note'
  readonly message: string
  readonly file: string
  readonly line: number
  readonly column?: number
  /** What it is recognised by the next time, though lines moved. */
  readonly fingerprint: string
}

/**
 * SARIF 2.1.0, as code scanning takes it.
 *
 * @param titles of every rule that a result may name
 */
export function formatSarif(tool: string, titles: (ruleId: string) => string, results: readonly SarifResult[]): string {
  const used = [...new Set(results.map(({ ruleId }) => ruleId))].sort()
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: tool, rules: used.map((id) => ({ id, shortDescription: { text: titles(id) } })) } },
        results: results.map(({ ruleId, level, message, file, line, column, fingerprint }) => ({
          ruleId,
          level,
          message: { text: message },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: file.replaceAll('\\', '/') },
                region: { startLine: line, ...(column === undefined ? {} : { startColumn: column }) }
              }
            }
          ],
          partialFingerprints: { 'finding/v1': fingerprint }
        }))
      }
    ]
  }
  return plainJson(`${JSON.stringify(log, undefined, 2)}\n`)
}
