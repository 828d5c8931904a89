import { repositoryOfEntry } from '../../module/settings/image-filter.ts'
import type { SettingsInput } from '../../module/settings/document.ts'
import type { ResourceSettings } from './resource-settings.ts'
import type { SiteDocument } from './schema.ts'

/** A site with every default filled in and every name known to exist. */
export interface Site {
  readonly azure: SiteDocument['azure']
  /** `mycontainerregistry001.azurecr.io`, in lower case as Azure writes it. */
  readonly loginServer: string
  /** `causeway-hub.azure-devices.net` */
  readonly hubHost: string
  readonly pullToken: SiteDocument['pullToken']
  readonly images: SiteDocument['images']
  readonly imports: SiteDocument['imports']
  readonly scopeMaps: NonNullable<SettingsInput['scopeMaps']>
  readonly tokens: Readonly<Record<string, ClientToken>>
  readonly passwords: SiteDocument['passwords']
  readonly imageSets: SiteDocument['imageSets']
  readonly moduleName: string
  /** Connected registries that are to go from Azure Resource Manager, by name. */
  readonly retired: readonly string[]
  readonly apiProxyPort: number
  readonly deployments: Readonly<Record<string, AutomaticDeployment>>
  readonly devices: Readonly<Record<string, Device>>
  /** Devices without a registry of their own. */
  readonly relays: Readonly<Record<string, Relay>>
  /** Tokens that are disabled whatever the site file says: see `secrets/revoked.ts`. */
  readonly revoked?: Pick<ReadonlySet<string>, 'has'>
}

/** Devices that IoT Hub brings their modules to by a condition. */
export interface AutomaticDeployment {
  readonly name: string
  readonly targetCondition: string
  readonly priority: number
  /** Ids, sorted. */
  readonly devices: readonly string[]
}

/** The automatic deployment that a device belongs to, or undefined for one that is deployed to by itself. */
export function automaticDeploymentOf(
  { deployments }: Pick<Site, 'deployments'>,
  device: string
): AutomaticDeployment | undefined {
  const owners = owning.get(deployments) ?? ownersOf(deployments)
  owning.set(deployments, owners)
  return owners.get(device)
}

/** Asked for each device of thousands. */
const owning = new WeakMap<Site['deployments'], ReadonlyMap<string, AutomaticDeployment>>()

function ownersOf(deployments: Site['deployments']): ReadonlyMap<string, AutomaticDeployment> {
  return new Map(
    Object.values(deployments).flatMap((deployment) => deployment.devices.map((id) => [id, deployment] as const))
  )
}

export interface ClientToken {
  readonly scopeMap: string
  readonly status: 'enabled' | 'disabled'
  readonly passwords?: { readonly expiresInDays?: number | undefined } | undefined
}

/** One IoT Edge device with its connected registry. */
export interface Device {
  readonly id: string
  readonly registryName: string
  readonly mode: 'ReadOnly' | 'ReadWrite'
  readonly syncToken: string
  /** The scope map of the sync token, in the cloud registry and in the parent's settings. */
  readonly syncScopeMap: string
  readonly resource: boolean
  /** What Azure Resource Manager is to keep of it, where `resource` is true. */
  readonly resourceSettings: ResourceSettings
  /** The device with the nearest registry above this one, which this one syncs from: through relays, where there are any between. */
  readonly parent?: string
  /** The device right above this one, which it reaches by name: its parent, or a relay on the way there. */
  readonly above?: string
  /** Devices whose parent this one is, sorted. */
  readonly children: readonly string[]
  /** Relays whose parent this one is, sorted. */
  readonly relays: readonly string[]
  readonly port: number
  readonly dataFolder: string
  readonly imageSets: readonly string[]
  readonly tokens: readonly string[]
  /** The device's name on the network, where the site file tells. */
  readonly hostName?: string
  /** `own`: of the device itself, and not of the whole site. */
  readonly network: SiteDocument['network'] & { readonly own: boolean }
  /** Where the device's engine pulls the workloads of its deployment from, and as whom. */
  readonly workloads: SiteDocument['workloads']
  readonly sync: SiteDocument['sync']
  readonly status: SiteDocument['status']
  readonly logLevel: SiteDocument['logLevel']
  /** What else the site file says of the module's settings. */
  readonly settings: SiteDocument['settings']
}

/** An IoT Edge device without a registry, whose API proxy passes pulls on to the device above. */
export interface Relay extends Pick<Device, 'id' | 'hostName' | 'network'> {
  /** The device with the nearest registry above this one, where pulls end. */
  readonly parent: string
  /** The device right above this one: its parent, or another relay. */
  readonly above: string
}

/** The repository of `repository:tag`. */
export function repositoryOf(image: string): string {
  return image.slice(0, image.lastIndexOf(':'))
}

/** The four images that IoT Edge runs beside the workloads, and that every layer above a device must hold for it. */
export function runtimeImages(site: Pick<Site, 'images'>): readonly string[] {
  const { connectedRegistry, agent, hub, apiProxy } = site.images
  return [connectedRegistry, agent, hub, apiProxy]
}

/** The image set under which a device holds the runtime of those below it; a site file may not give it to its own. */
export const runtimeImageSet = 'iotedge-runtime'

/** The token, and its scope map, with which settings that are too large for a twin are pushed to the cloud registry. */
export const settingsPushToken = 'causeway-settings-push'

/** All devices with a registry below one, at any depth. */
export function descendants(site: Pick<Site, 'devices'>, id: string): readonly Device[] {
  return (site.devices[id]?.children ?? []).flatMap((child) => {
    const device = site.devices[child]
    return device === undefined ? [] : [device, ...descendants(site, child)]
  })
}

/** The repositories of these devices' image sets, sorted. */
export function repositoriesOf(
  site: Pick<Site, 'imageSets'>,
  devices: readonly Pick<Device, 'imageSets'>[]
): readonly string[] {
  const entries = devices.flatMap((device) =>
    device.imageSets.flatMap((name) => site.imageSets[name]?.repositories ?? [])
  )
  return [...new Set(entries.map(repositoryOfEntry))].sort()
}
