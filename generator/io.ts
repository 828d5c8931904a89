import type { Readable, Writable } from 'node:stream'

/** A place to write to, and whether a person looks at it. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** The world of a command: what `main.ts` takes from the process, and a test makes up. */
export interface Io {
  /** Data only: manifests, JSON, tables. */
  readonly stdout: Output
  /** Progress, warnings and errors. */
  readonly stderr: Output
  /** Absent where nobody and nothing can be asked. */
  readonly stdin?: Readable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly workingFolder: string
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal
}

/** Whether nobody watches, and what is printed is kept in a log. Azure DevOps does not set `CI`. */
export function isCi(env: Io['env']): boolean {
  const set = (value: string | undefined): boolean => !['', '0', 'false'].includes((value ?? '').toLowerCase())
  return set(env['CI']) || set(env['TF_BUILD'])
}
