import type { Difference } from '../plan/difference.ts'
import type { ConnectedRegistryChanges, ConnectedRegistryState, NewConnectedRegistry } from './acr.ts'
import { isAlways, secondsOf } from './connected-registry-values.ts'
import { failedChange } from './failed-change.ts'

/** What is to be changed of a connected registry in place, and how that is told. */
export interface ChangesInPlace {
  /** As Azure takes them: without members that stay as they are. */
  readonly changes: ConnectedRegistryChanges
  readonly differences: readonly Difference[]
}

/**
 * What differs between a connected registry and what is wanted of it, of all that Azure changes in place. What is not wanted one way or
 * another stays as it is. Lists are compared as sets, durations by their length, names without regard to case, since Azure gives
 * them back so (facts: arm-wire §13).
 */
export function changesInPlace(current: ConnectedRegistryState, wanted: NewConnectedRegistry): ChangesInPlace {
  const clientTokens = listChange('clientTokens', current.clientTokens, wanted.clientTokens, lower)
  const notifications = listChange('notifications', current.notifications, wanted.notifications, (entry) => entry)
  const timing = timingChange(current, wanted)
  const messageTtl = valueChange(
    'messageTtl',
    current.messageTtl,
    wanted.messageTtl,
    (text) => secondsOf(text)?.toString() ?? text
  )
  const logLevel = valueChange('logLevel', current.logLevel, wanted.logLevel, lower)
  const is = current.garbageCollection
  const should = wanted.garbageCollection
  const collects = valueChange('garbageCollection.enabled', is?.enabled?.toString(), should?.enabled?.toString(), lower)
  const collection = valueChange('garbageCollection.schedule', is?.schedule, should?.schedule, trimmed)
  const again = current.failed === true
  const failed = again ? [failedChange] : []
  const differences = [clientTokens, notifications, timing, messageTtl, logLevel, collects, collection, failed].flat()
  // Of a change that failed nobody knows what of it came about.
  const sent = (found: readonly Difference[]): boolean => again || found.length > 0
  return {
    differences,
    changes: {
      ...(sent(clientTokens) && wanted.clientTokens !== undefined ? { clientTokens: wanted.clientTokens } : {}),
      ...(sent(notifications) && wanted.notifications !== undefined ? { notifications: wanted.notifications } : {}),
      // Together, or the window goes (facts: arm-wire §6).
      ...(sent(timing) ? timingOf(wanted) : {}),
      ...(sent(messageTtl) && wanted.messageTtl !== undefined ? { messageTtl: wanted.messageTtl } : {}),
      ...(sent(logLevel) && wanted.logLevel !== undefined ? { logLevel: wanted.logLevel } : {}),
      ...(sent([...collects, ...collection]) && should !== undefined ? { garbageCollection: should } : {})
    }
  }
}

/** One that is made anew keeps what is not wanted otherwise. */
export function carriedOver(current: ConnectedRegistryState, wanted: NewConnectedRegistry): NewConnectedRegistry {
  const { messageTtl, notifications, logLevel, garbageCollection } = current
  const timing = wanted.schedule === undefined ? timingOf(current) : timingOf(wanted)
  return {
    ...(messageTtl === undefined ? {} : { messageTtl }),
    notifications,
    ...(logLevel === undefined ? {} : { logLevel }),
    ...wanted,
    ...timing,
    ...(garbageCollection === undefined && wanted.garbageCollection === undefined
      ? {}
      : { garbageCollection: { ...garbageCollection, ...wanted.garbageCollection } })
  }
}

function timingOf({ schedule, syncWindow }: ConnectedRegistryChanges): ConnectedRegistryChanges {
  return {
    ...(schedule === undefined ? {} : { schedule }),
    ...(syncWindow === undefined ? {} : { syncWindow })
  }
}

function timingChange(current: ConnectedRegistryState, wanted: NewConnectedRegistry): readonly Difference[] {
  if (wanted.schedule === undefined) return []
  const schedule = valueChange('schedule', current.schedule, wanted.schedule, trimmed)
  // Always needs no window, and which of them Azure keeps then is its own business.
  if (isAlways(wanted.schedule)) return schedule
  const seconds = (text: string): string => secondsOf(text)?.toString() ?? text
  return [...schedule, ...valueChange('syncWindow', current.syncWindow, wanted.syncWindow, seconds)]
}

function valueChange(
  path: string,
  before: string | undefined,
  after: string | undefined,
  key: (text: string) => string
): readonly Difference[] {
  if (after === undefined || (before !== undefined && key(before) === key(after))) return []
  return [{ action: before === undefined ? 'add' : 'change', path, ...(before === undefined ? {} : { before }), after }]
}

function listChange(
  path: string,
  before: readonly string[],
  after: readonly string[] | undefined,
  key: (entry: string) => string
): readonly Difference[] {
  if (after === undefined) return []
  const is = new Set(before.map(key))
  const should = new Set(after.map(key))
  return [
    ...after.filter((entry) => !is.has(key(entry))).map((entry): Difference => ({ action: 'add', path, after: entry })),
    ...before
      .filter((entry) => !should.has(key(entry)))
      .map((entry): Difference => ({ action: 'remove', path, before: entry }))
  ]
}

function lower(text: string): string {
  return text.toLowerCase()
}

function trimmed(schedule: string): string {
  return schedule.trim().split(/\s+/).join(' ')
}
