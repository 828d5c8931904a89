import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { Program, type Variables } from './real-tools.ts'

const source = join(import.meta.dirname, '../module/main.ts')

/** The module as a person starts it without IoT Edge: a settings file, a data folder, and an address. */
export class LoneModule {
  readonly settings: string
  readonly data: string
  readonly #command: readonly [program: string, entry: string]
  #program: Program | undefined
  #origin = ''

  /**
   * @param folder holds the settings file and the data folder, which outlive the process
   * @param command a Node and what it runs, in place of this Node and the sources
   */
  constructor(folder: string, command: readonly [program: string, entry: string] = [process.execPath, source]) {
    this.#command = command
    this.settings = join(folder, 'settings.json')
    this.data = join(folder, 'data')
  }

  /** `http://127.0.0.1:port` of the running process. */
  get origin(): string {
    return this.#origin
  }

  /** Everything the running process has logged. */
  get log(): string {
    return this.#running.said
  }

  get isRunning(): boolean {
    return this.#program?.isRunning === true
  }

  /** Its process id, for what the system knows of it. */
  get pid(): number | undefined {
    return this.#running.pid
  }

  /** Starts the process, and waits until it serves. */
  async start(variables: Variables = {}): Promise<void> {
    this.#program = new Program(this.#command[0], [this.#command[1]], {
      CAUSEWAY_SETTINGS: this.settings,
      CAUSEWAY_DATA: this.data,
      CAUSEWAY_LISTEN: '127.0.0.1:0',
      ...variables
    })
    this.#origin = (await this.logs(/ serving .*address=(\S+)/))[1] ?? ''
  }

  /**
   * Waits for a line in the log.
   *
   * @param after where in {@link log} to begin to look
   */
  logs(pattern: RegExp, after = 0): Promise<RegExpExecArray> {
    return this.#running.says(pattern, after)
  }

  /** Writes the settings file whole or not at all, as editors do. */
  async write(content: SettingsInput | string): Promise<void> {
    const text = typeof content === 'string' ? content : JSON.stringify(content, undefined, 2)
    await writeFile(`${this.settings}.new`, text, { mode: 0o600 })
    await rename(`${this.settings}.new`, this.settings)
  }

  /** @returns the exit code, or null where it had to be killed */
  async stop(): Promise<number | null> {
    return this.#running.end('SIGTERM')
  }

  /** Its exit code once it has ended by itself, or null where a signal ended it. */
  get ended(): Promise<number | null> {
    return this.#running.ended
  }

  get #running(): Program {
    if (this.#program === undefined) throw new Error('the module was not started')
    return this.#program
  }
}
