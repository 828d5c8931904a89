import { GeneratorError } from '../../errors.ts'
import type { Option } from './arguments.ts'
import * as shared from './options.ts'

/** What can be set of a connected registry when it is made and later. */
export const settings: readonly Option[] = [
  {
    names: ['--sync-schedule', '-s'],
    arity: 'one',
    help: 'when to sync: five cron fields, in UTC (default: "* * * * *", always)'
  },
  {
    names: ['--sync-window', '-w'],
    arity: 'one',
    help: 'for how long from then: PT1H to P7D; needed with a schedule that is not always'
  },
  {
    names: ['--sync-message-ttl'],
    arity: 'one',
    help: 'how long the cloud keeps messages: P1D to P90D (default: P2D)'
  },
  {
    names: ['--log-level'],
    arity: 'one',
    choices: ['Debug', 'Information', 'Warning', 'Error', 'None'],
    help: 'what the registry logs (default: Information)'
  },
  shared.threeState('--gc-enabled', 'whether it collects garbage'),
  { names: ['--gc-schedule'], arity: 'one', help: 'when it collects garbage: five cron fields, in UTC' },
  shared.threeState('--audit-logs-enabled', 'whether audit logs are synced; az deprecated this')
]

/** Runs every minute: a sync window means nothing to it. */
export const always = '* * * * *'

const hour = 3600
const day = 24 * hour

/** @throws {GeneratorError} `USAGE` */
export function checkSchedule(option: string, text: string): string {
  const fields = text.trim().split(/\s+/)
  const [minute, hourOfDay, dayOfMonth, month, dayOfWeek] = fields
  const fits = (field: string | undefined, least: number, most: number, names: RegExp): boolean =>
    field !== undefined && field.split(',').every((part) => fitsPart(part, least, most, names))
  const none = /^$/
  if (
    fields.length === 5 &&
    fits(minute, 0, 59, none) &&
    fits(hourOfDay, 0, 23, none) &&
    fits(dayOfMonth, 1, 31, none) &&
    fits(month, 1, 12, /^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)$/i) &&
    fits(dayOfWeek, 0, 7, /^(?:sun|mon|tue|wed|thu|fri|sat)$/i)
  )
    return text
  throw refused(`${option} takes five cron fields, such as "0 12 * * *", and not ${JSON.stringify(text.slice(0, 100))}`)
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

export function checkSyncWindow(text: string): string {
  return checkDuration('--sync-window', text, hour, 7 * day, 'PT1H to P7D')
}

export function checkMessageTtl(text: string): string {
  return checkDuration('--sync-message-ttl', text, day, 90 * day, 'P1D to P90D')
}

/** ISO 8601, without months and years, whose length nobody knows. */
function checkDuration(option: string, text: string, least: number, most: number, range: string): string {
  const parts = /^P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text)
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = (parts ?? [])
    .slice(1)
    .map((part?: string) => Number(part ?? 0))
  const total = (weeks * 7 + days) * day + hours * hour + minutes * 60 + seconds
  if (parts !== null && total >= least && total <= most) return text
  throw refused(
    `${option} takes an ISO 8601 duration from ${range}, such as PT4H, and not ${JSON.stringify(text.slice(0, 100))}`
  )
}

/** `artifact:action`: `*` may stand for any part (facts: connected-registry §1). */
const notification =
  /^(?:\*|[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/(?:\*|[a-z0-9]+(?:[._-]+[a-z0-9]+)*))*)(?::(?:\*|\w[\w.-]{0,127}))?(?:@(?:\*|sha256:[0-9a-f]{64}))?:(?:push|delete|\*)$/i

export function checkNotifications(option: string, patterns: readonly string[]): readonly string[] {
  for (const pattern of patterns)
    if (!notification.test(pattern))
      throw refused(
        `${option}: ${JSON.stringify(pattern.slice(0, 200))} is not REPOSITORY[:TAG][@DIGEST]:ACTION, such as hello-world:*:push; actions are push, delete and *`
      )
  return patterns
}

function refused(problem: string): GeneratorError {
  return new GeneratorError('USAGE', problem)
}
