import type { ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundle } from '../packaging/bundle.ts'
import { nodeFlags, nodeVariables } from '../packaging/runtime.ts'
import { end, freePort, listening, residentMebibytes, start } from './processes.ts'

/** A registry that writes down every request. */
export interface LoggingParent {
  readonly port: number
  readonly child: ChildProcess
  /** Resolves when the next request comes. */
  asked(): Promise<void>
  /** What was asked of it since it was last asked here. */
  take(): { readonly requests: number; readonly bytes: number; readonly began: number | undefined }
}

/** What a pass cost. */
export interface Counted {
  readonly seconds: number
  readonly requests: number
  /** Of bodies, that the parent sent. */
  readonly bytes: number
  readonly residentMebibytes: number
  readonly peakMebibytes: number
}

/** @param content its `rootdirectory` */
export async function startParent(content: string): Promise<LoggingParent> {
  const port = await freePort()
  const configuration = `${content}.json`
  await writeFile(
    configuration,
    // JSON is YAML.
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: content }, maintenance: { uploadpurging: { enabled: false } } },
      http: { addr: `127.0.0.1:${port}` }
    })
  )
  const child = start('docker-registry', ['serve', configuration], undefined, { OTEL_TRACES_EXPORTER: 'none' })
  const news = new EventEmitter()
  let requests = 0
  let bytes = 0
  let began: number | undefined
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      // Apache's combined form: … "GET /v2/… HTTP/1.1" 200 1234 …
      const [, sent] = /" \d{3} (\d+) /.exec(line) ?? []
      if (sent === undefined) continue
      began ??= performance.now()
      requests += 1
      news.emit('asked')
      bytes += line.includes('"HEAD ') ? 0 : Number(sent)
    }
  })
  child.stderr?.resume()
  await listening(port)
  return {
    port,
    child,
    asked: async () => {
      await once(news, 'asked', { signal: AbortSignal.timeout(60_000) })
    },
    take: () => {
      const taken = { requests, bytes, began }
      requests = bytes = 0
      began = undefined
      return taken
    }
  }
}

/** The module as a process of its own, and when its passes end. */
export class SyncingModule {
  readonly #folder: string
  readonly #program: string
  readonly #settings: string
  #child!: ChildProcess
  #port = 0
  #said = ''
  #ended = 0

  private constructor(folder: string, settings: string) {
    this.#folder = folder
    this.#program = join(folder, 'program')
    this.#settings = settings
  }

  static async start(folder: string, settings: string): Promise<SyncingModule> {
    const module = new SyncingModule(folder, settings)
    // As on a device: from the bundle.
    await bundle('module', module.#program)
    await module.#start()
    return module
  }

  get port(): number {
    return this.#port
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.#start()
  }

  stop(): Promise<void> {
    return end(this.#child)
  }

  /** Waits until the next pass has ended. @throws {Error} with the log where the module ends first */
  async pass(parent: LoggingParent): Promise<Counted> {
    const at = this.#ended
    while (this.#ended === at) {
      if (this.#child.exitCode !== null) throw new Error(`the module ended: ${this.#said.slice(-4000)}`)
      await once(this.#child, 'said', { signal: AbortSignal.timeout(1_800_000) })
    }
    const now = performance.now()
    const { requests, bytes, began = now } = parent.take()
    const pid = this.#child.pid ?? 0
    return {
      seconds: (now - began) / 1000,
      requests,
      bytes,
      residentMebibytes: residentMebibytes(pid),
      peakMebibytes: Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
    }
  }

  async #start(): Promise<void> {
    this.#port = await freePort()
    this.#child = start(process.execPath, [...nodeFlags, join(this.#program, 'main.js')], undefined, {
      ...nodeVariables,
      CAUSEWAY_SETTINGS: this.#settings,
      CAUSEWAY_DATA: join(this.#folder, 'data'),
      CAUSEWAY_LISTEN: `127.0.0.1:${this.#port}`
    })
    const child = this.#child
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-20_000)
        this.#ended += text.split(/ sync ended /).length - 1
        child.emit('said')
      })
    await listening(this.#port)
  }
}
