import type { AgentLog } from './agent-log.ts'
import { statusAfterExit, waitMs, type Backoff, type RuntimeStatus } from './backoff.ts'
import { Container, type Surroundings } from './container.ts'
import type { ModuleSpec } from './deployment.ts'
import type { Program } from './programs.ts'

/** What a module needs of its device. */
export interface Device extends Surroundings {
  readonly backoff: Backoff
  readonly log: AgentLog
  /** Pulls the image and says what it does when it runs. */
  pull(spec: ModuleSpec, signal: AbortSignal): Promise<{ readonly digest: string; readonly program: Program }>
  /** Claims the module's host ports and announces them. @throws {Error} when another module holds one */
  publish(spec: ModuleSpec, ports: ReadonlyMap<number, number>): void
  unpublish(module: string): void
  changed(): void
}

/** One module of the deployment through pulls, starts, ends and restarts. */
export class Module {
  status: RuntimeStatus = 'unknown'
  statusDescription = ''
  exitCode = 0
  restartCount = 0
  startedAt: Date | undefined
  exitedAt: Date | undefined
  restartedAt: Date | undefined
  #spec: ModuleSpec
  #container: Container | undefined
  readonly #device: Device
  #number = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #pulling = new AbortController()
  /** Steps on the container, one after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(spec: ModuleSpec, device: Device) {
    this.#spec = spec
    this.#device = device
  }

  get spec(): ModuleSpec {
    return this.#spec
  }

  get container(): Container | undefined {
    return this.#container
  }

  /** Takes on what the deployment says now: the container is made anew when something that `docker create` fixes differs. */
  apply(spec: ModuleSpec): Promise<void> {
    const before = this.#spec
    this.#spec = spec
    this.#abortPull()
    return this.#do(async () => {
      if (this.#container !== undefined && created(before) !== created(spec)) await this.#discard()
      if (spec.status === 'stopped') return this.#halt()
      const ended = this.status === 'stopped' || this.status === 'failed'
      const other = before.status !== spec.status || before.restartPolicy !== spec.restartPolicy
      // What ended for good stays so until the deployment says something else about it.
      if (this.status !== 'running' && (!ended || other)) await this.#start()
    })
  }

  /** Stops it for good; binds and volumes stay. */
  remove(): Promise<void> {
    this.#abortPull()
    return this.#do(async () => {
      await this.#discard()
      clearTimeout(this.#timer)
    })
  }

  /** The direct method RestartModule: the container stays as it was created. */
  restart(): Promise<void> {
    return this.#do(async () => {
      await this.#halt()
      await this.#start()
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.#container?.kill(signal)
  }

  #do(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(step).catch((error: unknown) => this.#failed(error as Error))
    return this.#work
  }

  #abortPull(): void {
    this.#pulling.abort(new Error('the deployment changed'))
    this.#pulling = new AbortController()
  }

  async #discard(): Promise<void> {
    clearTimeout(this.#timer)
    const container = this.#container
    this.#container = undefined
    this.#device.unpublish(this.#spec.name)
    await container?.remove()
    this.#failures = 0
    this.#turn('unknown', '')
  }

  async #halt(): Promise<void> {
    clearTimeout(this.#timer)
    // Set first: the end that follows was asked for and is none to restart from.
    this.#turn('stopped', '')
    await this.#container?.stop()
    this.#device.unpublish(this.#spec.name)
  }

  async #start(): Promise<void> {
    clearTimeout(this.#timer)
    const { signal } = this.#pulling
    try {
      const container = (this.#container ??= await this.#create(signal))
      this.#device.publish(this.#spec, container.ports)
      const end = await container.start()
      // Starting may have moved it to other loopback ports.
      this.#device.publish(this.#spec, container.ports)
      this.startedAt = new Date()
      this.#failures = 0
      this.#turn('running', '')
      if (end !== undefined) void end.exited.then((exitCode) => this.#ended(container, exitCode))
    } catch (error) {
      if (signal.aborted) return
      this.#failed(error as Error)
    }
  }

  async #create(signal: AbortSignal): Promise<Container> {
    const image = await this.#device.pull(this.#spec, signal)
    this.#number += 1
    return Container.create(this.#spec, image, this.#device, this.#number)
  }

  #failed(error: Error): void {
    const wait = waitMs(this.#device.backoff, this.#failures)
    this.#failures += 1
    this.#device.log.error(`module ${this.#spec.name} could not be started`, {
      image: this.#spec.image,
      reason: error.message,
      retryInMs: wait
    })
    this.#turn('backoff', error.message)
    this.#timer = setTimeout(() => void this.#do(() => this.#again()), wait)
  }

  #ended(container: Container, exitCode: number): void {
    if (container !== this.#container) return
    this.exitCode = exitCode
    this.exitedAt = new Date()
    if (this.status !== 'running') {
      this.#device.changed()
      return
    }
    const { backoff, log } = this.#device
    if (this.exitedAt.getTime() - (this.startedAt?.getTime() ?? 0) >= backoff.healthyMs) this.restartCount = 0
    const status = statusAfterExit(this.#spec.restartPolicy, exitCode, this.restartCount, backoff)
    log.warn(`module ${this.#spec.name} ended`, { exitCode, status })
    this.#turn(status, `exited with code ${exitCode}`)
    if (status !== 'backoff') return
    const wait = waitMs(backoff, this.restartCount)
    this.#timer = setTimeout(() => void this.#do(() => this.#again()), wait)
  }

  /** A start whose time has come, unless something else happened meanwhile. */
  async #again(): Promise<void> {
    if (this.status !== 'backoff') return
    if (this.#container !== undefined) {
      this.restartCount += 1
      this.restartedAt = new Date()
    }
    await this.#start()
  }

  #turn(status: RuntimeStatus, description: string): void {
    this.status = status
    this.statusDescription = description
    this.#device.changed()
  }
}

/** What a container cannot change without being created anew. */
function created(spec: ModuleSpec): string {
  return JSON.stringify([spec.image, spec.createOptions, Object.entries(spec.env).sort()])
}
