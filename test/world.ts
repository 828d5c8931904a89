import { spawn } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { request as httpRequest } from 'node:http'
import type { Reported } from '../module/settings/reported.ts'
import { reportedSchema } from '../module/settings/reported.ts'
import type { DeviceOptions } from '../simulator/device.ts'
import { standardPrograms, type Programs } from '../simulator/edge-agent/programs.ts'
import { startSimulator, type Simulator, type SimulatorOptions } from '../simulator/simulator.ts'
import { TwinStore } from '../simulator/twins.ts'

const root = join(import.meta.dirname, '..')

/** How long one thing on the road may take before a test gives it up, in milliseconds. */
const patience = 30_000

/** What stands in place of the sources: bundles, and another Node. */
export interface Built {
  readonly node: string
  readonly module: string
  readonly causeway: string
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The pretend Azure with its devices, a site file, and `causeway` as its user runs it. */
export class World {
  readonly folder: string
  readonly simulator: Simulator
  readonly site: string
  readonly #causeway: readonly [string, ...string[]]

  private constructor(folder: string, simulator: Simulator, built: Built | undefined) {
    this.folder = folder
    this.simulator = simulator
    this.#causeway = [built?.node ?? process.execPath, built?.causeway ?? join(root, 'generator/main.ts')]
    this.site = join(folder, 'site.yaml')
  }

  /** A copy of the worked example's site file stands in the folder. */
  static async start(
    devices?: readonly DeviceOptions[],
    { built, ...more }: { readonly built?: Built } & Pick<SimulatorOptions, 'pullLayers' | 'keyVaults'> = {}
  ): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
    const simulator = await startSimulator({
      folder: join(folder, 'simulator'),
      backoff: { baseMs: 50 },
      stopGraceMs: 5000,
      ...(built === undefined ? {} : { programs: programsOf(built) }),
      ...more,
      ...(devices === undefined ? {} : { devices })
    })
    await copyFile(join(root, 'manifests/site.yaml'), join(folder, 'site.yaml'))
    return new World(folder, simulator, built)
  }

  async close(): Promise<void> {
    await this.simulator.close()
    await rm(this.folder, { recursive: true, force: true })
  }

  get cloud(): ReturnType<Simulator['cloud']['registry']> {
    return this.simulator.cloud.registry(this.simulator.registryName)
  }

  /** Edits the site file as a person would. */
  async editSite(edit: (text: string) => string): Promise<void> {
    const before = await readFile(this.site, 'utf8')
    const after = edit(before)
    if (after === before) throw new Error('the edit changes nothing')
    await writeFile(this.site, after)
  }

  /** Runs `causeway … --site site.yaml` to its end. */
  causeway(...words: string[]): Promise<Ran> {
    return this.command(...words, '--site', this.site)
  }

  /** Runs `causeway …` to its end, where the site file is. */
  command(...words: string[]): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const [program, ...entry] = this.#causeway
      const child = spawn(program, [...entry, ...words], {
        cwd: this.folder,
        env: { PATH: process.env['PATH'], HOME: this.folder, ...this.simulator.environment },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: 3 * patience
      })
      let stdout = ''
      let stderr = ''
      child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()))
      child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
      child.once('error', reject)
      child.once('close', (code) => resolve({ code, stdout, stderr }))
    })
  }

  /** The same, and an error with all it said where it does not end well. */
  async mustRun(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.causeway(...words)
    if (code !== 0) throw new Error(`causeway ${words.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
    return stdout
  }

  async password(token: string): Promise<string> {
    return (await this.mustRun('secrets', 'show', token)).trim()
  }

  /** The module's reported properties as its hub has them, or undefined before the first report. */
  reported(device: string, module = 'connected-registry'): Reported | undefined {
    const properties = this.simulator.twins.get(TwinStore.key(device, module))?.reported.properties
    return reportedSchema.safeParse(properties).data
  }

  /** Waits until what the module reports is as wished. */
  async untilReported(
    device: string,
    wished: (reported: Reported) => boolean,
    what: string,
    module = 'connected-registry'
  ): Promise<Reported> {
    const deadline = AbortSignal.timeout(patience)
    for (;;) {
      const reported = this.reported(device, module)
      if (reported !== undefined && wished(reported)) return reported
      await this.#nextReport(deadline).catch(() => {
        const log = this.simulator.devices
          .get(device)
          ?.agent.modules()
          .find(({ name }) => name === module)?.log
        throw new Error(
          `${device} never reported ${what}; last: ${JSON.stringify(this.reported(device, module))}\n${log?.join('\n') ?? ''}`
        )
      })
    }
  }

  /** The module's registry as the device's own programs reach it: `127.0.0.1:port`. */
  registry(device: string, module = 'connected-registry'): string {
    const found = this.simulator.devices
      .get(device)
      ?.agent.modules()
      .find(({ name }) => name === module)
    const port = found?.ports['8080/tcp']
    if (port === undefined) throw new Error(`${device} runs no ${module}`)
    return `127.0.0.1:${port}`
  }

  #nextReport(deadline: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const { twins } = this.simulator
      const heard = (): void => {
        deadline.removeEventListener('abort', late)
        twins.off('reported', heard)
        resolve()
      }
      const late = (): void => {
        twins.off('reported', heard)
        reject(new Error('no report in time'))
      }
      twins.on('reported', heard)
      deadline.addEventListener('abort', late)
      if (deadline.aborted) late()
    })
  }
}

function programsOf({ node, module }: Built): Programs {
  const standard = standardPrograms(0)['causeway-module']
  if (standard?.kind !== 'process') throw new Error('the pretend devices start the module as a process')
  return { 'causeway-module': { ...standard, command: [node, module] } }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** A registry, and who asks it. */
export interface Caller {
  /** `http://host:port`, or an `https:` address behind the pretend network. */
  readonly origin: string
  readonly user?: string
  readonly password?: string
  /** For `https:`: the network's proxy, and the authority that is trusted. */
  readonly proxyUrl?: string
  readonly certificate?: string
}

/** One request, without following anything. */
export async function ask(caller: Caller, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const url = new URL(path, caller.origin)
  const socket = caller.proxyUrl === undefined ? undefined : await tunnel(caller, url)
  return new Promise((resolve, reject) => {
    const made = (socket === undefined ? httpRequest : httpsRequest)(
      url,
      // Node asks for no `createConnection` where it is given an agent, be it `false`.
      { headers, ...(socket === undefined ? { agent: false } : { createConnection: () => socket }), timeout: patience },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
        )
      }
    )
    made.once('timeout', () => made.destroy(new Error(`${path}: no answer in time`)))
    made.once('error', reject)
    made.end()
  })
}

/** A bearer token by the registry's own challenge, or the token endpoint's refusal. */
export async function logIn(
  caller: Caller,
  scope: string
): Promise<{ readonly status: number; readonly token?: string }> {
  const challenged = await ask(caller, '/v2/')
  const challenge = String(challenged.headers['www-authenticate'])
  const realm = /realm="([^"]+)"/.exec(challenge)?.[1]
  if (challenged.status !== 401 || realm === undefined) throw new Error(`no challenge: ${challenge}`)
  const service = /service="([^"]+)"/.exec(challenge)?.[1] ?? ''
  const basic = Buffer.from(`${caller.user ?? ''}:${caller.password ?? ''}`).toString('base64')
  const answer = await ask(
    caller,
    `${realm}?${new URLSearchParams({ service, scope }).toString()}`,
    caller.user === undefined ? {} : { authorization: `Basic ${basic}` }
  )
  if (answer.status !== 200) return { status: answer.status }
  return { status: 200, token: (JSON.parse(answer.body.toString()) as { access_token: string }).access_token }
}

/** GET of a repository's path with a fresh bearer token for pulling it. */
export async function pullPath(caller: Caller, repository: string, path: string): Promise<Answer> {
  const { token } = await logIn(caller, `repository:${repository}:pull`)
  return ask(caller, `/v2/${repository}/${path}`, {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    accept: [
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.oci.image.manifest.v1+json',
      'application/vnd.docker.distribution.manifest.v2+json'
    ].join(', ')
  })
}

async function tunnel(caller: Caller, url: URL): Promise<ReturnType<typeof tlsConnect>> {
  const proxy = new URL(caller.proxyUrl ?? '')
  return new Promise((resolve, reject) => {
    const made = httpRequest({
      host: proxy.hostname,
      port: proxy.port,
      method: 'CONNECT',
      path: `${url.hostname}:${url.port === '' ? '443' : url.port}`,
      timeout: patience
    })
    made.once('error', reject)
    made.once('timeout', () => made.destroy(new Error('the proxy does not answer')))
    made.once('connect', (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy()
        reject(new Error(`the proxy answers ${response.statusCode ?? 0}`))
        return
      }
      const secure = tlsConnect({ socket, servername: url.hostname, ca: caller.certificate })
      secure.once('error', reject)
      secure.once('secureConnect', () => resolve(secure))
    })
    made.end()
  })
}
