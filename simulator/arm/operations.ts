import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { ArmError } from './errors.ts'
import type { Provisioning, Resource } from './state.ts'

/** How long-running operations behave; a test changes these while the cloud runs. */
export interface OperationKnobs {
  /** How many polls see it running before the one that sees it done. */
  pollsUntilDone: number
  /** Seconds in `Retry-After`; none is sent when undefined. The recordings cannot tell what the service sends. */
  retryAfter: number | undefined
  /** Poll URLs of four kilobytes with a signature, as since 2025; they must come back unaltered. */
  longPollUrls: boolean
  /** Lets operations on resources whose id matches end badly; without details where it gives none (arm-wire §13.4). */
  failing:
    | {
        readonly resource: RegExp
        readonly status?: 'Failed' | 'Canceled'
        readonly error?: { readonly code: string; readonly message: string }
      }
    | undefined
}

interface Operation {
  readonly style: 'status' | 'location'
  readonly running: Provisioning | 'Running'
  remaining: number
  state: 'running' | 'succeeded' | 'Failed' | 'Canceled'
  /** Why it ended badly, where that is told. */
  error?: { readonly code: string; readonly message: string } | undefined
  readonly finish: () => unknown
  readonly resource: Resource | undefined
  readonly resourceId: string
  /** What a finished location poll gives, once: generateCredentials in spec mode carries passwords. */
  result: unknown
}

export interface PollReply {
  readonly status: number
  readonly body?: unknown
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Long-running operations (arm-wire §2): `Azure-AsyncOperation` for creations and updates, `Location` for deletions. Polls are
 * found by their whole path, because the service gives one operation id to several resources in turn.
 */
export class Operations {
  readonly #operations = new Map<string, Operation>()
  readonly #knobs: OperationKnobs
  readonly #origin: string
  readonly #key = randomBytes(32)
  /** One id for all that is created and updated, so that a client which tells operations apart by id goes wrong here. */
  readonly #sharedId = randomUUID()

  constructor(knobs: OperationKnobs, origin: string) {
    this.#knobs = knobs
    this.#origin = origin
  }

  /**
   * Starts an operation whose end a client learns from `Azure-AsyncOperation`.
   *
   * @param resource is set to `running` at once and to `Succeeded` at the end
   * @returns headers for the 201
   */
  startStatus(
    resource: Resource,
    resourceId: string,
    running: 'Creating' | 'Updating',
    prefix: string,
    apiVersion: string,
    polls = this.#knobs.pollsUntilDone
  ): Record<string, string> {
    const path = `${resourceId}/operationStatuses/${prefix}-${this.#sharedId}`
    resource.provisioningState = running
    this.#operations.set(path.toLowerCase(), {
      style: 'status',
      running,
      remaining: polls,
      state: 'running',
      finish: () => undefined,
      resource,
      resourceId,
      result: undefined
    })
    return this.#headers('azure-asyncoperation', path, apiVersion)
  }

  /**
   * Starts an operation whose end a client learns by following `Location`.
   *
   * @param path of the poll URL, without its last part
   * @param finish does the work at the end and gives the body of the last answer, or nothing for an empty one
   */
  startLocation(
    path: string,
    prefix: string,
    apiVersion: string,
    finish: () => unknown,
    about: { readonly resourceId: string; readonly resource?: Resource }
  ): Record<string, string> {
    const whole = `${path}/${prefix}-${randomUUID()}`
    this.#operations.set(whole.toLowerCase(), {
      style: 'location',
      running: 'Running',
      remaining: this.#knobs.pollsUntilDone,
      state: 'running',
      finish,
      resource: about.resource,
      resourceId: about.resourceId,
      result: undefined
    })
    return this.#headers('location', whole, apiVersion)
  }

  /**
   * Answers a poll, and moves the operation on.
   *
   * @throws {ArmError} where no operation has this path, or the URL was altered
   */
  poll(path: string, query: URLSearchParams): PollReply {
    const operation = this.#operations.get(path.toLowerCase())
    if (operation === undefined) throw new ArmError('OperationNotFound', `The operation ${path} could not be found.`)
    this.#checkSignature(path, query)
    this.#step(operation)
    const apiVersion = query.get('api-version') ?? ''
    return operation.style === 'status'
      ? this.#statusReply(operation, path, apiVersion)
      : this.#locationReply(operation, path, apiVersion)
  }

  /** A GET of the resource itself moves its operation on too, for clients that poll there. */
  step(resource: Resource): void {
    for (const operation of this.#operations.values())
      if (operation.resource === resource && operation.state === 'running') this.#step(operation)
  }

  #statusReply(operation: Operation, path: string, apiVersion: string): PollReply {
    const { state, error } = operation
    const status = state === 'running' ? operation.running : state === 'succeeded' ? 'Succeeded' : state
    const body = { status, ...(error === undefined ? {} : { error }) }
    return { status: 200, body, headers: this.#headers('azure-asyncoperation', path, apiVersion) }
  }

  #locationReply(operation: Operation, path: string, apiVersion: string): PollReply {
    if (operation.state === 'running') return { status: 202, headers: this.#headers('location', path, apiVersion) }
    if (operation.state !== 'succeeded') {
      const { state, error = { code: `Operation${state}`, message: `The operation ended as ${state}.` } } = operation
      return { status: 400, body: { error, status: state }, headers: {} }
    }
    const body = operation.result
    operation.result = undefined
    return { status: 200, ...(body === undefined ? {} : { body }), headers: {} }
  }

  #step(operation: Operation): void {
    if (operation.state !== 'running') return
    if (operation.remaining > 0) {
      operation.remaining -= 1
      return
    }
    const { failing } = this.#knobs
    if (failing?.resource.test(operation.resourceId) === true) {
      operation.state = failing.status ?? 'Failed'
      operation.error = failing.error
      if (operation.resource !== undefined) operation.resource.provisioningState = operation.state
      return
    }
    operation.state = 'succeeded'
    if (operation.resource !== undefined && operation.style === 'status')
      operation.resource.provisioningState = 'Succeeded'
    operation.result = operation.finish()
  }

  #headers(name: 'azure-asyncoperation' | 'location', path: string, apiVersion: string): Record<string, string> {
    const query = `api-version=${apiVersion}${this.#knobs.longPollUrls ? this.#signature(path) : ''}`
    const retryAfter = this.#knobs.retryAfter
    return {
      [name]: `${this.#origin}${path}?${query}`,
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) })
    }
  }

  /** Ticks, a certificate's worth of filling, signature and hash; every call signs afresh. */
  #signature(path: string): string {
    const t = String(621_355_968_000_000_000n + BigInt(Date.now()) * 10_000n + BigInt(randomBytes(1)[0] ?? 0))
    return `&t=${t}&c=${randomBytes(2300).toString('base64url')}&s=${this.#sign(path, t)}&h=${randomBytes(32).toString('base64url')}`
  }

  #sign(path: string, t: string): string {
    const part = (n: number): Buffer =>
      createHmac('sha512', this.#key).update(`${n} ${path.toLowerCase()} ${t}`).digest()
    return Buffer.concat([part(0), part(1), part(2), part(3)]).toString('base64url')
  }

  #checkSignature(path: string, query: URLSearchParams): void {
    const [t, s] = [query.get('t'), query.get('s')]
    if (t === null && s === null && !this.#knobs.longPollUrls) return
    const expected = Buffer.from(this.#sign(path, t ?? ''))
    const given = Buffer.from(s ?? '')
    const whole = (query.get('c')?.length ?? 0) > 3000 && query.get('h')?.length === 43
    if (!whole || given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new ArmError('OperationUrlAltered', 'The poll URL is not the one that was given.')
  }
}
