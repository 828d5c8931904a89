/** What Azure takes as values of a connected registry (facts: connected-registry §1), for the site file and `causeway acr` alike. */

/** Runs every minute: a sync window means nothing to it. */
export const always = '* * * * *'

/** az's defaults, for what is not given when one is made. */
export const defaultMessageTtl = 'P2D'

/** The service's limit for one connected registry. */
export const mostClientTokens = 50

/** The service's limit for one cloud registry. */
export const mostConnectedRegistries = 50

export const logLevels = ['Debug', 'Information', 'Warning', 'Error', 'None'] as const

/** What each value is, for messages. */
export const forms = {
  schedule: 'five cron fields, such as "0 12 * * *"',
  syncWindow: 'an ISO 8601 duration from PT1H to P7D, such as PT4H',
  messageTtl: 'an ISO 8601 duration from P1D to P90D, such as P2D',
  notification: 'REPOSITORY[:TAG][@DIGEST]:ACTION, such as hello-world:*:push; actions are push, delete and *'
} as const

const hour = 3600
const day = 24 * hour

export function isSchedule(text: string): boolean {
  const fields = text.trim().split(/\s+/)
  const [minute, hourOfDay, dayOfMonth, month, dayOfWeek] = fields
  const fits = (field: string | undefined, least: number, most: number, names: RegExp): boolean =>
    field !== undefined && field.split(',').every((part) => fitsPart(part, least, most, names))
  const none = /^$/
  return (
    fields.length === 5 &&
    fits(minute, 0, 59, none) &&
    fits(hourOfDay, 0, 23, none) &&
    fits(dayOfMonth, 1, 31, none) &&
    fits(month, 1, 12, /^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)$/i) &&
    fits(dayOfWeek, 0, 7, /^(?:sun|mon|tue|wed|thu|fri|sat)$/i)
  )
}

/** `*`, `5`, `1-5`, `0/10`, and `*` with a step, or names. */
function fitsPart(part: string, least: number, most: number, names: RegExp): boolean {
  const [range = '', step, ...more] = part.split('/')
  if (more.length > 0 || (step !== undefined && !/^[1-9]\d?$/.test(step))) return false
  if (range === '*') return true
  const ends = range.split('-')
  const value = (end: string): boolean =>
    names.test(end) || (/^\d{1,2}$/.test(end) && Number(end) >= least && Number(end) <= most)
  return ends.length <= 2 && ends.every(value)
}

export function isAlways(schedule: string): boolean {
  return schedule.trim().split(/\s+/).join(' ') === always
}

export function isSyncWindow(text: string): boolean {
  return isBetween(text, hour, 7 * day)
}

export function isMessageTtl(text: string): boolean {
  return isBetween(text, day, 90 * day)
}

function isBetween(text: string, least: number, most: number): boolean {
  const seconds = secondsOf(text)
  return seconds !== undefined && seconds >= least && seconds <= most
}

/** Seconds of an ISO 8601 duration, without months and years, whose length nobody knows; undefined for what is none. */
export function secondsOf(text: string): number | undefined {
  const parts = /^P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text)
  if (parts === null) return undefined
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = parts
    .slice(1)
    .map((part?: string) => Number(part ?? 0))
  return (weeks * 7 + days) * day + hours * hour + minutes * 60 + seconds
}

/** `artifact:action`: `*` may stand for any part. */
const notification =
  /^(?:\*|[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/(?:\*|[a-z0-9]+(?:[._-]+[a-z0-9]+)*))*)(?::(?:\*|\w[\w.-]{0,127}))?(?:@(?:\*|sha256:[0-9a-f]{64}))?:(?:push|delete|\*)$/i

export function isNotification(pattern: string): boolean {
  return notification.test(pattern)
}
