import { GeneratorError } from '../errors.ts'
import type { HubConfiguration, HubTwin } from '../hub/hub.ts'
import type { AutomaticDeployment } from '../site-file/site.ts'

/**
 * Priorities in the hub. Each priority of the site file has a band of ten, so that no two layers ever have one priority (facts:
 * deployment-manifests §1.6).
 */
export const band = 10

/**
 * What somebody else has in a deployment's band would go before it by chance.
 *
 * @param own those of the hub that are of this deployment
 * @returns why it cannot be rolled out beside it: `DEPLOYMENT_MIXED`
 */
export function bandRefusal(
  all: readonly HubConfiguration[],
  own: readonly HubConfiguration[],
  { name, priority }: AutomaticDeployment
): GeneratorError | undefined {
  const other = all.find(
    (each) =>
      !own.includes(each) &&
      Math.floor(each.priority / band) === priority &&
      each.content['modulesContent'] !== undefined
  )
  return other === undefined
    ? undefined
    : new GeneratorError(
        'DEPLOYMENT_MIXED',
        `the automatic deployment ${other.id} has priority ${other.priority}, and ${name} needs ${priority * band} to ${priority * band + band - 1} for itself: which goes first would be chance. Give ${name} another priority in the site file, ${retirement}`
      )
}

/** @returns why a device cannot be deployed to by itself: automatic deployments on it would come back over this one */
export function deviceRefusal(id: string, agent: HubTwin | undefined): GeneratorError | undefined {
  const applied = Object.entries(agent?.configurations ?? {})
    .filter(([, { status }]) => status === 'Applied')
    .map(([name]) => name)
  return applied.length === 0
    ? undefined
    : new GeneratorError(
        'DEPLOYMENT_MIXED',
        `${id} has the automatic deployment ${applied.join(', ')}, which would come back over this one: take the device out of its target condition first, deploy with --deployment, ${retirement}`
      )
}

const retirement =
  'or where the site file had it and has it no longer, retire it with causeway deploy --deployment <its name> --allow-remove'

/**
 * How many devices that a site does not have an automatic deployment is for: another site's, of the same name. The hub counts all of
 * them, and the site's own say it themselves.
 *
 * @param counted the configuration, read by itself: lists have no counts
 * @param agents twins of `$edgeAgent` of all the site's devices
 */
export function devicesOfOthers(counted: HubConfiguration | undefined, agents: ReadonlyMap<string, HubTwin>): number {
  if (counted === undefined) return 0
  const own = [...agents.values()].filter(({ configurations = {} }) => Object.hasOwn(configurations, counted.id))
  return Math.max(0, (counted.systemMetrics['targetedCount'] ?? 0) - own.length)
}
