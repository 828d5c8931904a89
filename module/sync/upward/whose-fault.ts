import { BudgetSpent } from '../budget.ts'
import { asParentFault } from '../ports.ts'

/** What a parent's fault may say of one push or delete; the others say something of the parent, or of the way to it. */
const ofOne = ['PARENT_DENIED', 'PARENT_REFUSED', 'PARENT_NOT_FOUND', 'PARENT_PROTOCOL', 'PARENT_FAILED']

/** Whether it is one push or delete that failed, so that the others may go on. */
export function isOfItem(error: unknown): boolean {
  if (error instanceof BudgetSpent) return false
  const fault = asParentFault(error)
  // Where it is not the parent's: its bytes here that cannot be sent.
  if (fault === undefined) return error instanceof Error && error.name === 'OciError'
  // No room is no fault of what was sent.
  return (fault as { readonly status?: number }).status !== 507 && ofOne.includes(fault.code)
}
