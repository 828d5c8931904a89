import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { LogFile } from './log-file.ts'

const leash = new URL('leash.ts', import.meta.url).href

/** A module's program while it runs: its own process group, and its end told once. */
export class ModuleProcess {
  /** Resolves to the exit code as docker counts: 128 and the signal's number for a killed one, 127 for no such program. */
  readonly exited: Promise<number>
  readonly #child: ChildProcess

  constructor(options: {
    readonly command: readonly [string, ...string[]]
    readonly folder: string
    readonly environment: Readonly<Record<string, string>>
    readonly log: LogFile
  }) {
    const [program, ...rest] = options.command
    const leashed = program === process.execPath ? ['--import', leash, ...rest] : rest
    this.#child = spawn(program, leashed, {
      cwd: options.folder,
      env: options.environment,
      // A group of its own: Ctrl-C at the simulator reaches it through the simulator, which stops modules in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe']
    })
    this.#child.stdout?.on('data', (chunk: Buffer) => options.log.write(chunk))
    this.#child.stderr?.on('data', (chunk: Buffer) => options.log.write(chunk))
    this.exited = this.#end(options.log)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Sends a signal to the program and whatever it started. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    try {
      process.kill(-this.#child.pid, signal)
    } catch (error) {
      // It ended between the look and the shot.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** As `docker stop`: SIGTERM, and SIGKILL when that has not helped in time. */
  async stop(graceMs: number): Promise<void> {
    this.kill('SIGTERM')
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs)
    await this.exited
    clearTimeout(timer)
  }

  async #end(log: LogFile): Promise<number> {
    try {
      const [code, signal] = (await once(this.#child, 'close')) as [number | null, NodeJS.Signals | null]
      return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
    } catch (error) {
      log.write(`${(error as Error).message}\n`)
      return 127
    }
  }
}
