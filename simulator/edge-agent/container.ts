import { mkdirSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { bindSource, containerEnvironment, portBindings } from './create-options.ts'
import type { ModuleSpec } from './deployment.ts'
import { LogFile } from './log-file.ts'
import { givePortBack, isFree, takePort } from './ports.ts'
import { ModuleProcess } from './process.ts'
import type { Program } from './programs.ts'

/** The pretend device around a container, as far as the container needs it. */
export interface Surroundings {
  readonly folder: string
  readonly hostName: string
  readonly stopGraceMs: number
  /** What edgeAgent puts into the environment of this module. */
  moduleEnvironment(module: string): Readonly<Record<string, string>>
  /** What stands for the container's network and trust store. */
  readonly containerEnvironment: Readonly<Record<string, string>>
  names(): Readonly<Record<string, number>>
}

/** One created container: what `docker create` fixes, and the program while it runs. Pulling and restarting stand elsewhere. */
export class Container {
  readonly spec: ModuleSpec
  readonly digest: string
  readonly log: LogFile
  readonly #program: Program
  readonly #surroundings: Surroundings
  readonly #ports = new Map<number, number>()
  readonly #folder: string
  #process: ModuleProcess | undefined

  private constructor(spec: ModuleSpec, image: CreatedFrom, surroundings: Surroundings, folder: string, log: LogFile) {
    this.spec = spec
    this.digest = image.digest
    this.log = log
    this.#program = image.program
    this.#surroundings = surroundings
    this.#folder = folder
  }

  /** @param number tells this container's folder from those of earlier containers of the module */
  static async create(
    spec: ModuleSpec,
    image: CreatedFrom,
    surroundings: Surroundings,
    number: number
  ): Promise<Container> {
    const folder = join(surroundings.folder, 'containers', `${spec.name}-${number}`)
    const logs = join(surroundings.folder, 'logs')
    await Promise.all([folder, logs].map((path) => mkdir(path, { recursive: true, mode: 0o700 })))
    const log = new LogFile(join(logs, `${spec.name}.log`))
    const container = new Container(spec, image, surroundings, folder, log)
    await container.#takePorts()
    return container
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Ports of the container → loopback ports. */
  get ports(): ReadonlyMap<number, number> {
    return this.#ports
  }

  /**
   * Starts the program.
   *
   * @returns its end to come, or undefined where nothing is started that could end
   */
  async start(): Promise<{ readonly exited: Promise<number> } | undefined> {
    if (this.#program.kind === 'builtin') return undefined
    for (const [containerPort, port] of this.#ports)
      if (!(await isFree(port))) this.#ports.set(containerPort, await takePort())
    const running = new ModuleProcess({
      command: this.#program.command,
      folder: this.#folder,
      environment: this.#environment(this.#program),
      log: this.log
    })
    this.#process = running
    const exited = running.exited.finally(() => {
      if (this.#process === running) this.#process = undefined
    })
    return { exited }
  }

  kill(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  async stop(): Promise<void> {
    await this.#process?.stop(this.#surroundings.stopGraceMs)
  }

  /** Stops it and takes away all that belongs to it; what it kept in binds and volumes stays. */
  async remove(): Promise<void> {
    await this.stop()
    if (this.#program.kind === 'process') for (const port of this.#ports.values()) givePortBack(port)
    await this.log.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #environment(program: Extract<Program, { kind: 'process' }>): Record<string, string> {
    const given = this.#given()
    const own = program.environment(
      {
        module: this.spec.name,
        hostName: this.#surroundings.hostName,
        port: (containerPort) => this.#port(containerPort),
        folder: (target) => this.#folderBehind(target),
        names: this.#surroundings.names()
      },
      given
    )
    return { ...this.#surroundings.containerEnvironment, ...given, ...own }
  }

  /** The deployment's variables, then edgeAgent's, which a deployment cannot override (CreateOrUpdateCommand.cs). */
  #given(): Record<string, string> {
    return {
      ...containerEnvironment(this.spec.createOptions),
      ...this.spec.env,
      ...this.#surroundings.moduleEnvironment(this.spec.name)
    }
  }

  async #takePorts(): Promise<void> {
    const program = this.#program
    if (program.kind === 'builtin') {
      for (const [port, target] of Object.entries(program.ports ?? {})) this.#ports.set(Number(port), target)
      return
    }
    const published = portBindings(this.spec.createOptions).map(({ containerPort }) => containerPort)
    for (const port of new Set([...published, ...program.ports(this.#given())])) this.#ports.set(port, await takePort())
  }

  #port(containerPort: number): number {
    const port = this.#ports.get(containerPort)
    if (port === undefined) throw new Error(`${this.spec.name} has no port ${containerPort}`)
    return port
  }

  /** Folders of the pretend device's file system and its volumes stand inside the device's folder, whatever `..` says. */
  #folderBehind(target: string): string {
    const source = bindSource(this.spec.createOptions, target)
    const inside = source?.startsWith('/') === false ? `/volumes/${source}` : source
    const folder =
      inside === undefined ? join(this.#folder, target) : join(this.#surroundings.folder, posix.normalize(inside))
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return folder
  }
}

export interface CreatedFrom {
  readonly digest: string
  readonly program: Program
}
