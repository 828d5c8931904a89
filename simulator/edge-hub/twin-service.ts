import { EventEmitter } from 'node:events'
import { reportProperties } from '../hub/twin-change.ts'
import { TwinStore, type Properties } from '../twins.ts'
import type { Broker } from './broker.ts'
import { refuseReported } from './reported-rules.ts'
import { filters } from './topics.ts'

/** How the next twin requests go wrong. */
export interface TwinFault {
  readonly status: number
  /** edgeHub's own errors come with nothing in the body; IoT Hub's come with JSON. */
  readonly emptyBody?: boolean
  /** How many requests fail; 1 by default. */
  readonly requests?: number
  /** Only reads or only reported patches; both by default. */
  readonly only?: TwinRequestKind
}

export type TwinRequestKind = 'get' | 'patch'

interface TwinServiceEvents {
  request: [{ readonly moduleId: string; readonly kind: TwinRequestKind; readonly payload: Buffer }]
}

/** edgeHub's side of the twin topics: reads, reported patches, and desired patches to whoever listens at that moment. */
export class TwinService extends EventEmitter<TwinServiceEvents> {
  readonly #deviceId: string
  readonly #store: TwinStore
  readonly #broker: Broker
  readonly #onDesired: (change: { readonly key: string; readonly patch: Properties; readonly version: number }) => void
  #faults: { readonly status: number; readonly body: string; readonly only: TwinRequestKind | undefined }[] = []
  #ignored = 0
  #lostPatches = 0

  constructor(deviceId: string, store: TwinStore, broker: Broker) {
    super()
    this.#deviceId = deviceId
    this.#store = store
    this.#broker = broker
    this.#onDesired = ({ key, patch, version }) => {
      if (key.startsWith(`${deviceId}/`)) this.#tell(key.slice(deviceId.length + 1), patch, version)
    }
    store.on('desired', this.#onDesired)
  }

  close(): void {
    this.#store.off('desired', this.#onDesired)
    this.removeAllListeners()
  }

  fail({ status, emptyBody = false, requests = 1, only }: TwinFault): void {
    const body = emptyBody
      ? ''
      : JSON.stringify({ errorCode: status * 1000 + 1, message: `simulated ${status}`, trackingId: 'simulator' })
    for (let count = 0; count < requests; count++) this.#faults.push({ status, body, only })
  }

  /** The next `requests` twin requests are never answered. */
  ignore(requests: number): void {
    this.#ignored += requests
  }

  /** The next `patches` desired patches never arrive, as when a packet of QoS 0 is lost. */
  losePatches(patches: number): void {
    this.#lostPatches += patches
  }

  handle(moduleId: string, kind: TwinRequestKind, requestId: string, payload: Buffer): void {
    this.emit('request', { moduleId, kind, payload })
    if (this.#ignored > 0) {
      this.#ignored -= 1
      return
    }
    const fault = this.#takeFault(kind)
    if (fault !== undefined) this.#answer(moduleId, fault.status, requestId, fault.body)
    else if (kind === 'get') this.#get(moduleId, requestId)
    else this.#patch(moduleId, requestId, payload)
  }

  #get(moduleId: string, requestId: string): void {
    const twin = this.#store.get(TwinStore.key(this.#deviceId, moduleId))
    if (twin === undefined) {
      this.#answer(moduleId, 404, requestId, '')
      return
    }
    const body = {
      desired: { ...twin.desired.properties, $version: twin.desired.version },
      reported: { ...twin.reported.properties, $version: twin.reported.version }
    }
    this.#answer(moduleId, 200, requestId, JSON.stringify(body))
  }

  #patch(moduleId: string, requestId: string, payload: Buffer): void {
    const key = TwinStore.key(this.#deviceId, moduleId)
    const refused = refuseReported(payload) !== undefined
    if (refused || this.#store.get(key) === undefined) {
      this.#answer(moduleId, refused ? 400 : 404, requestId, '')
      return
    }
    const version = reportProperties(key, JSON.parse(payload.toString('utf8')) as Properties, this.#store)
    this.#answer(moduleId, 204, `${requestId}&$version=${version}`, '')
  }

  #tell(moduleId: string, patch: Properties, version: number): void {
    if (this.#lostPatches > 0) {
      this.#lostPatches -= 1
      return
    }
    const topic = `$iothub/twin/PATCH/properties/desired/?$version=${version}`
    this.#broker.deliver(moduleId, filters.desired, topic, JSON.stringify({ ...patch, $version: version }))
  }

  #answer(moduleId: string, status: number, requestId: string, body: string): void {
    this.#broker.deliver(moduleId, filters.twinResponses, `$iothub/twin/res/${status}/?$rid=${requestId}`, body)
  }

  #takeFault(kind: TwinRequestKind): { readonly status: number; readonly body: string } | undefined {
    const index = this.#faults.findIndex(({ only }) => only === undefined || only === kind)
    return index === -1 ? undefined : this.#faults.splice(index, 1)[0]
  }
}
