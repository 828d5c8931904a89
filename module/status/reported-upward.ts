import type { ReportedInput } from '../settings/reported.ts'
import type { UpwardNews } from './events.ts'
import { clip } from './fit.ts'

/** Bytes of one text. */
const longestText = 300

/** What is for the parent, its troubles in so many bytes however many there are. */
export function reportedUpward(
  { troubles, ...figures }: UpwardNews,
  troublesBytes: number
): NonNullable<ReportedInput['upward']> {
  const items: NonNullable<NonNullable<ReportedInput['upward']>['items']> = []
  let room = troublesBytes
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
