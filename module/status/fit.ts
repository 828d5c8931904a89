import { imageStates, type ReportedInput } from '../settings/reported.ts'
import type { ImageNews } from './events.ts'

/** IoT Hub takes 32 KB of reported properties, and edgeHub does not tell when the hub refuses more: well below it. */
export const largestReportBytes = 24 * 1024
/** IoT Hub's limit for one string is 4 KB; what is said here is shorter by far, so that everything together fits. */
const longestDescription = 1000
const longestDetail = 500
const longestReason = 400
const longestProblemPart = 150
const mostProblems = 10

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

/** The worst images first, and as many as fit; `imagesOmitted` says how many did not. */
export function fit(report: ReportedInput, images: Iterable<ImageNews>): ReportedInput {
  const fixed: ReportedInput = {
    ...report,
    ...(report.lastDesiredStatus === undefined
      ? {}
      : {
          lastDesiredStatus: {
            ...report.lastDesiredStatus,
            description: clip(report.lastDesiredStatus.description, longestDescription),
            errors: clipProblems(report.lastDesiredStatus.errors),
            warnings: clipProblems(report.lastDesiredStatus.warnings)
          }
        }),
    statusDetails: (report.statusDetails ?? []).map((detail) => ({
      ...detail,
      description: clip(detail.description, longestDetail)
    }))
  }
  const sorted = [...images].sort((one, other) => imageStates.indexOf(one.state) - imageStates.indexOf(other.state))
  const included: NonNullable<ReportedInput['images']> = []
  // Room for the two keys themselves and a number of any length.
  let room = largestReportBytes - Buffer.byteLength(JSON.stringify(fixed)) - 64
  for (const { image, state, digest, bytesDone, bytesTotal, reason } of sorted) {
    const entry = {
      image: clip(image, longestReason),
      state,
      ...(digest === undefined ? {} : { digest }),
      ...(bytesDone === undefined ? {} : { bytesDone }),
      ...(bytesTotal === undefined ? {} : { bytesTotal }),
      ...(reason === undefined ? {} : { reason: clip(reason, longestReason) })
    }
    room -= Buffer.byteLength(JSON.stringify(entry)) + 1
    if (room < 0) break
    included.push(entry)
  }
  return { ...fixed, images: included, imagesOmitted: sorted.length - included.length }
}

type Problems = NonNullable<NonNullable<ReportedInput['lastDesiredStatus']>['errors']>

function clipProblems(problems: Problems | undefined): Problems {
  return (problems ?? [])
    .slice(0, mostProblems)
    .map(({ path, reason }) => ({ path: clip(path, longestProblemPart), reason: clip(reason, longestProblemPart) }))
}
