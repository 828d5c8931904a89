import { z } from 'zod'
import { connectionStates, imageStates } from './reported-states.ts'

const problem = z.object({
  path: z.string().describe('which setting'),
  reason: z.string().describe('what is wrong with it')
})

const image = z.object({
  image: z.string().describe('repository:tag'),
  state: z.enum(imageStates).describe('ready: every byte of it is here and verified'),
  digest: z.string().optional().describe('of its image manifest, or of its index'),
  bytesDone: z.number().optional().describe('of them that are here'),
  bytesTotal: z.number().optional().describe('of all that it is made of'),
  code: z
    .string()
    .optional()
    .describe('SIGNATURE_MISSING or SIGNATURE_INVALID: it is in quarantine, unserved until it is signed'),
  reason: z.string().optional().describe('why it failed, and what to do'),
  nextAttemptAt: z.string().optional().describe('when the next pass looks at it again')
})

const imageSet = z.object({
  ready: z.number().describe('of its images, here and verified'),
  total: z.number().describe('of its images, wanted'),
  failed: z.number().default(0).describe('of its images; they are tried again with every pass')
})

/**
 * What the module reports of itself in its twin. Keys only ever come: a reader of an older release leaves out what it does
 * not know, and one of a newer release finds optional what older modules do not say.
 */
export const reportedSchema = z.object({
  schemaVersion: z.string().describe('of this document'),
  runtime: z.object({
    version: z.string().describe("the module's release"),
    startedAt: z.string().describe('when this process started; all times are ISO 8601, UTC')
  }),
  lastDesiredVersion: z.number().optional().describe('$version of the desired properties that were looked at last'),
  lastDesiredStatus: z
    .object({
      code: z.number().describe('200 applied, 202 waits for its settings artifact, 400 refused, 417 no settings'),
      description: z.string().describe('the same in a sentence'),
      errors: z.array(problem).default([]),
      warnings: z.array(problem).default([])
    })
    .optional(),
  appliedVersion: z.number().optional().describe('$version of the settings in force'),
  connectionState: z
    .enum(connectionStates)
    .describe(
      'Unhealthy: something of statusDetails keeps it from its work; Offline: the parent is not reached, and what is here is served'
    ),
  statusDetails: z
    .array(
      z.object({
        type: z.string().describe('the part that it belongs to: Settings, Parent, Clock, Disk and so on'),
        code: z.string().describe('a status code of docs/troubleshooting.md'),
        description: z.string().describe('what happened, where, and what to do'),
        timestamp: z.string().describe('since when'),
        correlationId: z
          .string()
          .optional()
          .describe('stands beside the same fault in the log, and is that of the pass which found it, where one did')
      })
    )
    .default([]),
  sync: z
    .object({
      trigger: z
        .enum(['InitialSync', 'Schedule', 'ManualResync', 'SettingsChange', 'Recovery'])
        .describe('what began the last pass'),
      state: z
        .enum(['Syncing', 'Succeeded', 'Failed', 'TimedOut'])
        .describe('TimedOut: the sync window ended first; the next one goes on from there'),
      startedAt: z.string().describe('when the last pass began'),
      endedAt: z.string().optional().describe('when it ended; absent while it runs'),
      succeededAt: z.string().optional().describe('the last pass that brought everything'),
      nextAt: z.string().optional().describe('when the next pass begins'),
      windowEndsAt: z.string().optional().describe('until when content may be fetched'),
      correlationId: z
        .string()
        .optional()
        .describe("on every line of the pass in the log, and in the parent's, which gets it with each request")
    })
    .optional(),
  progress: z
    .object({
      imagesReady: z.number().describe('wanted images that are here and verified'),
      imagesTotal: z.number().describe('wanted images'),
      bytesDone: z.number().describe('of wanted images, here'),
      bytesTotal: z.number().describe('of wanted images, as far as their manifests are known'),
      bytesPerSecond: z.number().optional().describe('over the last minutes; absent where nothing comes'),
      secondsLeft: z.number().optional().describe('at the pace of the last minutes; absent where nothing comes')
    })
    .optional(),
  paused: z
    .object({
      since: z.string().describe('since when'),
      reason: z.string().optional().describe('as whoever paused it gave it')
    })
    .optional()
    .describe('sync was paused by a direct method, and stays so until it is resumed'),
  disk: z
    .object({
      freeBytes: z.number().describe('free for this module'),
      totalBytes: z.number().describe('its size'),
      reserveBytes: z.number().describe('storage.reserveMebibytes, in bytes')
    })
    .optional()
    .describe('of the data volume; the reserve is never used'),
  credential: z
    .object({
      fingerprint: z.string().describe('of token name and password'),
      tokenName: z.string().optional().describe('the sync token'),
      succeededAt: z.string().optional().describe('when the parent took it')
    })
    .optional()
    .describe('what the parent took last; the fingerprint is the beginning of a SHA-256 and no secret'),
  damaged: z
    .array(
      z.object({
        digest: z.string().describe('of the blob'),
        repositories: z.array(z.string()).describe('whose images need it')
      })
    )
    .optional()
    .describe(
      'blobs that were damaged on the disk and are missing since, with repositories that need them; as many as fit'
    ),
  damagedOmitted: z.number().optional().describe('how many more there are'),
  upward: z
    .object({
      waiting: z.number().describe('pushes and deletes made here that the parent is yet to be told of'),
      bytes: z.number().describe('of what these name; what the parent has already is not sent'),
      oldestAt: z.string().optional().describe('since when the oldest of them waits'),
      parked: z
        .number()
        .default(0)
        .describe('of those that wait: the parent refuses them until somebody mends something'),
      delivered: z.number().default(0).describe('ever, as the next two'),
      conflicts: z.number().default(0).describe("the parent's tag had changed meanwhile, and stayed"),
      expired: z.number().default(0).describe('waited for longer than sync.messageTtl'),
      sending: z.string().optional().describe('what is on its way up'),
      reason: z.string().optional().describe('why nothing goes up for now'),
      nextAt: z.string().optional().describe('when it is tried again'),
      items: z
        .array(
          z.object({
            what: z.string().describe('push or delete, and repository:tag or repository@digest'),
            state: z.enum(['parked', 'conflict', 'expired']).describe('which of the three numbers it is among'),
            reason: z.string().describe('why, and what to do'),
            digest: z.string().optional().describe('of the image manifest'),
            at: z.string().describe('when it came to that'),
            nextAttemptAt: z.string().optional().describe('when it is tried again, where it is')
          })
        )
        .default([])
        .describe('the newest troubles; as many as fit'),
      itemsOmitted: z.number().default(0).describe('how many more there are')
    })
    .optional()
    .describe('what was pushed and deleted here and is for the parent (ReadWrite)'),
  imageSets: z.record(z.string(), imageSet).default({}).describe('by name; the least ready, as many as fit'),
  imageSetsOmitted: z.number().default(0).describe('how many more there are'),
  images: z.array(image).default([]).describe('the worst first; as many as fit'),
  imagesOmitted: z.number().default(0).describe('how many more there are')
})

export type Reported = z.output<typeof reportedSchema>
export type ReportedInput = z.input<typeof reportedSchema>
export type StatusDetail = Reported['statusDetails'][number]
