import type { Difference } from '../plan/difference.ts'

/** Why something is written again that looks as it should. */
export const lastChangeFailed = 'the last change of it failed'

export const failedChange: Difference = {
  action: 'change',
  path: 'provisioningState',
  before: 'Failed',
  after: 'Succeeded'
}
