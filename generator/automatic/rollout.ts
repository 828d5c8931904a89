import { pause, throwIfCancelled } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import { refusalOf } from '../hub/deploy.ts'
import type { Hub, HubConfiguration, NewConfiguration } from '../hub/hub.ts'
import type { AutomaticDeployment } from '../site-file/site.ts'
import { band, bandRefusal } from './alone.ts'
import type { AutomaticContent } from './content.ts'

/** Labels by which the deployments of a site are found again; the values are names and no more. */
export const labels = { name: 'causeway', part: 'causeway-part' } as const

/** A paid hub takes a hundred configurations (facts: azure-sdk §7). */
const mostConfigurations = 100
/** Devices that are named where they refuse a deployment; more are looked for only where more may fail. */
const mostNamed = 100

/** Places in a band: what is in place is at its bottom, and what takes its place above that. A settings layer is always above its base. */
const steady = { base: 0, settings: 1 } as const
const rolling = { base: 5, settings: 6 } as const
type Part = keyof typeof steady

export interface RolloutPatience {
  readonly signal: AbortSignal
  /** Milliseconds until it stops waiting. */
  readonly timeout: number
  /** Milliseconds before the first look; each later one waits twice as long, up to `slowest`. */
  readonly soonest?: number
  readonly slowest?: number
}

/** How far a deployment has come, in devices. */
export interface RolloutState {
  readonly targeted: number
  readonly applied: number
  readonly successful: number
}

export interface RolledOut extends RolloutState {
  readonly outcome: 'created' | 'replaced' | 'unchanged'
  readonly id: string
}

/** What the hub has of an automatic deployment. */
export function ownConfigurations(all: readonly HubConfiguration[], name: string): readonly HubConfiguration[] {
  return all.filter(({ labels: own }) => own[labels.name] === name)
}

/**
 * Brings an automatic deployment to what is wanted: the new one is made above the one in place, the devices are waited for by
 * the hub's counts, and only then the old one goes. Where devices refuse the new one, it goes instead. Run again after an
 * interruption, it goes on where it was.
 *
 * @param mayFail how many devices may refuse it
 * @param tell is called with each look
 * @throws {GeneratorError} `HUB_FULL`, `DEPLOYMENT_MIXED`, `DEPLOYMENT_FAILED` once it is rolled back, or `TIMED_OUT`, where
 *   both stay and devices take the new one as they come online
 */
export async function rollOut(
  hub: Hub,
  wanted: AutomaticDeployment,
  content: AutomaticContent,
  mayFail: number,
  patience: RolloutPatience,
  tell: (state: RolloutState) => void
): Promise<RolledOut> {
  const all = await hub.configurations()
  const own = ownConfigurations(all, wanted.name)
  const mixed = bandRefusal(all, own, wanted)
  if (mixed !== undefined) throw mixed
  const ids = { base: content.base.id, settings: content.settings.id }
  const old = own.filter(({ id }) => id !== ids.base && id !== ids.settings)
  const missing = (['settings', 'base'] as const).filter((part) => !own.some(({ id }) => id === ids[part]))
  if (all.length + missing.length > mostConfigurations)
    throw new GeneratorError(
      'HUB_FULL',
      `the hub has ${all.length} of ${mostConfigurations} automatic deployments and configurations, and ${missing.length} more are needed; take away what is no longer used (az iot edge deployment list)`
    )
  const places = old.length > 0 ? rolling : steady
  // The layer first: it works on the old base too, and without it the new base would for a moment have no settings. Where the
  // base comes down, as after an interruption, that goes first, and for the same reason.
  const there = own.find(({ id }) => id === ids.base)
  const down = there !== undefined && there.priority > wanted.priority * band + places.base
  for (const part of down ? (['base', 'settings'] as const) : (['settings', 'base'] as const))
    await put(hub, own, wanted, part, content[part], places[part])
  let state: RolloutState
  try {
    state = await waitForDevices(hub, ids.base, mayFail, patience, tell)
  } catch (error) {
    if (!(error instanceof GeneratorError) || error.code !== 'DEPLOYMENT_FAILED' || old.length === 0) throw error
    await rollBack(hub, wanted, ids, old, missing)
    throw new GeneratorError(error.code, `${error.message}. It was rolled back: the one before is in place`, {
      details: error.details
    })
  }
  for (const { id } of [...old].sort(basesFirst)) await hub.removeConfiguration(id)
  if (old.length > 0) await settle(hub, wanted, ids)
  const outcome = old.length > 0 ? 'replaced' : missing.length > 0 ? 'created' : 'unchanged'
  return { outcome, id: ids.base, ...state }
}

/** Makes a part, or brings one that is there to its place, condition and priority. */
async function put(
  hub: Hub,
  own: readonly HubConfiguration[],
  { name, targetCondition, priority }: AutomaticDeployment,
  part: Part,
  { id, content }: AutomaticContent[Part],
  place: number
): Promise<void> {
  const wanted = { targetCondition, priority: priority * band + place }
  const there = own.find((each) => each.id === id)
  if (there !== undefined) {
    await change(hub, there, wanted)
    return
  }
  const configuration: NewConfiguration = {
    id,
    labels: { [labels.name]: name, [labels.part]: part },
    content: { modulesContent: content.modulesContent },
    ...wanted
  }
  if ((await hub.createConfiguration(configuration)) === 'created') return
  const existing = await hub.configuration(id)
  if (existing !== undefined) await change(hub, existing, wanted)
}

async function change(
  hub: Hub,
  configuration: HubConfiguration,
  wanted: Pick<HubConfiguration, 'targetCondition' | 'priority'>
): Promise<void> {
  let current: HubConfiguration | undefined = configuration
  for (let attempt = 1; attempt <= 3 && current !== undefined; attempt++) {
    if (current.targetCondition === wanted.targetCondition && current.priority === wanted.priority) return
    if ((await hub.updateConfiguration(current, wanted)) !== 'changed') return
    current = await hub.configuration(configuration.id)
  }
  throw new GeneratorError(
    'AZURE_CONFLICT',
    `others keep changing the automatic deployment ${configuration.id}; find out who, and run this again`
  )
}

/** Back to the bottom of the band, the base first: the layer stays above it all the time. */
async function settle(
  hub: Hub,
  { targetCondition, priority }: AutomaticDeployment,
  ids: Readonly<Record<Part, string>>
): Promise<void> {
  for (const part of ['base', 'settings'] as const) {
    const configuration = await hub.configuration(ids[part])
    if (configuration !== undefined)
      await change(hub, configuration, { targetCondition, priority: priority * band + steady[part] })
  }
}

/** Takes away what was made, and brings what served both back to its place. */
async function rollBack(
  hub: Hub,
  wanted: AutomaticDeployment,
  ids: Readonly<Record<Part, string>>,
  old: readonly HubConfiguration[],
  made: readonly Part[]
): Promise<void> {
  // A part that an interrupted run had made is not in `made`; what has an old one beside it is new all the same.
  const replaced = (['base', 'settings'] as const).filter(
    (part) => made.includes(part) || old.some(({ labels: own }) => own[labels.part] === part)
  )
  for (const part of replaced) await hub.removeConfiguration(ids[part])
  if (replaced.length < 2) await settle(hub, wanted, ids)
}

/** Waits until every device that the hub put it on has it and says so. */
async function waitForDevices(
  hub: Hub,
  id: string,
  mayFail: number,
  { signal, timeout, soonest = 1000, slowest = 15_000 }: RolloutPatience,
  tell: (state: RolloutState) => void
): Promise<RolloutState> {
  const deadline = Date.now() + timeout
  for (let interval = soonest; ; interval = Math.min(interval * 2, slowest)) {
    throwIfCancelled(signal)
    const { systemMetrics = {} } = (await hub.configuration(id)) ?? {}
    const state = {
      targeted: systemMetrics['targetedCount'] ?? 0,
      applied: systemMetrics['appliedCount'] ?? 0,
      successful: systemMetrics['reportedSuccessfulCount'] ?? 0
    }
    tell(state)
    if (state.targeted > 0 && state.applied >= state.targeted && state.successful >= state.applied) return state
    const enough = Math.max(mayFail + 1, mostNamed)
    const refused = state.applied === 0 ? [] : await refusals(hub, id, enough)
    if (refused.length > mayFail)
      throw new GeneratorError(
        'DEPLOYMENT_FAILED',
        `${refused.length < enough ? '' : 'at least '}${refused.length} of ${state.targeted} devices refuse ${id}${mayFail === 0 ? '' : `, and ${mayFail} may`}`,
        { details: refused }
      )
    if (state.targeted > 0 && state.applied >= state.targeted && state.successful + refused.length >= state.applied)
      return state
    if (Date.now() + interval > deadline) throw late(id, state, timeout)
    await pause(interval, signal)
  }
}

function late(id: string, { targeted, applied, successful }: RolloutState, timeout: number): GeneratorError {
  const seconds = Math.round(timeout / 1000)
  if (targeted === 0)
    return new GeneratorError(
      'TIMED_OUT',
      `after ${seconds} s: the target condition of ${id} holds on no device; check it against the tags of the devices' twins`
    )
  const others = applied < targeted ? `; on ${targeted - applied} another deployment goes first or it does not fit` : ''
  return new GeneratorError(
    'TIMED_OUT',
    `after ${seconds} s: ${successful} of ${targeted} devices run ${id}${others}. It stays, and devices take it as they come online; the one before stays below it until this is run again and all have it`
  )
}

/**
 * Devices that refuse what they were given, with their reasons; the hub's own counts leave them out.
 *
 * @param enough to stop at: a hub answers twenty pages of a hundred a minute
 */
async function refusals(hub: Hub, id: string, enough: number): Promise<string[]> {
  const refused: string[] = []
  for await (const twin of hub.refusing(id)) {
    const reason = refusalOf(twin)
    if (reason !== undefined) refused.push(`DEPLOYMENT_FAILED ${twin.deviceId}: ${reason}`)
    if (refused.length >= enough) break
  }
  return refused.sort()
}

export function basesFirst(a: HubConfiguration, b: HubConfiguration): number {
  return (a.labels[labels.part] ?? '').localeCompare(b.labels[labels.part] ?? '')
}
