import { EventEmitter } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Network } from '../network.ts'
import { reportProperties } from '../hub/twin-change.ts'
import { TwinStore } from '../twins.ts'
import { standardBackoff, waitMs, type Backoff } from './backoff.ts'
import { portBindings } from './create-options.ts'
import { DeploymentError, type Deployment, type ModuleSpec, type RegistryCredential } from './deployment.ts'
import { engineFetch, type EngineFetch } from './engine-fetch.ts'
import { credentialFor, parseImage } from './image-name.ts'
import { AgentLog } from './agent-log.ts'
import { LogFile } from './log-file.ts'
import { Module, type Device } from './module.ts'
import { parseDeployment } from './parse.ts'
import { HostPorts } from './ports.ts'
import { standardPrograms, type Program, type Programs } from './programs.ts'
import { pullImage, type PulledImage, type PullLayers } from './pull.ts'
import { difference, reportedHub, reportedProperties, type DeploymentReport } from './reported.ts'
import { viewOf, type ModuleView } from './view.ts'

export type { Backoff } from './backoff.ts'
export type { Program, Programs } from './programs.ts'
export type { PullLayers } from './pull.ts'
export type { ModuleView } from './view.ts'

/** What the agent needs of its device's edgeHub. */
export interface HubOfDevice {
  readonly port: number
  moduleEnvironment(moduleId: string): Readonly<Record<string, string>>
  removeModule(moduleId: string): void
}

export interface EdgeAgentOptions {
  readonly deviceId: string
  /** The device's name on the network: its published ports are announced under it. */
  readonly hostName: string
  /** On nested devices: what `$upstream` stands for. */
  readonly parentHostName?: string
  readonly hubHostName: string
  readonly network: Network
  /** The device's way to the network: its own proxy by default. */
  readonly proxyUrl?: string
  readonly twins: TwinStore
  readonly edgeHub: HubOfDevice
  /** The pretend device's disk. */
  readonly folder: string
  /** The cloud's CA: what a container's trust store holds, as PEM and as a file. */
  readonly cloudCertificate: string
  readonly cloudCertificateFile: string
  /** The CA behind the devices' own certificates. */
  readonly edgeCertificate: string
  /** In place of the standard ones of the same label, or beside them. */
  readonly programs?: Programs
  readonly backoff?: Partial<Backoff>
  readonly pullLayers?: PullLayers
  /** How long a module may take to stop: 10 s as docker's. */
  readonly stopGraceMs?: number
}

/** A pretend edgeAgent: what `$edgeAgent` desires becomes processes on this machine. */
export class EdgeAgent extends EventEmitter<{ change: [] }> {
  readonly #options: EdgeAgentOptions
  readonly #programs: Programs
  readonly #modules = new Map<string, Module>()
  readonly #images = new Map<string, PulledImage>()
  readonly #hostPorts = new HostPorts()
  readonly #engine: EngineFetch
  readonly #device: Device
  readonly #proxyUrl: string
  readonly #logFile: LogFile
  #credentials: readonly RegistryCredential[] = []
  #refusal: DeploymentError | undefined
  #busy = false
  #outcome: DeploymentReport = { lastDesiredVersion: -1, code: 417, description: '' }
  #takenVersion = -1
  #seenVersion = -1
  #hubVersion = -1
  #reconciling: Promise<void> = Promise.resolve()
  #reportDue: NodeJS.Immediate | undefined
  #closed = false

  private constructor(options: EdgeAgentOptions) {
    super()
    this.#options = options
    this.#programs = { ...standardPrograms(options.edgeHub.port), ...options.programs }
    this.#logFile = new LogFile(join(options.folder, 'logs', 'edgeAgent.log'))
    this.#proxyUrl = options.proxyUrl ?? options.network.proxyUrl
    this.#engine = engineFetch({
      proxyUrl: this.#proxyUrl,
      cloudCertificate: options.cloudCertificate,
      edgeCertificate: options.edgeCertificate,
      parentHostName: options.parentHostName,
      localPort: (hostPort) => this.#hostPorts.find(hostPort)
    })
    this.#device = this.#makeDevice()
  }

  static async start(options: EdgeAgentOptions): Promise<EdgeAgent> {
    await mkdir(join(options.folder, 'logs'), { recursive: true, mode: 0o700 })
    // What an earlier run could not clear away belongs to containers that are no more.
    await rm(join(options.folder, 'containers'), { recursive: true, force: true })
    const agent = new EdgeAgent(options)
    for (const moduleId of ['$edgeAgent', '$edgeHub']) options.twins.create(TwinStore.key(options.deviceId, moduleId))
    options.twins.on('desired', agent.#desired)
    agent.#reconcileSoon()
    return agent
  }

  modules(): ModuleView[] {
    return [...this.#modules.values()].map(viewOf)
  }

  /** Resolves when everything known so far has been tried once. */
  async settled(): Promise<void> {
    let seen: Promise<void> | undefined
    while (seen !== this.#reconciling) await (seen = this.#reconciling)
  }

  /** What edgeAgent itself wrote. */
  log(): string[] {
    return this.#logFile.tail()
  }

  /** The loopback port behind a port that the device publishes. */
  hostPort(port: number): number | undefined {
    return this.#hostPorts.find(port)
  }

  /** @throws {Error} for a module that is not there */
  kill(moduleId: string, signal: NodeJS.Signals): void {
    const module = this.#modules.get(moduleId)
    if (module === undefined) throw new Error(`${this.#options.deviceId} has no module ${moduleId}`)
    module.kill(signal)
  }

  /** Direct methods on `$edgeAgent`: `ping` and `RestartModule`. */
  async invokeMethod(name: string, payload: unknown): Promise<{ readonly status: number; readonly payload: unknown }> {
    switch (name.toLowerCase()) {
      case 'ping':
        return { status: 200, payload: null }
      case 'restartmodule': {
        const { id } = (payload ?? {}) as { id?: unknown }
        const module = typeof id === 'string' ? this.#modules.get(id) : undefined
        if (module === undefined) return { status: 400, payload: { message: `Module ${String(id)} not found` } }
        await module.restart()
        return { status: 200, payload: null }
      }
      default:
        return { status: 400, payload: { message: `Command '${name}' not found` } }
    }
  }

  /** Stops the device: every module, and the agent. */
  async close(): Promise<void> {
    this.#closed = true
    this.#options.twins.off('desired', this.#desired)
    await Promise.all([...this.#modules.values()].map((module) => module.remove()))
    await this.settled()
    await Promise.all([...this.#modules.values()].map((module) => module.remove()))
    clearImmediate(this.#reportDue)
    await Promise.all([this.#engine.close(), this.#logFile.close()])
  }

  readonly #desired = ({ key }: { readonly key: string }): void => {
    const { deviceId } = this.#options
    if (key === TwinStore.key(deviceId, '$edgeAgent')) this.#reconcileSoon()
    if (key === TwinStore.key(deviceId, '$edgeHub')) this.#changed()
  }

  #reconcileSoon(): void {
    this.#reconciling = this.#reconciling.then(() => this.#reconcile())
  }

  async #reconcile(): Promise<void> {
    const section = this.#options.twins.get(TwinStore.key(this.#options.deviceId, '$edgeAgent'))?.desired
    if (section === undefined || section.version === this.#seenVersion || this.#closed) return
    this.#seenVersion = section.version
    this.#busy = true
    try {
      const upstream = this.#options.parentHostName ?? this.#options.hubHostName
      const deployment = parseDeployment(section.properties, upstream)
      this.#refusal = undefined
      await this.#carryOut(deployment)
      this.#takenVersion = section.version
    } catch (error) {
      // What runs goes on running.
      this.#refusal = error instanceof DeploymentError ? error : new DeploymentError(500, (error as Error).message)
      this.#device.log.error('deployment refused', { version: section.version, reason: this.#refusal.message })
    }
    this.#busy = false
    this.#changed()
  }

  async #carryOut(deployment: Deployment): Promise<void> {
    this.#credentials = deployment.credentials
    const wanted = new Set(deployment.modules.map(({ name }) => name))
    const gone = [...this.#modules.values()].filter(({ spec }) => !wanted.has(spec.name))
    await Promise.all(gone.map((module) => this.#remove(module)))
    // The order is of attempts: nobody waits for readiness (connected-registry.md §8).
    for (const spec of [...deployment.modules].sort((a, b) => a.startupOrder - b.startupOrder)) {
      if (this.#closed) return
      const module = this.#modules.get(spec.name) ?? new Module(spec, this.#device)
      this.#modules.set(spec.name, module)
      await module.apply(spec)
    }
  }

  async #remove(module: Module): Promise<void> {
    await module.remove()
    this.#modules.delete(module.spec.name)
    this.#options.edgeHub.removeModule(module.spec.name)
  }

  #changed(): void {
    if (this.#closed) return
    this.#reportDue ??= setImmediate(() => {
      this.#reportDue = undefined
      this.#report('$edgeAgent', reportedProperties(this.#deploymentReport(), [...this.#modules.values()]))
      this.#runHub()
      this.emit('change')
    })
  }

  /** The outcome of a deployment is reported when all of it has been tried. */
  #deploymentReport(): DeploymentReport {
    if (!this.#busy) this.#outcome = this.#currentOutcome()
    return this.#outcome
  }

  #currentOutcome(): DeploymentReport {
    const lastDesiredVersion = this.#takenVersion
    if (this.#refusal !== undefined)
      return { lastDesiredVersion, code: this.#refusal.status, description: this.#refusal.message }
    // A module that cannot be created fails the plan, which is reported and tried again (OrdererdRetryPlanRunner.cs).
    const failed = [...this.#modules.values()].find(
      ({ status, container }) => status === 'backoff' && container === undefined
    )
    if (failed === undefined) return { lastDesiredVersion, code: 200, description: '' }
    const description = `Could not create module ${failed.spec.name}: ${failed.statusDescription}`
    return { lastDesiredVersion, code: 500, description }
  }

  /** edgeHub reads its own configuration, once it runs; a bad one leaves the one it had (deployment-manifests.md §0.2). */
  #runHub(): void {
    const section = this.#options.twins.get(TwinStore.key(this.#options.deviceId, '$edgeHub'))?.desired
    if (this.#modules.get('edgeHub')?.status !== 'running' || section === undefined) return
    if (section.version === this.#hubVersion) return
    this.#hubVersion = section.version
    this.#report('$edgeHub', reportedHub(section))
  }

  #report(moduleId: string, properties: Readonly<Record<string, unknown>>): void {
    const key = TwinStore.key(this.#options.deviceId, moduleId)
    const before = this.#options.twins.get(key)?.reported.properties
    const patch = before === undefined ? undefined : difference(before, properties)
    if (patch !== undefined) reportProperties(key, patch, this.#options.twins)
  }

  async #pull(spec: ModuleSpec, signal: AbortSignal): Promise<{ digest: string; program: Program }> {
    const image = spec.imagePullPolicy === 'never' ? this.#images.get(spec.image) : await this.#download(spec, signal)
    if (image === undefined) throw new Error(`No such image: ${spec.image}`)
    this.#images.set(spec.image, image)
    const title = image.labels['org.opencontainers.image.title'] ?? ''
    return { digest: image.digest, program: this.#programs[title] ?? { kind: 'builtin' } }
  }

  async #download(spec: ModuleSpec, signal: AbortSignal): Promise<PulledImage> {
    const { registry, repository } = parseImage(spec.image)
    const credential = credentialFor(registry, this.#credentials)
    const pulled = await pullImage({ image: spec.image, credential, fetch: this.#engine.fetch, signal })
    const own = /^127\.0\.0\.1:(\d+)$/.exec(registry)?.[1]
    const port = own === undefined ? undefined : this.#hostPorts.find(Number(own))
    await this.#options.pullLayers?.({
      registry: port === undefined ? registry : `127.0.0.1:${port}`,
      repository,
      digest: pulled.digest,
      credential
    })
    return pulled
  }

  #publish(spec: ModuleSpec, ports: ReadonlyMap<number, number>): void {
    for (const { containerPort, hostPort, loopbackOnly } of portBindings(spec.createOptions)) {
      const port = ports.get(containerPort)
      this.#hostPorts.publish(hostPort, spec.name, port)
      if (port !== undefined && !loopbackOnly)
        this.#options.network.route(`${this.#options.hostName}:${hostPort}`, port)
    }
  }

  #names(): Record<string, number> {
    return Object.fromEntries(
      [...this.#modules.values()]
        .filter(({ status }) => status === 'running')
        .flatMap(({ spec, container }) =>
          [...(container?.ports ?? [])].map(([port, at]) => [`${spec.name.toLowerCase()}:${port}`, at] as const)
        )
    )
  }

  #makeDevice(): Device {
    const { folder, hostName, parentHostName, edgeHub, network } = this.#options
    const backoff = { ...standardBackoff, ...this.#options.backoff }
    return {
      folder,
      hostName,
      stopGraceMs: this.#options.stopGraceMs ?? 10_000,
      // A shorter base shortens the longest wait with it.
      backoff: { ...backoff, mostMs: Math.min(backoff.mostMs, waitMs(backoff, 5)) },
      log: new AgentLog((line) => this.#logFile.write(line)),
      containerEnvironment: {
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        https_proxy: this.#proxyUrl,
        no_proxy: 'localhost,127.0.0.1',
        NODE_EXTRA_CA_CERTS: this.#options.cloudCertificateFile
      },
      moduleEnvironment: (module) => ({
        ...edgeHub.moduleEnvironment(module),
        ...(parentHostName === undefined ? {} : { IOTEDGE_PARENTHOSTNAME: parentHostName })
      }),
      names: () => this.#names(),
      pull: (spec, signal) => this.#pull(spec, signal),
      publish: (spec, ports) => this.#publish(spec, ports),
      unpublish: (module) => {
        for (const hostPort of this.#hostPorts.release(module)) network.unroute(`${hostName}:${hostPort}`)
      },
      changed: () => this.#changed()
    }
  }
}

/** Starts the pretend edgeAgent of one device. */
export function startEdgeAgent(options: EdgeAgentOptions): Promise<EdgeAgent> {
  return EdgeAgent.start(options)
}
