import { EventEmitter } from 'node:events'
import type { CertificateAuthority } from '../certificates.ts'
import { TwinStore } from '../twins.ts'
import { Broker, type BrokerEvents } from './broker.ts'
import { Identities } from './identities.ts'
import { Methods, type MethodAnswer, type MethodOptions } from './methods.ts'
import { readTopic } from './topics.ts'
import { TwinService, type TwinFault, type TwinRequestKind } from './twin-service.ts'
import { WorkloadApi, type WorkloadEvents } from './workload-api.ts'

export { MethodCallError, type MethodAnswer, type MethodOptions } from './methods.ts'
export type { TwinFault } from './twin-service.ts'

export interface EdgeHubOptions {
  readonly deviceId: string
  readonly hubHostName: string
  /** The name modules call it by, and the first in its certificate; it must lead to loopback. `localhost` by default. */
  readonly gatewayHostName?: string
  readonly authority: CertificateAuthority
  readonly twins: TwinStore
  /** Milliseconds since the epoch, by which tokens expire. */
  readonly now?: () => number
}

/** A message that a module sent towards the hub. */
export interface EdgeMessage {
  readonly moduleId: string
  /** The output's name, where the module named one. */
  readonly output?: string
  readonly body: Buffer
  /** System properties with their `$.` (`$.mid`, `$.ct`), and the module's own. */
  readonly properties: Readonly<Record<string, string>>
}

export interface EdgeHubEvents {
  connect: BrokerEvents['connect']
  disconnect: BrokerEvents['disconnect']
  refuse: BrokerEvents['refuse']
  subscribe: BrokerEvents['subscribe']
  twinRequest: [{ readonly moduleId: string; readonly kind: TwinRequestKind; readonly payload: Buffer }]
  workloadRequest: WorkloadEvents['request']
  message: [EdgeMessage]
}

/** The device side of IoT Edge for one pretend device: workload API, MQTT, twins, direct methods, and knobs to break them. */
export class EdgeHub extends EventEmitter<EdgeHubEvents> {
  /** Every message received, oldest first. */
  readonly messages: readonly EdgeMessage[]
  readonly #messages: EdgeMessage[] = []
  readonly #options: Required<EdgeHubOptions>
  readonly #identities: Identities
  readonly #workload: WorkloadApi
  readonly #broker: Broker
  readonly #twinService: TwinService
  readonly #methods: Methods

  private constructor(
    options: Required<EdgeHubOptions>,
    identities: Identities,
    workload: WorkloadApi,
    broker: Broker
  ) {
    super()
    this.messages = this.#messages
    this.#options = options
    this.#identities = identities
    this.#workload = workload
    this.#broker = broker
    this.#twinService = new TwinService(options.deviceId, options.twins, broker)
    this.#methods = new Methods(broker)
    broker.on('connect', (event) => this.emit('connect', event))
    broker.on('disconnect', (event) => this.emit('disconnect', event))
    broker.on('refuse', (event) => this.emit('refuse', event))
    broker.on('subscribe', (event) => this.emit('subscribe', event))
    broker.on('publish', (event) => this.#receive(event))
    this.#twinService.on('request', (event) => this.emit('twinRequest', event))
    workload.on('request', (event) => this.emit('workloadRequest', event))
  }

  static async start(given: EdgeHubOptions): Promise<EdgeHub> {
    const options = { gatewayHostName: 'localhost', now: Date.now, ...given }
    const { authority, now, deviceId, hubHostName, gatewayHostName } = options
    const identities = new Identities()
    const workload = await WorkloadApi.start({ identities, authority, now })
    const certificate = await authority.issue([gatewayHostName, 'localhost', '127.0.0.1'])
    const broker = await Broker.start({ deviceId, hubHostName, identities, certificate, now })
    return new EdgeHub(options, identities, workload, broker)
  }

  /** The MQTT port. */
  get port(): number {
    return this.#broker.port
  }

  get workloadUrl(): string {
    return this.#workload.url
  }

  /** Registers the module, with an empty twin where it has none, and gives the variables that edgeAgent sets for it. */
  moduleEnvironment(moduleId: string): Record<string, string> {
    const { deviceId, hubHostName, gatewayHostName, twins } = this.#options
    const { generationId } = this.#identities.ensure(moduleId)
    twins.create(TwinStore.key(deviceId, moduleId))
    return {
      IOTEDGE_WORKLOADURI: this.workloadUrl,
      IOTEDGE_DEVICEID: deviceId,
      IOTEDGE_MODULEID: moduleId,
      IOTEDGE_MODULEGENERATIONID: generationId,
      IOTEDGE_IOTHUBHOSTNAME: hubHostName,
      IOTEDGE_AUTHSCHEME: 'sasToken',
      IOTEDGE_APIVERSION: '2021-12-07',
      IOTEDGE_GATEWAYHOSTNAME: `${gatewayHostName}:${this.port}`
    }
  }

  /** Takes a module's identity away: its connection ends, and made again it has a new generation and key. Its twin stays. */
  removeModule(moduleId: string): void {
    this.#identities.remove(moduleId)
    this.#broker.drop(moduleId)
  }

  isConnected(moduleId: string): boolean {
    return this.#broker.isConnected(moduleId)
  }

  /** @throws {MethodCallError} where the module is not online (404) or does not answer in time (504) */
  invokeMethod(moduleId: string, name: string, payload?: unknown, options?: MethodOptions): Promise<MethodAnswer> {
    return this.#methods.invoke(moduleId, name, payload, options)
  }

  /** Forgets all sessions and breaks the connections, as an edgeHub without storage does when it restarts. */
  loseSessions(): Promise<void> {
    return this.#broker.loseSessions()
  }

  /** The next twin requests fail. */
  failTwin(fault: TwinFault): void {
    this.#twinService.fail(fault)
  }

  /** The next `requests` twin requests are never answered. */
  ignoreTwin(requests: number): void {
    this.#twinService.ignore(requests)
  }

  /** The next `patches` desired patches get lost on the way. */
  loseDesired(patches: number): void {
    this.#twinService.losePatches(patches)
  }

  /** Breaks every connection; the next one is welcome at once, with its session. */
  dropConnections(): void {
    this.#broker.dropConnections()
  }

  /** Stops listening, and breaks the connections, until {@link comeBack}. Sessions stay. */
  goAway(): Promise<void> {
    return this.#broker.goAway()
  }

  comeBack(): Promise<void> {
    return this.#broker.comeBack()
  }

  /** While stalled, the workload API takes requests and answers none; afterwards it answers them, late. */
  stallWorkload(stalled: boolean): void {
    this.#workload.stall(stalled)
  }

  /** Server certificates of the workload API last no longer than this, in milliseconds. */
  shortenCertificates(milliseconds: number): void {
    this.#workload.shortenCertificates(milliseconds)
  }

  async close(): Promise<void> {
    this.#methods.close()
    this.#twinService.close()
    await Promise.all([this.#broker.close(), this.#workload.close()])
    this.removeAllListeners()
  }

  #receive({ moduleId, topic, payload }: BrokerEvents['publish'][0]): void {
    const said = readTopic(topic, this.#options.deviceId, moduleId)
    switch (said?.kind) {
      case 'get':
      case 'patch':
        this.#twinService.handle(moduleId, said.kind, said.requestId, payload)
        return
      case 'methodAnswer':
        this.#methods.answered(said.requestId, said.status, payload)
        return
      case 'message': {
        const { '$.on': output, ...properties } = said.properties
        const message = { moduleId, ...(output === undefined ? {} : { output }), body: payload, properties }
        this.#messages.push(message)
        this.emit('message', message)
        return
      }
      case undefined:
        // edgeHub closes a connection that publishes where there is nothing.
        this.#broker.drop(moduleId)
    }
  }
}

/** Starts the pretend edgeHub and workload API of one device. */
export function startEdgeHub(options: EdgeHubOptions): Promise<EdgeHub> {
  return EdgeHub.start(options)
}
