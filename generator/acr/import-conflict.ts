import { adviceByCode } from '../azure/advice.ts'
import { refusalOf } from '../azure/errors.ts'

/**
 * Whether an import was refused because its target is there already: `Conflict`, `Tag azureiotedge-hub:1.5.44 already exists in
 * target registry.`, at once or at the end of the operation. The code alone does not say so: a registry that is being changed, a
 * lock and an import of the same image that is still under way are conflicts too, and nothing was imported.
 */
export function isThereAlready(error: unknown): boolean {
  const refusal = refusalOf(error)
  return (
    (refusal.status === 409 || refusal.code === 'Conflict') &&
    adviceByCode(refusal) === undefined &&
    /\balready exists\b|\bexists already\b/i.test(refusal.message)
  )
}
