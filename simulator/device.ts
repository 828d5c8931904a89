import { join } from 'node:path'
import { startEdgeAgent, type Backoff, type EdgeAgent, type Programs, type PullLayers } from './edge-agent/agent.ts'
import { startEdgeHub, type EdgeHub } from './edge-hub/edge-hub.ts'
import type { CertificateAuthority } from './certificates.ts'
import type { Network } from './network.ts'
import type { TwinStore } from './twins.ts'

/** A device as somebody asks for it. */
export interface DeviceOptions {
  readonly id: string
  /** `<id>.plant.example` by default. */
  readonly hostName?: string
  /** On nested devices: the device whose API proxy is the way to the cloud. */
  readonly parentId?: string
  /** A link of its own to the network: a proxy before the network's. */
  readonly proxyUrl?: string
}

/** What the devices of one pretend world share. */
export interface DeviceWorld {
  readonly network: Network
  readonly twins: TwinStore
  readonly hubHostName: string
  readonly folder: string
  readonly cloudCertificate: string
  readonly cloudCertificateFile: string
  /** Signs the certificates of edgeHubs and workload APIs: the devices' trust bundle. */
  readonly edgeAuthority: CertificateAuthority
  readonly programs?: Programs
  readonly backoff?: Partial<Backoff>
  readonly stopGraceMs?: number
  /** What stands for the layers' part of a pull; layers stay where they are without it. */
  readonly pullLayers?: PullLayers
}

/** A running pretend device. */
export interface Device {
  readonly id: string
  readonly hostName: string
  readonly parentId?: string
  readonly edgeHub: EdgeHub
  readonly agent: EdgeAgent
  close(): Promise<void>
}

export function hostNameOf(device: DeviceOptions): string {
  return device.hostName ?? `${device.id}.plant.example`
}

/** @param parentHostName the parent's name on the network, for a nested device */
export async function startDevice(
  options: DeviceOptions,
  parentHostName: string | undefined,
  world: DeviceWorld
): Promise<Device> {
  const { id, parentId } = options
  const hostName = hostNameOf(options)
  const { network, twins, hubHostName, cloudCertificate, cloudCertificateFile, edgeAuthority } = world
  const edgeHub = await startEdgeHub({ deviceId: id, hubHostName, authority: edgeAuthority, twins })
  const starting = startEdgeAgent({
    deviceId: id,
    hostName,
    ...(parentHostName === undefined ? {} : { parentHostName }),
    hubHostName,
    network,
    ...(options.proxyUrl === undefined ? {} : { proxyUrl: options.proxyUrl }),
    twins,
    edgeHub,
    folder: join(world.folder, 'devices', id),
    cloudCertificate,
    cloudCertificateFile,
    edgeCertificate: edgeAuthority.certificate,
    ...(world.pullLayers === undefined ? {} : { pullLayers: world.pullLayers }),
    ...(world.programs === undefined ? {} : { programs: world.programs }),
    ...(world.backoff === undefined ? {} : { backoff: world.backoff }),
    ...(world.stopGraceMs === undefined ? {} : { stopGraceMs: world.stopGraceMs })
  })
  const agent = await starting.catch(async (error: unknown) => {
    await edgeHub.close()
    throw error
  })
  return {
    id,
    hostName,
    ...(parentId === undefined ? {} : { parentId }),
    edgeHub,
    agent,
    async close() {
      await agent.close()
      await edgeHub.close()
    }
  }
}
