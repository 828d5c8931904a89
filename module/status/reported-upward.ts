import type { ReportedInput } from '../settings/reported.ts'
import type { UpwardNews } from './events.ts'
import { clip } from './fit.ts'

/** Bytes that troubles may take of a report, and one text of them: the log has all of it. */
const largestTroublesBytes = 3 * 1024
const longestText = 300

/** What is for the parent, within bounds however much of it there is. */
export function reportedUpward({ troubles, ...figures }: UpwardNews): NonNullable<ReportedInput['upward']> {
  const items: NonNullable<NonNullable<ReportedInput['upward']>['items']> = []
  let room = largestTroublesBytes
  for (const { what, reason, ...rest } of troubles) {
    const item = { what: clip(what, longestText), reason: clip(reason, longestText), ...rest }
    room -= Buffer.byteLength(JSON.stringify(item)) + 1
    if (room < 0) break
    items.push(item)
  }
  return {
    ...figures,
    ...(figures.sending === undefined ? {} : { sending: clip(figures.sending, longestText) }),
    ...(figures.reason === undefined ? {} : { reason: clip(figures.reason, longestText) }),
    items,
    itemsOmitted: troubles.length - items.length
  }
}
