import { z } from 'zod'
import { connectionStates, imageStates } from './reported-states.ts'

const problem = z.object({ path: z.string(), reason: z.string() })

const image = z.object({
  image: z.string().describe('repository:tag'),
  state: z.enum(imageStates),
  digest: z.string().optional(),
  bytesDone: z.number().optional(),
  bytesTotal: z.number().optional(),
  code: z
    .string()
    .optional()
    .describe('SIGNATURE_MISSING or SIGNATURE_INVALID: it is in quarantine, unserved until it is signed'),
  reason: z.string().optional(),
  nextAttemptAt: z.string().optional().describe('when the next pass looks at it again')
})

const imageSet = z.object({ ready: z.number(), total: z.number(), failed: z.number().default(0) })

/**
 * What the module reports of itself in its twin. Keys only ever come: a reader of an older release leaves out what it does
 * not know, and one of a newer release finds optional what older modules do not say.
 */
export const reportedSchema = z.object({
  schemaVersion: z.string(),
  runtime: z.object({ version: z.string(), startedAt: z.string() }),
  lastDesiredVersion: z.number().optional().describe('$version of the desired properties that were looked at last'),
  lastDesiredStatus: z
    .object({
      code: z.number().describe('200 applied, 202 waits for its settings artifact, 400 refused, 417 no settings'),
      description: z.string(),
      errors: z.array(problem).default([]),
      warnings: z.array(problem).default([])
    })
    .optional(),
  appliedVersion: z.number().optional().describe('$version of the settings in force'),
  connectionState: z.enum(connectionStates),
  statusDetails: z
    .array(
      z.object({
        type: z.string(),
        code: z.string(),
        description: z.string(),
        timestamp: z.string(),
        correlationId: z
          .string()
          .optional()
          .describe('stands beside the same fault in the log, and is that of the pass which found it, where one did')
      })
    )
    .default([]),
  sync: z
    .object({
      trigger: z.enum(['InitialSync', 'Schedule', 'ManualResync', 'SettingsChange', 'Recovery']),
      state: z
        .enum(['Syncing', 'Succeeded', 'Failed', 'TimedOut'])
        .describe('TimedOut: the sync window ended first; the next one goes on from there'),
      startedAt: z.string(),
      endedAt: z.string().optional(),
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
      imagesReady: z.number(),
      imagesTotal: z.number(),
      bytesDone: z.number(),
      bytesTotal: z.number(),
      bytesPerSecond: z.number().optional().describe('over the last minutes; absent where nothing comes'),
      secondsLeft: z.number().optional().describe('at the pace of the last minutes; absent where nothing comes')
    })
    .optional(),
  paused: z
    .object({ since: z.string(), reason: z.string().optional() })
    .optional()
    .describe('sync was paused by a direct method, and stays so until it is resumed'),
  disk: z
    .object({ freeBytes: z.number(), totalBytes: z.number(), reserveBytes: z.number() })
    .optional()
    .describe('of the data volume; the reserve is never used'),
  credential: z
    .object({ fingerprint: z.string(), tokenName: z.string().optional(), succeededAt: z.string().optional() })
    .optional()
    .describe('what the parent took last; the fingerprint is the beginning of a SHA-256 and no secret'),
  damaged: z
    .array(z.object({ digest: z.string(), repositories: z.array(z.string()) }))
    .optional()
    .describe(
      'blobs that were damaged on the disk and are missing since, with repositories that need them; as many as fit'
    ),
  damagedOmitted: z.number().optional(),
  upward: z
    .object({
      waiting: z.number().describe('pushes and deletes made here that the parent is yet to be told of'),
      bytes: z.number().describe('of what these name; what the parent has already is not sent'),
      oldestAt: z.string().optional(),
      parked: z
        .number()
        .default(0)
        .describe('of those that wait: the parent refuses them until somebody mends something'),
      delivered: z.number().default(0).describe('ever, as the next two'),
      conflicts: z.number().default(0).describe("the parent's tag had changed meanwhile, and stayed"),
      expired: z.number().default(0).describe('waited for longer than sync.messageTtl'),
      sending: z.string().optional(),
      reason: z.string().optional().describe('why nothing goes up for now'),
      nextAt: z.string().optional(),
      items: z
        .array(
          z.object({
            what: z.string().describe('push or delete, and repository:tag or repository@digest'),
            state: z.enum(['parked', 'conflict', 'expired']),
            reason: z.string(),
            digest: z.string().optional(),
            at: z.string(),
            nextAttemptAt: z.string().optional()
          })
        )
        .default([])
        .describe('the newest troubles; as many as fit'),
      itemsOmitted: z.number().default(0)
    })
    .optional()
    .describe('what was pushed and deleted here and is for the parent (ReadWrite)'),
  imageSets: z.record(z.string(), imageSet).default({}).describe('by name; the least ready, as many as fit'),
  imageSetsOmitted: z.number().default(0),
  images: z.array(image).default([]).describe('the worst first; as many as fit'),
  imagesOmitted: z.number().default(0)
})

export type Reported = z.output<typeof reportedSchema>
export type ReportedInput = z.input<typeof reportedSchema>
export type ReportedImageSet = z.output<typeof imageSet>
export type ReportedImage = z.output<typeof image>
export type StatusDetail = Reported['statusDetails'][number]
