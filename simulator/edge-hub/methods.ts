import { randomUUID } from 'node:crypto'
import type { Broker } from './broker.ts'
import { filters } from './topics.ts'

export interface MethodOptions {
  /** Seconds to wait for the module's answer, 5 to 300 at the real hub; 30 by default. */
  readonly responseTimeoutSeconds?: number
  /** Seconds to wait for a module that is not connected, 0 to 300; 0 by default. */
  readonly connectTimeoutSeconds?: number
}

export interface MethodAnswer {
  readonly status: number
  readonly payload: unknown
}

/** A call that never got the module's own answer, with the HTTP status that the hub gives its caller. */
export class MethodCallError extends Error {
  override readonly name = 'MethodCallError'
  readonly status: 404 | 504
  /** IoT Hub's error code: 404103 DeviceNotOnline, 504101 GatewayTimeout. */
  readonly errorCode: 404103 | 504101

  constructor(errorCode: 404103 | 504101, message: string) {
    super(message)
    this.errorCode = errorCode
    this.status = errorCode === 404103 ? 404 : 504
  }
}

interface Waiting {
  readonly resolve: (answer: MethodAnswer) => void
}

/** Direct methods, as the hub relays them to a module's own connection. */
export class Methods {
  readonly #broker: Broker
  readonly #waiting = new Map<string, Waiting>()
  readonly #closing = new AbortController()

  constructor(broker: Broker) {
    this.#broker = broker
  }

  /** @throws {MethodCallError} where the module is not connected, or does not answer in time */
  async invoke(moduleId: string, name: string, payload: unknown, options: MethodOptions = {}): Promise<MethodAnswer> {
    const { responseTimeoutSeconds = 30, connectTimeoutSeconds = 0 } = options
    const requestId = randomUUID()
    const topic = `$iothub/methods/POST/${name}/?$rid=${requestId}`
    const send = (): boolean => this.#broker.deliver(moduleId, filters.methods, topic, JSON.stringify(payload ?? null))
    const answer = Promise.withResolvers<MethodAnswer>()
    this.#waiting.set(requestId, answer)
    try {
      if (!send()) await this.#whenSent(send, moduleId, connectTimeoutSeconds)
      return await this.#within(answer.promise, moduleId, name, responseTimeoutSeconds)
    } finally {
      this.#waiting.delete(requestId)
    }
  }

  answered(requestId: string, status: number, body: Buffer): void {
    const text = body.toString('utf8')
    this.#waiting.get(requestId)?.resolve({ status, payload: text === '' ? null : JSON.parse(text) })
  }

  close(): void {
    this.#closing.abort()
  }

  /** Waits for the moment at which the module has connected and subscribed. */
  async #whenSent(send: () => boolean, moduleId: string, seconds: number): Promise<void> {
    const sent = Promise.withResolvers<undefined>()
    const attempt = (event: { readonly moduleId: string }): void => {
      if (event.moduleId === moduleId && send()) sent.resolve(undefined)
    }
    const offline = (): void => {
      sent.reject(new MethodCallError(404103, `${moduleId} is not online`))
    }
    const timer = setTimeout(offline, seconds * 1000)
    this.#broker.on('connect', attempt)
    this.#broker.on('subscribe', attempt)
    this.#closing.signal.addEventListener('abort', offline)
    try {
      await sent.promise
    } finally {
      clearTimeout(timer)
      this.#broker.off('connect', attempt)
      this.#broker.off('subscribe', attempt)
      this.#closing.signal.removeEventListener('abort', offline)
    }
  }

  async #within(answer: Promise<MethodAnswer>, moduleId: string, name: string, seconds: number): Promise<MethodAnswer> {
    const late = Promise.withResolvers<never>()
    const timeOut = (): void => {
      late.reject(new MethodCallError(504101, `${moduleId} did not answer ${name} within ${seconds} s`))
    }
    const timer = setTimeout(timeOut, seconds * 1000)
    this.#closing.signal.addEventListener('abort', timeOut)
    try {
      return await Promise.race([answer, late.promise])
    } finally {
      clearTimeout(timer)
      this.#closing.signal.removeEventListener('abort', timeOut)
    }
  }
}
