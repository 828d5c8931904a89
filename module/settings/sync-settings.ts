import { z } from 'zod'
import { cron } from './cron.ts'
import { parseDuration } from './duration.ts'

const hour = 3_600_000
/** ACR's limits for a sync window and for messages (connected-registry.md §1). */
const shortestWindow = hour
const longestWindow = 7 * 24 * hour
const shortestLife = 24 * hour
const longestLife = 90 * 24 * hour

const bytesPerSecond = z.int().min(1000)
const timeOfDay = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, { error: 'must be a time of day in UTC, such as 06:00' })

const pacing = z.strictObject({
  bytesPerSecond: bytesPerSecond
    .optional()
    .describe('The ceiling at all times that hours does not name; none where it is not given'),
  hours: z
    .array(
      z
        .strictObject({
          from: timeOfDay.describe('The time of day at which it begins (UTC)'),
          to: timeOfDay.describe('The time of day at which it ends (UTC)'),
          bytesPerSecond: bytesPerSecond.describe('The ceiling between these two')
        })
        .refine(({ from, to }) => from !== to, { error: 'from and to are the same time', path: ['to'] })
    )
    .optional()
    .describe('Ceilings by time of day (UTC; from 22:00 to 06:00 goes over midnight); the first that fits counts')
})

const budget = z.strictObject({
  bytesPerDay: z.int().min(1_000_000).optional().describe('In a calendar day, by UTC; no limit where it is not given'),
  bytesPerMonth: z
    .int()
    .min(1_000_000)
    .optional()
    .describe('In a calendar month, by UTC; no limit where it is not given')
})

/** When and how fast to look at the parent. */
export const sync = z
  .strictObject({
    intervalMinutes: z.number().min(1).max(10080).default(15).describe('Minutes between two looks at the parent'),
    schedule: cron
      .optional()
      .describe('When sync windows open (cron, UTC); always open where it is not given, or is * * * * *'),
    window: z
      .string()
      .refine(
        (text) => {
          const length = parseDuration(text)
          return length !== undefined && length >= shortestWindow && length <= longestWindow
        },
        { error: 'must be an ISO 8601 duration from PT1H to P7D' }
      )
      .optional()
      .describe('How long a sync window stays open (ISO 8601, PT1H to P7D); needed with a schedule'),
    messageTtl: z
      .string()
      .refine(
        (text) => {
          const life = parseDuration(text)
          return life !== undefined && life >= shortestLife && life <= longestLife
        },
        { error: 'must be an ISO 8601 duration from P1D to P90D' }
      )
      .optional()
      .describe(
        'For how long a push or a delete made on the device waits to be told to the parent (ReadWrite; ISO 8601, P1D to P90D; P2D where it is not given); what expires is reported'
      ),
    pacing: pacing
      .optional()
      .describe('Ceilings for the bytes of images fetched from the parent and sent to it, together'),
    budget: budget
      .optional()
      .describe('Bytes of images that may be fetched from the parent or sent to it in a calendar day or month (UTC)'),
    cleanUp: z
      .boolean()
      .optional()
      .describe(
        'Whether repositories that sync brought, and no image set names any more, are removed; they stay where not given'
      )
  })
  .refine(({ schedule, window }) => schedule === undefined || isContinuous(schedule) || window !== undefined, {
    error: 'a schedule needs a window, such as PT4H',
    path: ['window']
  })

/** ACR's word for "always": every minute. */
export function isContinuous(schedule: string): boolean {
  return schedule.trim().split(/\s+/).join(' ') === '* * * * *'
}
