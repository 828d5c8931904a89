import { GeneratorError } from '../errors.ts'
import type { Hub, HubConfiguration, HubTwin } from '../hub/hub.ts'
import type { Change } from '../plan/plan.ts'
import type { Site } from '../site-file/site.ts'
import { devicesOfOthers } from './alone.ts'
import { basesFirst, labels, ownConfigurations } from './rollout.ts'

/**
 * Automatic deployments that are on devices of a site, and on no others, under a name that its site file no longer has.
 *
 * @param agents twins of `$edgeAgent` of the site's devices
 * @param configurations all of the hub; read only where there is anything on a device
 */
export async function formerChanges(
  hub: Pick<Hub, 'configuration'>,
  { deployments }: Pick<Site, 'deployments'>,
  agents: ReadonlyMap<string, HubTwin>,
  configurations: () => Promise<readonly HubConfiguration[]>
): Promise<readonly Change[]> {
  const there = new Set([...agents.values()].flatMap(({ configurations: on = {} }) => Object.keys(on)))
  if (there.size === 0) return []
  const changes: Change[] = []
  for (const { id, labels: own } of await configurations()) {
    const name = own[labels.name]
    if (name === undefined || Object.hasOwn(deployments, name) || !there.has(id)) continue
    if (devicesOfOthers(await hub.configuration(id), agents) > 0) continue
    changes.push({
      code: 'P302',
      action: 'remove',
      part: `deployment ${name}`,
      subject: id,
      differences: [],
      warning: `the site file has no deployment ${name} any more; causeway deploy --deployment ${name} --allow-remove retires it, and devices keep its modules until they are given others`
    })
  }
  return changes
}

/**
 * Retires what the hub has of an automatic deployment that the site file no longer has. The modules stay on the devices: a hub takes
 * them away only for another deployment (facts: deployment-manifests §1.6).
 *
 * @param agents twins of `$edgeAgent` of all the site's devices
 * @returns the ids of what was retired; none where the hub has nothing of this name
 * @throws {GeneratorError} `DEPLOYMENT_MIXED` where devices of others have it, and `MODULES_WOULD_GO` where nobody allowed it
 */
export async function retireFormer(
  hub: Hub,
  name: string,
  agents: ReadonlyMap<string, HubTwin>,
  allowRemove: boolean
): Promise<readonly string[]> {
  const own = [...ownConfigurations(await hub.configurations(), name)].sort(basesFirst)
  for (const { id } of own) {
    const others = devicesOfOthers(await hub.configuration(id), agents)
    if (others > 0)
      throw new GeneratorError(
        'DEPLOYMENT_MIXED',
        `the automatic deployment ${id} is for ${others} devices that the site file does not have: it is another site's, or take it away by hand (az iot edge deployment delete)`
      )
  }
  if (own.length > 0 && !allowRemove)
    throw new GeneratorError(
      'MODULES_WOULD_GO',
      `the site file has no deployment ${name}, and the hub has ${own.map(({ id }) => id).join(' and ')}: say --allow-remove to retire it`
    )
  for (const { id } of own) await hub.removeConfiguration(id)
  return own.map(({ id }) => id)
}
