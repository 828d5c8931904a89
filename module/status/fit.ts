import type { ReportedInput } from '../settings/reported.ts'
import type { ImageNews } from './events.ts'
import type { ImageCounts } from './images.ts'

/** IoT Hub takes 32 KB of reported properties, and edgeHub does not tell when the hub refuses more: well below it. */
export const largestReportBytes = 24 * 1024
/** IoT Hub's limit for one string is 4 KB; what is said here is shorter by far, so that everything together fits. */
const longestDescription = 1000
const longestDetail = 400
const longestReason = 400
/** Image sets may take so much of it: a device mostly has a handful, and images tell more. */
const largestSetsBytes = 4 * 1024
/** As may what did not go up to the parent: the log has all of it. */
const largestTroublesBytes = 3 * 1024
const longestProblemPart = 150
const mostProblems = 10
/**
 * IoT Hub's largest integer (docs: iot-hub-devguide-device-twins). A manifest may claim up to 2^53 - 1 bytes for each layer, and a
 * network file system says it has more than it can; one such number must not keep the whole report from the twin.
 */
const largestNumber = 2 ** 52 - 1

/** Shortens a text to so many bytes of UTF-8 as JSON writes it (quotes and control characters take more), at a character's end. */
export function clip(text: string, bytes: number): string {
  if (writtenBytes(text) <= bytes) return text
  let room = bytes - writtenBytes('…')
  let kept = ''
  for (const character of text) {
    room -= writtenBytes(character)
    if (room < 0) break
    kept += character
  }
  return `${kept}…`
}

function writtenBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2
}

/** What a report tells of, and how much of it depends on the room. */
export interface Told {
  /** Everything else. */
  readonly report: ReportedInput
  /** Image sets by name, the least ready first. */
  readonly sets: readonly (readonly [name: string, counts: ImageCounts])[]
  /** The worst first. */
  readonly images: readonly ImageNews[]
  /** When what is not ready is looked at again. */
  readonly nextAttemptAt: string | undefined
  /** What is for the parent, its troubles in so many bytes. */
  readonly upward?: ((troublesBytes: number) => ReportedInput['upward']) | undefined
}

/** A whole report within the limits: sets, troubles and images as many as fit, and the numbers of those that do not. */
export function fit({ report, sets, images, nextAttemptAt, upward }: Told): ReportedInput {
  const clipped = clipFixed(bounded(report))
  const told = upward === undefined ? clipped : { ...clipped, upward: bounded(upward(0)) }
  const spare = Math.max(0, largestReportBytes - jsonBytes(told) - 128) / 2
  const fixed = {
    ...withSets(told, sets, Math.min(largestSetsBytes, spare)),
    ...(upward === undefined ? {} : { upward: bounded(upward(Math.min(largestTroublesBytes, spare))) })
  }
  const included: NonNullable<ReportedInput['images']> = []
  // Room for the two keys themselves and a number of any length.
  let room = largestReportBytes - jsonBytes(fixed) - 64
  for (const { image, state, digest, bytesDone, bytesTotal, reason, code } of images) {
    const entry = bounded({
      image: clip(image, longestReason),
      state,
      ...(digest === undefined ? {} : { digest }),
      ...(bytesDone === undefined ? {} : { bytesDone }),
      ...(bytesTotal === undefined ? {} : { bytesTotal }),
      ...(code === undefined ? {} : { code }),
      ...(reason === undefined ? {} : { reason: clip(reason, longestReason) }),
      ...(state !== 'failed' || nextAttemptAt === undefined ? {} : { nextAttemptAt })
    })
    room -= jsonBytes(entry) + 1
    if (room < 0) break
    included.push(entry)
  }
  return { ...fixed, images: included, imagesOmitted: images.length - included.length }
}

function withSets(report: ReportedInput, sets: Told['sets'], bytes: number): ReportedInput {
  const imageSets: NonNullable<ReportedInput['imageSets']> = {}
  let room = bytes
  let included = 0
  for (const [name, { ready, total, failed }] of sets) {
    const counts = { ready, total, ...(failed === 0 ? {} : { failed }) }
    room -= jsonBytes({ [name]: counts })
    if (room < 0) break
    imageSets[name] = counts
    included += 1
  }
  return { ...report, imageSets, imageSetsOmitted: sets.length - included }
}

function clipFixed(report: ReportedInput): ReportedInput {
  const { lastDesiredStatus, paused } = report
  return {
    ...report,
    ...(lastDesiredStatus === undefined
      ? {}
      : {
          lastDesiredStatus: {
            ...lastDesiredStatus,
            description: clip(lastDesiredStatus.description, longestDescription),
            errors: clipProblems(lastDesiredStatus.errors),
            warnings: clipProblems(lastDesiredStatus.warnings)
          }
        }),
    ...(paused?.reason === undefined ? {} : { paused: { ...paused, reason: clip(paused.reason, longestReason) } }),
    statusDetails: (report.statusDetails ?? []).map((detail) => ({
      ...detail,
      description: clip(detail.description, longestDetail)
    }))
  }
}

/** The same, with every number within IoT Hub's limits. */
function bounded<Value>(value: Value): Value {
  return boundedAny(value) as Value
}

function boundedAny(value: unknown): unknown {
  if (typeof value === 'number') return Math.max(-largestNumber, Math.min(largestNumber, value))
  if (Array.isArray(value)) return value.map(boundedAny)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, boundedAny(each)]))
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

type Problems = NonNullable<NonNullable<ReportedInput['lastDesiredStatus']>['errors']>

function clipProblems(problems: Problems | undefined): Problems {
  return (problems ?? [])
    .slice(0, mostProblems)
    .map(({ path, reason }) => ({ path: clip(path, longestProblemPart), reason: clip(reason, longestProblemPart) }))
}
