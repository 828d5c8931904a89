import { OciError } from '../oci/errors.ts'
import { BudgetSpent } from './budget.ts'
import { stopsPass } from './patience.ts'
import { asParentFault } from './ports.ts'
import { Quarantined } from './signatures.ts'

/** When to try again. */
export interface Retry {
  /** Nobody has to mend anything for it. */
  readonly soon: boolean
  /** Not before so many seconds. */
  readonly afterSeconds?: number
}

/** Whether an error says something about the parent or the disk as such, rather than about one image. */
export function isFatal(error: unknown): boolean {
  if (error instanceof BudgetSpent || error instanceof Quarantined) return false
  const fault = asParentFault(error)
  return fault === undefined ? !(error instanceof OciError) : stopsPass(fault.code)
}

/** Images that failed for good reason (not there, not allowed, wrong bytes) wait for the schedule. */
export function retryImages(failures: readonly unknown[]): Retry | undefined {
  const passing = failures.filter((failure) => asParentFault(failure)?.transient === true)
  return passing.length === 0 ? undefined : retryAfter(passing)
}

/** What failures together say about the next try. */
export function retryAfter(failures: readonly unknown[]): Retry {
  const faults = failures.map(asParentFault)
  const seconds = Math.max(0, ...faults.map((fault) => fault?.retryAfterSeconds ?? 0))
  return {
    soon: faults.some((fault) => fault?.transient === true),
    ...(seconds === 0 ? {} : { afterSeconds: seconds })
  }
}

export function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : 'UNEXPECTED'
}

export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 400)
}
