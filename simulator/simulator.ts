import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clouds, type SimulatedCloud } from './cloud-names.ts'
import { CertificateAuthority } from './certificates.ts'
import { startCloud, type Cloud, type CloudOptions } from './cloud.ts'
import type { ImageContent } from './control.ts'
import { hostNameOf, startDevice, type Device, type DeviceOptions, type DeviceWorld } from './device.ts'
import { startHub, type Hub, type HubOptions } from './hub/hub.ts'
import { Network } from './network.ts'
import { TwinStore } from './twins.ts'

export interface SimulatorOptions extends Pick<DeviceWorld, 'programs' | 'backoff' | 'stopGraceMs' | 'pullLayers'> {
  /** Where the pretend world keeps its files. */
  readonly folder: string
  /** Which of Azure's clouds it is: AzureCloud unless given. */
  readonly cloud?: SimulatedCloud
  /** One device `gateway` by default. A nested device names its parent. */
  readonly devices?: readonly DeviceOptions[]
  /** `mycontainerregistry001` in `westus2` by default. */
  readonly registry?: Partial<CloudOptions['registries'][number]>
  /** Names of key vaults; none by default. */
  readonly keyVaults?: readonly string[]
}

/** The pretend Azure and its devices, running. */
export interface Simulator {
  /** What `causeway` and the Azure SDKs need to find themselves in the pretend world. */
  readonly environment: Readonly<Record<string, string>>
  /** The CA certificates as files: of the cloud's names, and of what the devices answer with. */
  readonly certificates: { readonly cloud: string; readonly edge: string }
  readonly network: Network
  readonly twins: TwinStore
  readonly cloud: Cloud
  readonly hub: Hub
  readonly devices: ReadonlyMap<string, Device>
  readonly registryName: string
  pushImage(repository: string, tag: string, content?: ImageContent): Promise<{ readonly digest: string }>
  close(): Promise<void>
}

export const defaults = {
  subscriptionId: '00000000-0000-0000-0000-000000000001',
  resourceGroup: 'causeway-demo',
  registry: { name: 'mycontainerregistry001', region: 'westus2', sku: 'Premium' },
  hub: 'causeway-hub',
  device: 'gateway',
  /** The module's own image, as whoever builds it has pushed it. */
  image: { repository: 'acr/connected-registry', tag: 'causeway-0.1.0' }
} as const

/**
 * Starts the pretend world, all of it on loopback.
 *
 * @throws {Error} for devices that cannot be: two of one name, or one below a device that is not there
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const wanted = options.devices ?? [{ id: defaults.device }]
  checkDevices(wanted)
  const started: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const stop of started.splice(0).reverse()) await stop()
  }
  try {
    return { ...(await assemble(options, wanted, started)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @param started takes how to stop each part, in the order of their starts */
async function assemble(
  options: SimulatorOptions,
  wanted: readonly DeviceOptions[],
  started: (() => Promise<void>)[]
): Promise<Omit<Simulator, 'close'>> {
  const { folder } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const [cloudAuthority, edgeAuthority] = await Promise.all([
    CertificateAuthority.create('Causeway simulator cloud CA'),
    CertificateAuthority.create('Causeway simulator edge CA')
  ])
  const certificates = { cloud: join(folder, 'cloud-ca.pem'), edge: join(folder, 'edge-ca.pem') }
  await writeFile(certificates.cloud, cloudAuthority.certificate)
  await writeFile(certificates.edge, edgeAuthority.certificate)

  const network = await Network.start()
  started.push(() => network.close())
  const registry = { ...defaults.registry, ...options.registry }
  const login = { tenantId: randomUUID(), clientId: randomUUID(), clientSecret: randomBytes(24).toString('base64url') }
  const { subscriptionId, resourceGroup } = defaults
  const cloud = await startCloud({
    network,
    authority: cloudAuthority,
    folder,
    ...login,
    subscriptionId,
    resourceGroup,
    cloud: options.cloud ?? 'AzureCloud',
    registries: [registry],
    ...(options.keyVaults === undefined ? {} : { keyVaults: options.keyVaults })
  })
  started.push(() => cloud.close())

  const twins = new TwinStore()
  const devices = new Map<string, Device>()
  const hub = await startHub({
    name: defaults.hub,
    domain: clouds[options.cloud ?? 'AzureCloud'].hub,
    network,
    authority: cloudAuthority,
    twins,
    devices: wanted.map(({ id, parentId }) => ({ id, parentId })),
    verifyBearer: (token) => verifyBearer(cloud, token),
    ...linkTo(devices)
  })
  started.push(() => hub.close())

  const world = {
    network,
    twins,
    hubHostName: hub.hostName,
    folder,
    cloudCertificate: cloudAuthority.certificate,
    cloudCertificateFile: certificates.cloud,
    edgeAuthority,
    ...(options.pullLayers === undefined ? {} : { pullLayers: options.pullLayers }),
    ...(options.programs === undefined ? {} : { programs: options.programs }),
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
    ...(options.stopGraceMs === undefined ? {} : { stopGraceMs: options.stopGraceMs })
  }
  // Modules need their grace to stop: all devices at once.
  started.push(async () => {
    await Promise.all([...devices.values()].map((device) => device.close()))
  })
  for (const device of wanted) {
    const parent = wanted.find(({ id }) => id === device.parentId)
    const running = await startDevice(device, parent && hostNameOf(parent), world)
    devices.set(device.id, running)
  }

  const content = cloud.registry(registry.name)
  const { repository, tag } = defaults.image
  await content.pushImage(repository, tag, { labels: { 'org.opencontainers.image.title': 'causeway-module' } })
  return {
    environment: environmentOf(network, certificates.cloud, login, hub),
    certificates,
    network,
    twins,
    cloud,
    hub,
    devices,
    registryName: registry.name,
    pushImage: (...parameters) => content.pushImage(...parameters)
  }
}

function checkDevices(devices: readonly DeviceOptions[]): void {
  const ids = devices.map(({ id }) => id)
  const twice = ids.find((id, position) => ids.indexOf(id) !== position)
  if (twice !== undefined) throw new Error(`there are two devices ${twice}`)
  for (const { id, parentId } of devices) {
    if (parentId === undefined) continue
    if (!ids.includes(parentId)) throw new Error(`the device ${id} names a parent that is not there: ${parentId}`)
    for (let at: string | undefined = parentId, hops = 0; at !== undefined; hops += 1) {
      if (at === id || hops > devices.length) throw new Error(`the device ${id} is among its own parents`)
      at = devices.find((device) => device.id === at)?.parentId
    }
  }
}

/** How the hub reaches modules: edgeAgent answers for itself, the others over their own edgeHub connections. */
function linkTo(devices: ReadonlyMap<string, Device>): Pick<HubOptions, 'invokeMethod' | 'isConnected'> {
  return {
    isConnected(deviceId, moduleId) {
      const device = devices.get(deviceId)
      if (device === undefined) return false
      return moduleId === undefined || isSystem(moduleId) || device.edgeHub.isConnected(moduleId)
    },
    async invokeMethod({ deviceId, moduleId, name, payload, ...timeouts }) {
      const device = devices.get(deviceId)
      if (moduleId === '$edgeAgent' && device !== undefined) return device.agent.invokeMethod(name, payload)
      // The device itself and edgeHub take no direct methods.
      if (device === undefined || moduleId === undefined || isSystem(moduleId))
        throw Object.assign(new Error('nobody listens for direct methods there'), { status: 404 })
      return device.edgeHub.invokeMethod(moduleId, name, payload, timeouts)
    }
  }
}

function isSystem(moduleId: string): boolean {
  return moduleId === '$edgeAgent' || moduleId === '$edgeHub'
}

async function verifyBearer(cloud: Cloud, token: string): Promise<{ audience: string } | undefined> {
  try {
    await cloud.verifyHubToken(`Bearer ${token}`)
    return { audience: 'https://iothubs.azure.net' }
  } catch {
    return undefined
  }
}

function environmentOf(
  network: Network,
  certificateFile: string,
  login: { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string },
  hub: Hub
): Record<string, string> {
  return {
    https_proxy: network.proxyUrl,
    HTTPS_PROXY: network.proxyUrl,
    no_proxy: 'localhost,127.0.0.1',
    NODE_EXTRA_CA_CERTS: certificateFile,
    AZURE_TENANT_ID: login.tenantId,
    AZURE_CLIENT_ID: login.clientId,
    AZURE_CLIENT_SECRET: login.clientSecret,
    IOTHUB_CONNECTION_STRING: hub.connectionString
  }
}
