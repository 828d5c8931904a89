import common from 'azure-iot-common'
import iot from 'azure-iot-device'
import { Mqtt } from 'azure-iot-device-mqtt'
import { MqttBase } from 'azure-iot-mqtt-base'
import mqtt from 'mqtt'
import { messageOf, TwinError } from './errors.ts'
import { isObject, type Properties } from './merge.ts'
import type { Session, SessionOptions, TwinDocuments } from './session.ts'

/** Seconds between pings: edgeHub is on the same machine, and a dead link should not go unnoticed for three minutes. */
const keepAliveSeconds = 60
/** How long a connection may take to say goodbye before it is cut. */
const goodbyeMs = 2_000

/** What the transport hands over of a direct method call. */
interface MethodCall {
  readonly methods: { readonly methodName: string }
  readonly requestId: string
  readonly body: Buffer
}

type Callback<T> = (error?: Error | null, result?: T) => void

/** Opens a session through the Azure SDK. @throws {Error} of any kind; nothing is left open then */
export async function openSdkSession(options: SessionOptions): Promise<Session> {
  const session = new SdkSession(options)
  try {
    await session.open()
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

/**
 * The one place that knows the Azure SDK, and works around it: each comment names what goes wrong otherwise. A session never
 * reconnects by itself, save for renewing its token; retries and their pace are with whoever opened it.
 *
 * Twins go through the transport and not through the SDK's `Twin`, which merges arrays by index, tells whole documents and
 * patches by the same event, takes an empty answer for success (or crashes on it), and keeps a function among the reported
 * properties.
 */
class SdkSession implements Session {
  readonly ended: Promise<Error>
  readonly #options: SessionOptions
  readonly #endWith: (reason: Error) => void
  readonly #auth: InstanceType<typeof iot.IotEdgeAuthenticationProvider>
  readonly #client: InstanceType<typeof iot.ModuleClient>
  readonly #transport: Mqtt
  readonly #pending = new Set<(reason: Error) => void>()
  #mqtt: mqtt.MqttClient | undefined
  #connections = 0
  #over = false

  constructor(options: SessionOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<Error>()
    this.ended = promise
    this.#endWith = resolve
    this.#auth = this.#makeAuth()
    const answer = (call: MethodCall): void => void this.#answer(call)
    class Transport extends Mqtt {
      // The SDK says nothing to a method without a listener; here every call is answered by one place.
      override emit(event: string | symbol, ...values: unknown[]): boolean {
        if (typeof event !== 'string' || !event.startsWith('method_')) return super.emit(event, ...values)
        answer(values[0] as MethodCall)
        return true
      }
    }
    const transport = new Transport(this.#auth, this.#makeBase())
    this.#transport = transport
    // It wants a constructor; this one gives the transport that we hold as well.
    this.#client = iot.ModuleClient.fromAuthenticationProvider(this.#auth, function () {
      return transport
    })
    // With its own retries it gives up after four minutes without a word that can be told from an ordinary loss, and a client
    // that was opened again after that subscribes to nothing.
    this.#client.setRetryPolicy(new common.NoRetry())
    this.#client.on('disconnect', (why?: { readonly transportObj?: unknown }) => {
      this.#end(
        new TwinError('TWIN_OFFLINE', `the connection is lost: ${messageOf(why?.transportObj ?? 'no reason given')}`)
      )
    })
    this.#client.on('error', (error: Error) => this.#end(error))
    this.#transport.on('twinDesiredPropertiesUpdate', (patch: unknown) => {
      if (isObject(patch)) options.events.desired(patch)
    })
  }

  async open(): Promise<void> {
    const { trustBundle, openTimeoutMs } = this.#options
    // Fetched before the SDK needs it: the SDK would wait for a stuck workload API for ever, and connect long after we left.
    await this.#request('token', openTimeoutMs, (done) => {
      this.#auth.getDeviceCredentials().then(
        () => {
          if (this.#over) this.#auth.stop()
          done()
        },
        (error: unknown) => done(error as Error)
      )
    })
    // In one call: a second one would forget the trust bundle.
    await this.#client.setOptions({ ca: trustBundle, keepalive: keepAliveSeconds })
    await this.#request('connect', openTimeoutMs, (done) => this.#client.open(done))
    await this.#request('subscribe', openTimeoutMs, (done) => this.#transport.enableMethods(done))
    await this.#request('subscribe', openTimeoutMs, (done) => this.#transport.enableTwinDesiredPropertiesUpdates(done))
  }

  async getTwin(): Promise<TwinDocuments> {
    const twin: unknown = await this.#request('twin', this.#options.requestTimeoutMs, (done) =>
      this.#transport.getTwin(done)
    )
    if (!isObject(twin) || !isObject(twin['desired']))
      throw new TwinError('TWIN_REFUSED', 'edgeHub answered with something that is no twin')
    return { desired: twin['desired'], reported: isObject(twin['reported']) ? twin['reported'] : {} }
  }

  async report(patch: Properties): Promise<void> {
    await this.#request('report', this.#options.requestTimeoutMs, (done) =>
      this.#transport.updateTwinReportedProperties(patch, done)
    )
  }

  async send(output: string, body: unknown, properties: Readonly<Record<string, string>>): Promise<void> {
    const message = new iot.Message(JSON.stringify(body))
    message.contentType = 'application/json'
    message.contentEncoding = 'utf-8'
    for (const [name, value] of Object.entries(properties)) message.properties.add(name, value)
    await this.#request('message', this.#options.requestTimeoutMs, (done) =>
      this.#client.sendOutputEvent(output, message, done)
    )
  }

  async close(): Promise<void> {
    this.#end(new TwinError('TWIN_OFFLINE', 'closed'))
    const goodbye = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => goodbye.resolve(undefined), goodbyeMs)
    this.#client.close(() => goodbye.resolve(undefined))
    await goodbye.promise
    clearTimeout(timer)
    this.#auth.stop()
    // A polite end waits for an answer that may never come, and a second, forced end would return without doing anything.
    ;(this.#mqtt as { readonly stream?: { destroy(): void } } | undefined)?.stream?.destroy()
  }

  #makeAuth(): InstanceType<typeof iot.IotEdgeAuthenticationProvider> {
    const { identity, tokenValidSeconds, tokenRenewalMarginSeconds, log } = this.#options
    const { gatewayHostName, ...rest } = identity
    const auth = new iot.IotEdgeAuthenticationProvider(
      { ...rest, authScheme: 'sasToken', ...(gatewayHostName === undefined ? {} : { gatewayHostName }) },
      tokenValidSeconds,
      tokenRenewalMarginSeconds
    )
    // It does not try again: the connection lasts until its token runs out, and the next session signs anew.
    auth.on('error', (error: Error) => log.warn(`the token was not renewed: ${error.message}`))
    // A renewal that was under way when the session ended sets its timer once more.
    auth.on('newTokenAvailable', () => {
      if (this.#over) auth.stop()
    })
    return auth
  }

  #makeBase(): MqttBase {
    const isOver = (): boolean => this.#over
    const { log } = this.#options
    class Base extends MqttBase {
      // Every request of the SDK connects when it finds itself disconnected: after the end that would be a second connection of
      // the same identity, and the two would evict each other without pause.
      override connect(...[config, done]: Parameters<MqttBase['connect']>): void {
        if (isOver()) done(new Error('this session is over'))
        else super.connect(config, done)
      }
      override emit(event: string | symbol, ...values: unknown[]): boolean {
        if (event !== 'message') return super.emit(event, ...values)
        const [topic, payload] = values as [string, Buffer]
        try {
          return super.emit(event, topic, tellStatus(topic, payload))
        } catch (error) {
          // The SDK parses bodies and topics without a net, in a timer of its own: one bad message would end the process.
          log.warn(`a message on ${topic.split('?', 1)[0] ?? ''} could not be read: ${messageOf(error)}`)
          return true
        }
      }
    }
    return new Base({
      connect: (uri: string, options: mqtt.IClientOptions) => {
        this.#mqtt = mqtt.connect(uri, options)
        this.#mqtt.on('connect', ({ sessionPresent }) => this.#connected(sessionPresent))
        return this.#mqtt
      }
    })
  }

  /** Hears every real connection: the SDK is silent about those that renew a token. */
  #connected(sessionPresent: boolean): void {
    this.#connections += 1
    if (this.#connections === 1) return
    if (!sessionPresent) {
      // The SDK believes itself subscribed to the twin's topics for ever, and would stay deaf.
      this.#end(new TwinError('TWIN_OFFLINE', 'edgeHub has lost the session'))
      return
    }
    // What was asked before has been answered to the old connection, if at all.
    this.#failPending(new TwinError('TWIN_OFFLINE', 'the connection was made anew'))
    this.#options.events.reconnected()
  }

  async #answer({ methods, requestId, body }: MethodCall): Promise<void> {
    const { log, events } = this.#options
    try {
      const { status, payload } = await events.method(methods.methodName, body)
      await new iot.DeviceMethodResponse(requestId, this.#transport).send(status, payload)
    } catch (error) {
      log.warn(`the answer to ${methods.methodName} was not sent: ${messageOf(error)}`)
    }
  }

  /** Runs one request of the SDK, none of which has a time-out or hears of a lost connection. */
  async #request<T>(what: string, timeoutMs: number, start: (done: Callback<T>) => void): Promise<T | undefined> {
    const { signal } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>()
    const timer = setTimeout(() => {
      reject(new TwinError('TWIN_TIMEOUT', `no answer to ${what} within ${timeoutMs} ms`))
    }, timeoutMs)
    const abort = (): void => reject(new TwinError('TWIN_OFFLINE', 'stopped'))
    signal.addEventListener('abort', abort)
    this.#pending.add(reject)
    try {
      if (this.#over) throw new TwinError('TWIN_OFFLINE', 'this session is over')
      signal.throwIfAborted()
      start((error, result) => {
        if (error === undefined || error === null) resolve(result)
        else reject(explained(error, what))
      })
      return await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      this.#pending.delete(reject)
    }
  }

  #end(reason: Error): void {
    if (this.#over) return
    this.#over = true
    this.#endWith(reason)
    this.#failPending(reason)
  }

  #failPending(reason: Error): void {
    for (const fail of this.#pending) fail(reason)
  }
}

/**
 * The SDK looks at the body of a twin response for its errors and not at the status, and edgeHub's refusals have no body. The
 * status goes where the SDK looks.
 */
function tellStatus(topic: string, payload: Buffer): Buffer {
  const status = /^\$iothub\/twin\/res\/(\d+)\//.exec(topic)?.[1]
  if (status === undefined || status.startsWith('2')) return payload
  return Buffer.from(JSON.stringify({ errorCode: Number(status), message: status }))
}

/** Undoes {@link tellStatus}, and gives everything else a code of ours. */
function explained(error: Error, what: string): Error {
  if (error instanceof TwinError) return error
  if (!/^\d{3}$/.test(error.message))
    return new TwinError('TWIN_FAILED', `${what} failed: ${error.message}`, { cause: error })
  return new TwinError('TWIN_REFUSED', `edgeHub answered ${what} with ${error.message}`, {
    status: Number(error.message)
  })
}
