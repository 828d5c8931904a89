import type { PassResult, SyncTrigger } from './events.ts'
import type { Content } from './ports.ts'

const resultKey = 'sync.last'
const absentKey = 'sync.absent'
const triggers: readonly SyncTrigger[] = ['InitialSync', 'Schedule', 'ManualResync', 'SettingsChange', 'Recovery']

/** How the last pass ended, also after a restart; undefined where there was none, or it cannot be read. */
export async function readLastSync(index: Pick<Content['index'], 'state'>): Promise<PassResult | undefined> {
  const value = await index.state(resultKey)
  if (typeof value !== 'object' || value === null) return undefined
  const { trigger, state, startedAt, endedAt, succeededAt, windowEnded, correlationId } = value as Partial<
    Record<keyof PassResult, unknown>
  >
  const known = triggers.find((name) => name === trigger)
  if (known === undefined || (state !== 'Succeeded' && state !== 'Failed')) return undefined
  if (typeof startedAt !== 'string' || typeof endedAt !== 'string') return undefined
  return {
    trigger: known,
    state,
    startedAt,
    endedAt,
    ...(typeof succeededAt === 'string' ? { succeededAt } : {}),
    ...(windowEnded === true ? { windowEnded } : {}),
    ...(typeof correlationId === 'string' ? { correlationId } : {})
  }
}

/** Children of indexes (`repository@digest`) that the parent was found not to have, so that the rest counts as whole. */
export async function readAbsent(index: Pick<Content['index'], 'state'>): Promise<Set<string>> {
  const value = await index.state(absentKey)
  return new Set(Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [])
}

/** Keeps what the next start wants to know. */
export async function writeLastSync(
  index: Pick<Content['index'], 'apply'>,
  result: PassResult,
  absent: ReadonlySet<string>
): Promise<void> {
  await index.apply([
    { kind: 'setState', key: resultKey, value: result },
    { kind: 'setState', key: absentKey, value: absent.size === 0 ? undefined : [...absent] }
  ])
}
