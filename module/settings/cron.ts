import { Cron } from 'croner'
import { z } from 'zod'

/** Five fields as cron and ACR have them; times are UTC. */
export const cron = z.string().refine(isCron, { error: 'must be a cron schedule of five fields, such as 0 5 * * *' })

function isCron(text: string): boolean {
  try {
    return text.trim().split(/\s+/).length === 5 && new Cron(text, { paused: true, utcOffset: 0 }).nextRun() !== null
  } catch {
    return false
  }
}
