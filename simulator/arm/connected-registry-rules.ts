import {
  invalidProperty,
  optionalBoolean,
  optionalObject,
  optionalString,
  optionalStrings,
  required,
  type Json
} from './context.ts'
import type { ConnectedRegistry, ConnectedRegistryMode, SyncProperties } from './state.ts'

/** Runs every minute; a sync window means nothing to it. */
const continuous = '* * * * *'

const modes: readonly ConnectedRegistryMode[] = ['ReadWrite', 'ReadOnly', 'Registry', 'Mirror']
const logLevels = ['Debug', 'Information', 'Warning', 'Error', 'None']
const hour = 3600
const day = 24 * hour

/** Accepted in any case, printed in the canonical one. */
export function readMode(properties: Json): ConnectedRegistryMode {
  const text = required(optionalString(properties, 'mode'), 'mode')
  const mode = modes.find((known) => known.toLowerCase() === text.toLowerCase())
  if (mode === undefined) throw invalidProperty('mode', `must be one of ${modes.join(', ')}`)
  return mode
}

/** A read-write parent may have children of any mode, another only of its own (connected-registry §1). */
export function mayBeBelow(child: ConnectedRegistryMode, parent: ConnectedRegistryMode): boolean {
  return isReadWrite(parent) || !isReadWrite(child)
}

/** `Registry` and `Mirror` are the old names of `ReadWrite` and `ReadOnly`. */
function isReadWrite(mode: ConnectedRegistryMode): boolean {
  return mode === 'ReadWrite' || mode === 'Registry'
}

export function readSyncProperties(from: Json): SyncProperties {
  const tokenId = required(optionalString(from, 'tokenId'), 'parent.syncProperties.tokenId')
  const messageTtl = required(readMessageTtl(from), 'parent.syncProperties.messageTtl')
  const schedule = readSchedule(from, 'schedule')
  const syncWindow = readSyncWindow(from)
  return {
    tokenId,
    ...(schedule === undefined ? {} : { schedule }),
    ...(syncWindow === undefined ? {} : { syncWindow }),
    messageTtl
  }
}

/**
 * Absent members stay. A schedule that runs all the time, sent alone, takes the sync window away; whether it is that schedule or
 * any schedule without a window that does so, the recordings leave open (arm-wire §6).
 */
export function mergeSyncProperties(before: SyncProperties, patch: Json): SyncProperties {
  const schedule = readSchedule(patch, 'schedule') ?? before.schedule
  const sent = readSyncWindow(patch)
  const dropped = sent === undefined && patch['schedule'] === continuous
  const syncWindow = dropped ? undefined : (sent ?? before.syncWindow)
  return {
    tokenId: before.tokenId,
    ...(schedule === undefined ? {} : { schedule }),
    ...(syncWindow === undefined ? {} : { syncWindow }),
    messageTtl: readMessageTtl(patch) ?? before.messageTtl
  }
}

export function mergeLogging(before: ConnectedRegistry['logging'], patch: Json): ConnectedRegistry['logging'] {
  const level = optionalString(patch, 'logLevel')
  const logLevel = logLevels.find((known) => known.toLowerCase() === level?.toLowerCase())
  if (level !== undefined && logLevel === undefined)
    throw invalidProperty('logging.logLevel', `must be one of ${logLevels.join(', ')}`)
  const audit = optionalString(patch, 'auditLogStatus')
  const auditLogStatus = ['Enabled', 'Disabled'].find((known) => known.toLowerCase() === audit?.toLowerCase())
  if (audit !== undefined && auditLogStatus === undefined)
    throw invalidProperty('logging.auditLogStatus', "must be 'Enabled' or 'Disabled'")
  return { logLevel: logLevel ?? before.logLevel, auditLogStatus: auditLogStatus ?? before.auditLogStatus }
}

export function mergeGarbageCollection(
  before: ConnectedRegistry['garbageCollection'],
  patch: Json
): ConnectedRegistry['garbageCollection'] {
  return {
    enabled: optionalBoolean(patch, 'enabled') ?? before.enabled,
    schedule: readSchedule(patch, 'schedule') ?? before.schedule
  }
}

/** `artifact:action`, the action being `push`, `delete` or `*` (connected-registry §1). */
export function readNotifications(properties: Json): readonly string[] | undefined {
  const list = optionalStrings(properties, 'notificationsList')
  for (const entry of list ?? [])
    if (!/^[a-z0-9*][a-z0-9*._/-]*(?::[\w*][\w*.-]*)?(?:@(?:sha256:[0-9a-f]{64}|\*))?:(?:push|delete|\*)$/i.test(entry))
      throw invalidProperty('notificationsList', `has an entry of no known form: ${entry}`)
  return list
}

/** An object member, or one that changes nothing. */
export function member(from: Json, name: string): Json {
  return optionalObject(from, name) ?? {}
}

function readSchedule(from: Json, name: string): string | undefined {
  const text = optionalString(from, name)
  if (text !== undefined && !/^[\d*/,-]+(?: [\d*/,-]+){2} [\d*/,a-z-]+ [\d*/,a-z-]+$/i.test(text))
    throw invalidProperty(name, 'must be a cron expression of five fields')
  return text
}

function readSyncWindow(from: Json): string | undefined {
  return readDuration(from, 'syncWindow', hour, 7 * day)
}

function readMessageTtl(from: Json): string | undefined {
  return readDuration(from, 'messageTtl', day, 90 * day)
}

/** ISO 8601, given back as it was sent. */
function readDuration(from: Json, name: string, least: number, most: number): string | undefined {
  const text = optionalString(from, name)
  if (text === undefined) return undefined
  const parts = /^P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text)
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = (parts ?? [])
    .slice(1)
    .map((part?: string) => Number(part ?? 0))
  const total = (weeks * 7 + days) * day + hours * hour + minutes * 60 + seconds
  if (parts === null || total < least || total > most)
    throw invalidProperty(name, `must be an ISO 8601 duration from ${least} to ${most} seconds`)
  return text
}
