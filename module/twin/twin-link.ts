import { EventEmitter } from 'node:events'
import type { Log } from '../log/log.ts'
import { delayAfter, pause, type Backoff } from './backoff.ts'
import { Conversation } from './conversation.ts'
import { Desired } from './desired.ts'
import { readModuleIdentity, type ModuleIdentity } from './environment.ts'
import { messageOf, TwinError } from './errors.ts'
import type { Properties } from './merge.ts'
import { answerMethod, type MethodHandler } from './method.ts'
import { checkReport } from './reported-rules.ts'
import { Reported } from './reported.ts'
import { openSdkSession } from './sdk.ts'
import type { OpenSession, Session } from './session.ts'
import { fetchTrustBundle } from './workload.ts'

/** How long things take, in milliseconds where the name does not say otherwise. */
export interface TwinTiming {
  /** For each step of connecting. */
  readonly openTimeoutMs: number
  /** For each answer of edgeHub. */
  readonly requestTimeoutMs: number
  readonly workloadTimeoutMs: number
  /** The first wait after a failure; it doubles up to one of the next two. */
  readonly retryFirstMs: number
  /** Between two attempts to connect: edgeHub is on this device, and asking it costs nobody anything. */
  readonly reconnectMostMs: number
  /** Between two attempts of a request that was refused: what edgeHub passes on is counted in the cloud. */
  readonly retryMostMs: number
  /** A session that lasted so long is a good one, and the waits begin anew after it. */
  readonly steadyMs: number
  /** Between two reads of the whole twin where nothing else asks for one. */
  readonly refreshMs: number
  /** In which several changes of the desired properties become one. */
  readonly coalesceMs: number
  readonly methodTimeoutMs: number
  readonly tokenValidSeconds: number
  readonly tokenRenewalMarginSeconds: number
}

export const defaultTiming: TwinTiming = {
  openTimeoutMs: 30_000,
  requestTimeoutMs: 30_000,
  workloadTimeoutMs: 10_000,
  retryFirstMs: 1_000,
  reconnectMostMs: 30_000,
  retryMostMs: 300_000,
  steadyMs: 60_000,
  refreshMs: 3_600_000,
  coalesceMs: 200,
  methodTimeoutMs: 25_000,
  tokenValidSeconds: 3_600,
  tokenRenewalMarginSeconds: 900
}

export interface TwinLinkOptions {
  /** The process's environment, with what edgeAgent sets. */
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly log: Log
  /** Ends the link; {@link TwinLink.closed} tells when it has ended. */
  readonly signal: AbortSignal
  readonly timing?: Partial<TwinTiming>
  readonly random?: () => number
  /** What opens a session; the Azure SDK by default. */
  readonly open?: OpenSession
}

export interface TwinLinkEvents {
  /** The desired properties, whole, without `$version`: at first, and whenever they have really changed. */
  desired: [document: Properties, version: number]
  /** `$version` moved on, and the document is still the one that was told. */
  version: [version: number]
  connected: []
  disconnected: [reason: Error]
  /** The hub holds exactly what was reported last. */
  settled: []
}

/**
 * The module's line to IoT Hub. It goes on for ever: being offline is an ordinary state, in which reports wait (only the latest)
 * and nothing else of the module does. Events are for `desired` and friends; a listener that throws is logged and no more.
 */
export class TwinLink extends EventEmitter<TwinLinkEvents> {
  /** Resolves when the signal has aborted and the last connection is gone. */
  readonly closed: Promise<void>
  readonly #options: TwinLinkOptions
  readonly #timing: TwinTiming
  readonly #identity: ModuleIdentity
  readonly #random: () => number
  readonly #desired: Desired
  readonly #reported = new Reported()
  readonly #methods = new Map<string, MethodHandler>()
  #session: Session | undefined
  #conversation: Conversation | undefined
  #lastReason = ''

  constructor(options: TwinLinkOptions) {
    super()
    this.#options = options
    this.#timing = { ...defaultTiming, ...options.timing }
    this.#identity = readModuleIdentity(options.variables)
    this.#random = options.random ?? Math.random
    this.#desired = new Desired({
      coalesceMs: this.#timing.coalesceMs,
      changed: (document, version) => this.#tell('desired', document, version),
      moved: (version) => this.#tell('version', version)
    })
    this.closed = this.#run()
  }

  get online(): boolean {
    return this.#session !== undefined
  }

  /**
   * Makes this the whole of the reported properties; only differences are sent. Returns at once, online or not.
   *
   * @throws {TwinError} `TWIN_REPORT_INVALID` where edgeHub or the hub would not take it; what was reported before stays
   */
  report(document: object): void {
    this.#reported.want(checkReport(document))
    this.#conversation?.reportChanged()
  }

  /** Answers a direct method. A second handler for a name replaces the first. */
  onMethod(name: string, handler: MethodHandler): void {
    this.#methods.set(name, handler)
  }

  /**
   * Sends a message, as JSON, to one of the module's outputs.
   *
   * @throws {TwinError} `TWIN_OFFLINE`, `TWIN_TIMEOUT`: nothing is kept for later, and with a time-out it may have arrived
   */
  async send(output: string, body: unknown, properties: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.#session === undefined) throw new TwinError('TWIN_OFFLINE', 'there is no connection with edgeHub now')
    await this.#session.send(output, body, properties)
  }

  /**
   * The certificates that this device trusts, for the client of a nested parent.
   *
   * @returns PEM
   * @throws {TwinError} `WORKLOAD_UNREACHABLE`
   */
  trustBundle(): Promise<string> {
    const timeOut = AbortSignal.timeout(this.#timing.workloadTimeoutMs)
    return fetchTrustBundle(this.#identity.workloadUri, AbortSignal.any([this.#options.signal, timeOut]))
  }

  async #run(): Promise<void> {
    const { signal, log } = this.#options
    let failures = 0
    // Listeners are attached to a link that has been made; nothing happens before.
    await Promise.resolve()
    const stopped = (): boolean => signal.aborted
    while (!stopped()) {
      const startedAt = performance.now()
      const reason = await this.#serve()
      if (stopped()) break
      failures = performance.now() - startedAt > this.#timing.steadyMs ? 1 : failures + 1
      const delay = delayAfter(failures, this.#backoff(this.#timing.reconnectMostMs))
      const fields = { reason: reason.message, retryInMs: Math.round(delay) }
      // A site can be cut off for weeks: the same reason is worth one line.
      if (reason.message === this.#lastReason) log.debug('no connection with edgeHub', fields)
      else log.warn('no connection with edgeHub', fields)
      this.#lastReason = reason.message
      await pause(delay, signal)
    }
    this.#desired.close()
  }

  /** One session from its beginning to its end; the old one is gone before the next can begin. */
  async #serve(): Promise<Error> {
    const { log } = this.#options
    const conversation = new Conversation({
      desired: this.#desired,
      reported: this.#reported,
      refreshMs: this.#timing.refreshMs,
      backoff: this.#backoff(this.#timing.retryMostMs),
      log,
      settled: () => this.#tell('settled')
    })
    let session: Session | undefined
    try {
      session = await this.#open(conversation)
      this.#session = session
      this.#conversation = conversation
      this.#lastReason = ''
      log.info('connected with edgeHub', { module: this.#identity.moduleId })
      this.#tell('connected')
      return await this.#untilStopped(conversation.run(session))
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error))
    } finally {
      this.#session = undefined
      this.#conversation = undefined
      if (session !== undefined) {
        await session.close()
        this.#tell('disconnected', await session.ended)
      }
    }
  }

  #backoff(mostMs: number): Backoff {
    return { firstMs: this.#timing.retryFirstMs, mostMs, random: this.#random }
  }

  async #open(conversation: Conversation): Promise<Session> {
    const { log, signal, open = openSdkSession } = this.#options
    // Read each time: the authority is renewed while modules run.
    const trustBundle = await this.trustBundle()
    return open({
      identity: this.#identity,
      trustBundle,
      log,
      signal,
      openTimeoutMs: this.#timing.openTimeoutMs,
      requestTimeoutMs: this.#timing.requestTimeoutMs,
      tokenValidSeconds: this.#timing.tokenValidSeconds,
      tokenRenewalMarginSeconds: this.#timing.tokenRenewalMarginSeconds,
      events: {
        desired: (patch) => conversation.patched(patch),
        reconnected: () => conversation.readAgain(),
        method: (name, body) =>
          answerMethod(name, this.#methods.get(name), body, { timeoutMs: this.#timing.methodTimeoutMs, log })
      }
    })
  }

  /** Comes back when the signal aborts; the session's close then ends what was going on. */
  async #untilStopped(conversation: Promise<Error>): Promise<Error> {
    const { signal } = this.#options
    const { promise, resolve } = Promise.withResolvers<Error>()
    const stop = (): void => resolve(new TwinError('TWIN_OFFLINE', 'stopped'))
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      return await Promise.race([conversation, promise])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  #tell<Name extends keyof TwinLinkEvents>(name: Name, ...values: TwinLinkEvents[Name]): void {
    try {
      // The generic of Node's own types does not see that a tuple of this name's values is one of `emit`'s overloads.
      ;(this as EventEmitter).emit(name, ...values)
    } catch (error) {
      this.#options.log.error(`a listener of the twin's ${name} failed: ${messageOf(error)}`)
    }
  }
}

/**
 * Starts the link. Attach listeners and methods in the same turn: nothing happens before the next.
 *
 * @throws {TwinError} `TWIN_ENVIRONMENT_INVALID`
 */
export function connectTwin(options: TwinLinkOptions): TwinLink {
  return new TwinLink(options)
}
