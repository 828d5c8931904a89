import type { Place } from './json.ts'
import type { RuleCode, Severity } from './rules.ts'

/** One thing a device would refuse or misread, with its place. The words hold no password. */
export interface ValidationFinding extends Place {
  readonly code: RuleCode
  readonly severity: Severity
  readonly message: string
  /** Keys from the top of the document, joined by dots; empty for the document itself. */
  readonly path: string
}

/** `deployment` is a whole one, `layered` has dotted keys, `template` is expanded before it is applied. */
export type ManifestKind = 'deployment' | 'layered' | 'template'

export interface FileReport {
  readonly file: string
  readonly kind: ManifestKind
  /** Whether it has no error; warnings and remarks may be there. */
  readonly ok: boolean
  readonly findings: readonly ValidationFinding[]
}
