import { leafOf } from '../../acr/cloud-registry.ts'
import { always } from '../../acr/connected-registry-values.ts'
import { checkName } from '../../acr/names.ts'
import type { Option } from './arguments.ts'
import type { AcrCommand } from './command.ts'
import { clientTokensOf } from './connected-registry-create.ts'
import {
  checkMessageTtl,
  checkNotifications,
  checkSchedule,
  checkSyncWindow,
  settings
} from './connected-registry-options.ts'
import type { Invocation } from './invocation.ts'
import { connectedRegistryShape } from './shapes.ts'

export const updateOptions: readonly Option[] = [
  { names: ['--add-client-tokens'], arity: 'any', append: true, help: 'tokens whose holders may use it from now on' },
  { names: ['--remove-client-tokens'], arity: 'any', append: true, help: 'tokens whose holders may use it no longer' },
  { names: ['--add-notifications'], arity: 'any', append: true, help: 'what to send events about from now on' },
  { names: ['--remove-notifications'], arity: 'any', append: true, help: 'what to send events about no longer' },
  ...settings
]

/** Lists that stay as they are are not sent. */
export async function updateConnectedRegistry(call: Invocation): ReturnType<AcrCommand['run']> {
  const { args } = call
  const name = checkName('connected registry', args.text('--name'))
  const tokens = listChange(call, 'client-tokens', (option) => clientTokensOf(call, args.list(option) ?? []))
  const notifications = listChange(call, 'notifications', (option) =>
    checkNotifications(option, args.list(option) ?? [])
  )
  const simple = simpleChanges(call)
  const given = [...updateOptions].some((option) => option.names.some((each) => args.has(each)))
  if (!given) throw args.usage('nothing to update')
  const cloud = await call.registry()
  const current = await cloud.connectedRegistry(name)
  const clientTokens = applied((current.clientTokenIds ?? []).map(leafOf), tokens, false)
  if (clientTokens !== undefined) clientTokensOf(call, clientTokens)
  const notificationsList = applied(current.notificationsList ?? [], notifications, true)
  // A schedule sent alone takes the sync window away (facts: arm-wire §6), so the window goes with it.
  const window = simple.syncProperties.syncWindow ?? current.parent?.syncProperties.syncWindow
  const schedule = simple.syncProperties.schedule
  if (schedule !== undefined && schedule !== always && window === undefined)
    throw args.usage('--sync-schedule needs --sync-window: for how long a sync may take, such as PT4H')
  const syncProperties = {
    ...simple.syncProperties,
    ...(schedule !== undefined && schedule !== always && window !== undefined ? { syncWindow: window } : {})
  }
  return connectedRegistryShape(
    await cloud.updateConnectedRegistry(name, {
      ...simple,
      syncProperties,
      ...(clientTokens === undefined
        ? {}
        : { clientTokenIds: clientTokens.map((token) => cloud.idOf('tokens', token)) }),
      ...(notificationsList === undefined ? {} : { notificationsList: [...notificationsList] })
    })
  )
}

interface ListChange {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

function listChange(call: Invocation, what: string, read: (option: string) => readonly string[]): ListChange {
  const added = read(`--add-${what}`)
  const removed = read(`--remove-${what}`)
  const both = added.filter((entry) => removed.includes(entry))
  if (both.length === 0) return { added, removed }
  throw call.args.usage(`update ambiguity: in --add-${what} and in --remove-${what}: ${both.join(', ')}`)
}

/** The list after the change, or nothing where it stays as it is. */
function applied(
  current: readonly string[],
  { added, removed }: ListChange,
  exactly: boolean
): readonly string[] | undefined {
  const key = (entry: string): string => (exactly ? entry : entry.toLowerCase())
  const gone = new Set(removed.map(key))
  const kept = current.filter((entry) => !gone.has(key(entry)))
  const known = new Set(kept.map(key))
  const fresh = added.filter((entry) => !known.has(key(entry)))
  return fresh.length === 0 && kept.length === current.length ? undefined : [...kept, ...fresh]
}

interface SimpleChanges {
  readonly syncProperties: { readonly schedule?: string; readonly syncWindow?: string; readonly messageTtl?: string }
  readonly logging?: { readonly logLevel?: string; readonly auditLogStatus?: string }
  readonly garbageCollection?: { readonly enabled?: boolean; readonly schedule?: string }
}

function simpleChanges({ args }: Invocation): SimpleChanges {
  const schedule = args.optional('--sync-schedule')
  const syncWindow = args.optional('--sync-window')
  const messageTtl = args.optional('--sync-message-ttl')
  const logLevel = args.optional('--log-level')
  const audit = args.threeState('--audit-logs-enabled')
  const enabled = args.threeState('--gc-enabled')
  const collection = args.optional('--gc-schedule')
  const logging = {
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(audit === undefined ? {} : { auditLogStatus: audit ? 'Enabled' : 'Disabled' })
  }
  const garbageCollection = {
    ...(enabled === undefined ? {} : { enabled }),
    ...(collection === undefined ? {} : { schedule: checkSchedule('--gc-schedule', collection) })
  }
  return {
    syncProperties: {
      ...(schedule === undefined ? {} : { schedule: checkSchedule('--sync-schedule', schedule) }),
      ...(syncWindow === undefined ? {} : { syncWindow: checkSyncWindow(syncWindow) }),
      ...(messageTtl === undefined ? {} : { messageTtl: checkMessageTtl(messageTtl) })
    },
    ...(Object.keys(logging).length === 0 ? {} : { logging }),
    ...(Object.keys(garbageCollection).length === 0 ? {} : { garbageCollection })
  }
}
