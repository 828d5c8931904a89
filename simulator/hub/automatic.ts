import { isDeepStrictEqual } from 'node:util'
import { TwinStore } from '../twins.ts'
import type { Configuration, Configurations } from './configurations.ts'
import { applyContent, checkDesired } from './deployment-content.ts'
import { HubError } from './errors.ts'
import type { Identity, IdentityRegistry } from './identities.ts'
import { desiredOf, effectiveOf, type Effective } from './layers.ts'
import { parseCondition, type Condition } from './query-language.ts'
import type { TwinView } from './twin-json.ts'

/** What the hub says of a deployment on a device: whether its content is there, or another of higher priority is. */
export type DeviceConfigurations = Readonly<Record<string, { readonly status: 'Applied' | 'Targeted' }>>

export interface AutomaticOptions {
  readonly registry: IdentityRegistry
  readonly twins: TwinStore
  readonly configurations: Configurations
  readonly view: () => TwinView
  /** Milliseconds before the hub looks again after something changed; the service takes minutes. */
  readonly delay?: number
}

/** What was put on a device last. */
interface Applied {
  readonly modules: Effective['modules']
}

/**
 * Puts automatic deployments on devices. It looks again whenever deployments, tags or devices change, and leaves what it put
 * there when a deployment goes: modules end only when another deployment takes their place (deployment-manifests.md §1.6).
 */
export class AutomaticDeployments {
  readonly #options: AutomaticOptions
  readonly #applied = new Map<string, Applied>()
  readonly #statuses = new Map<string, DeviceConfigurations>()
  readonly #again = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #waiting: (() => void)[] = []

  constructor(options: AutomaticOptions) {
    this.#options = options
  }

  /** What the twin of a device's `$edgeAgent` shows. */
  statusOf(deviceId: string): DeviceConfigurations {
    return this.#statuses.get(deviceId) ?? {}
  }

  /** Has the hub look again, soon. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#evaluate()
      for (const done of this.#waiting.splice(0)) done()
    }, this.#options.delay ?? 0)
  }

  /** A device was given a deployment of its own: where an automatic one targets it, that comes back (ours; the docs only forbid it). */
  overwritten(deviceId: string): void {
    this.#applied.delete(deviceId)
    this.changed()
  }

  /** Deleting a deployment writes the twins of all that it targeted again, used or not (Azure/iotedge#3649). */
  deleted(id: string): void {
    for (const [deviceId, statuses] of this.#statuses) if (Object.hasOwn(statuses, id)) this.#again.add(deviceId)
    this.changed()
  }

  /** Resolves when the hub has looked at everything that changed so far. */
  settled(): Promise<void> {
    if (this.#timer === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const done of this.#waiting.splice(0)) done()
  }

  #evaluate(): void {
    const { registry, configurations, view } = this.#options
    const all = configurations.list().map((configuration) => ({ configuration, holds: conditionOf(configuration) }))
    for (const device of registry.devices()) {
      if (device.capabilities?.iotEdge !== true) continue
      const twin = all.length === 0 ? {} : view().twin(device, device)
      const targeting = all.filter(({ holds }) => holds(twin) === true).map(({ configuration }) => configuration)
      this.#putOn(device, targeting)
    }
    this.#again.clear()
  }

  #putOn({ deviceId }: Identity, targeting: readonly Configuration[]): void {
    const { registry, twins } = this.#options
    const effective = effectiveOf(deviceId, targeting)
    const before = this.#applied.get(deviceId)
    let applied = effective?.applied ?? []
    const same = before !== undefined && isDeepStrictEqual(before.modules, effective?.modules)
    if (effective !== undefined && (!same || this.#again.has(deviceId)))
      try {
        const desired = desiredOf(
          effective,
          (moduleId) => twins.get(TwinStore.key(deviceId, moduleId))?.desired.properties,
          before?.modules
        )
        checkDesired(desired)
        applyContent(deviceId, desired, registry, twins)
        this.#applied.set(deviceId, { modules: effective.modules })
      } catch (error) {
        // What does not fit into a twin or on a device stays targeted.
        if (!(error instanceof HubError)) throw error
        applied = []
      }
    this.#statuses.set(
      deviceId,
      Object.fromEntries(
        targeting.map((each) => [each.id, { status: applied.includes(each) ? 'Applied' : 'Targeted' } as const])
      )
    )
  }
}

function conditionOf({ targetCondition, content }: Configuration): Condition {
  if (content.modulesContent === undefined) return () => false
  return targetCondition.trim() === '*' ? () => true : parseCondition(targetCondition)
}

/** The queries behind the counts that the hub makes up of every deployment by itself. */
export function systemQueries({ id, targetCondition }: Configuration): Readonly<Record<string, string>> {
  const condition = targetCondition.trim() === '*' ? '' : ` and (${targetCondition})`
  const applied = `select deviceId from devices.modules where moduleId = '$edgeAgent' and configurations.[[${id}]].status = 'Applied'`
  // A refused deployment keeps the version of the one before it, and so counts as neither.
  const taken = `${applied} and properties.desired.$version = properties.reported.lastDesiredVersion`
  return {
    targetedCount: `select deviceId from devices where capabilities.iotEdge = true${condition}`,
    appliedCount: applied,
    reportedSuccessfulCount: `${taken} and properties.reported.lastDesiredStatus.code = 200`,
    reportedFailedCount: `${taken} and properties.reported.lastDesiredStatus.code != 200`
  }
}

/** Counts of queries; one that is none the hub counts as it counts nothing. */
export function countAll(
  queries: Readonly<Record<string, string>>,
  count: (query: string) => number | undefined
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(queries).flatMap(([name, query]): [string, number][] => {
      const found = count(query)
      return found === undefined ? [] : [[name, found]]
    })
  )
}
