/** What came of a look. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped'

export interface Verdict {
  readonly outcome: Outcome
  /** What was seen and, where it is not well, what to do. Never a credential. */
  readonly message: string
}

/** One thing to look at. */
export interface Check {
  readonly name: string
  /** What it throws is a failure, in the words of the error. */
  readonly look: (signal: AbortSignal) => Promise<Verdict>
}

export interface Finding extends Verdict {
  readonly check: string
}

/** Milliseconds: a direct method is answered within thirty seconds, or not at all. */
const patience = 20_000

/** Looks at everything side by side; what does not answer in time has failed. */
export function examine(
  checks: readonly Check[],
  { signal, timeoutMs = patience }: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {}
): Promise<readonly Finding[]> {
  return Promise.all(
    checks.map(async ({ name, look }) => {
      const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])])
      const late = new Promise<never>((_resolve, reject) =>
        limit.addEventListener('abort', () => reject(new Error(`no answer within ${timeoutMs / 1000} seconds`)), {
          once: true
        })
      )
      try {
        return { check: name, ...(await Promise.race([look(limit), late])) }
      } catch (error) {
        return { check: name, outcome: 'failed', message: error instanceof Error ? error.message : String(error) }
      }
    })
  )
}

/** The findings as lines for a terminal, the check's name first. */
export function describeFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  return findings
    .map(({ check, outcome, message }) => `${outcome.padEnd(7)}  ${check.padEnd(width)}  ${message}\n`)
    .join('')
}
