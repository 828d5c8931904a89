import { z } from 'zod'
import * as values from '../acr/connected-registry-values.ts'

const schedule = z.string().refine(values.isSchedule, { error: `must be ${values.forms.schedule}` })

/**
 * What Azure Resource Manager keeps of a connected registry beside its mode, parent and tokens, in az's words. What is not given
 * is left as it is there, and has az's default where the resource is made.
 */
export const resourceSettings = z.strictObject({
  schedule: schedule
    .optional()
    .describe('When it syncs: five cron fields, in UTC; "* * * * *" is always (az: --sync-schedule)'),
  syncWindow: z
    .string()
    .refine(values.isSyncWindow, { error: `must be ${values.forms.syncWindow}` })
    .optional()
    .describe('For how long from then, PT1H to P7D; goes with a schedule that is not always (az: --sync-window)'),
  messageTtl: z
    .string()
    .refine(values.isMessageTtl, { error: `must be ${values.forms.messageTtl}` })
    .optional()
    .describe('How long the cloud keeps its messages, P1D to P90D (az: --sync-message-ttl)'),
  notifications: z
    .array(z.string().refine(values.isNotification, { error: `must be ${values.forms.notification}` }))
    .optional()
    .describe('What it sends Event Grid events about (az: --notifications)'),
  logLevel: z.enum(values.logLevels).optional().describe('What it logs (az: --log-level)'),
  garbageCollection: z
    .strictObject({
      enabled: z.boolean().optional().describe('Whether it collects garbage (az: --gc-enabled)'),
      schedule: schedule.optional().describe('When it does: five cron fields, in UTC (az: --gc-schedule)')
    })
    .optional(),
  deactivate: z
    .boolean()
    .optional()
    .describe(
      "Deactivates it whenever it is active: whoever runs as it, such as Microsoft's connected registry, is let go. Causeway needs no activation"
    )
})

export type ResourceSettings = z.output<typeof resourceSettings>
