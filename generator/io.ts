import type { Writable } from 'node:stream'

/** A place to write to, and whether a person looks at it. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** The world of a command: what `main.ts` takes from the process, and a test makes up. */
export interface Io {
  /** Data only: manifests, JSON, tables. */
  readonly stdout: Output
  /** Progress, warnings and errors. */
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly workingFolder: string
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal
}
