import type { Device, Site } from '../site-file/site.ts'
import { mostConnectedRegistries } from './connected-registry-values.ts'

/**
 * What somebody should know of connected registries as Azure resources before Azure is asked for them, a line each. None where the
 * site has none.
 */
export function resourceNotes(site: Pick<Site, 'azure' | 'loginServer' | 'devices'>): readonly string[] {
  const names = resourcesOf(Object.values(site.devices))
  if (names.length === 0) return []
  const [registry = '', ...domain] = site.loginServer.split('.')
  const dataEndpoint = `${registry}.${site.azure.region ?? '<region>'}.data.${domain.join('.')}`
  return [
    `note RESOURCES_BILLED: ${count(names)} as Azure ${names.length === 1 ? 'resource' : 'resources'} (resource: true): Azure bills each, and a registry has at most ${mostConnectedRegistries}. Devices work without`,
    `note RESOURCES_NEED: the registry has to be Premium; its data endpoint is enabled where it is not, and firewalls have to let devices reach ${dataEndpoint}`,
    `note RESOURCES_OFFLINE: ${offline(names)}`
  ]
}

/** What `causeway status` adds where a device has a resource, whose state would mislead. */
export function statusNotes(devices: readonly Device[]): readonly string[] {
  const names = resourcesOf(devices)
  return names.length === 0 ? [] : [`note RESOURCES_OFFLINE: ${offline(names)}`]
}

function offline(names: readonly string[]): string {
  const some = names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ')
  return `connectionState of ${some} in Azure stays Offline, since devices tell their state in their module twins: causeway status`
}

function count(names: readonly string[]): string {
  return names.length === 1 ? `connected registry ${names[0] ?? ''}` : `${names.length} connected registries`
}

function resourcesOf(devices: readonly Device[]): readonly string[] {
  return devices.filter(({ resource }) => resource).map(({ registryName }) => registryName)
}
