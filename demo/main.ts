import { randomBytes } from 'node:crypto'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { parseArgs, styleText } from 'node:util'
import { causeway, startSimulator, StepFailed, type RunningSimulator } from './programs.ts'
import { pull } from './pull.ts'

/** What the worked example in `manifests/` names. */
const device = 'gateway'
const clientToken = 'plant-client'
const image = 'hello-world:latest'
const moduleName = 'connected-registry'

interface Device {
  readonly id: string
  readonly modules: readonly { readonly name: string; readonly ports: Readonly<Record<string, number>> }[]
}

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } })
const interrupted = new AbortController()
let number = 0
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
process.exitCode = await main()

async function main(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-demo-'))
  let simulator: RunningSimulator | undefined
  try {
    say('Causeway, the whole road on loopback: a pretend Azure, a pretend device, the real programs and SDKs.\n')
    simulator = await step('start the pretend Azure', () => startSimulator(join(folder, 'simulator')))
    const registry = await walk(simulator, folder)
    if (!options.once) await stayUp(simulator, registry, folder)
    return 0
  } catch (error) {
    if (interrupted.signal.aborted) return 130
    if (!(error instanceof StepFailed)) throw error
    say(styleText('red', `\n${error.message}`))
    return 1
  } finally {
    await simulator?.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The road itself; gives the address at which the device serves. */
async function walk(simulator: RunningSimulator, folder: string): Promise<string> {
  const root = join(import.meta.dirname, '..')
  const site = join(folder, 'site.yaml')
  const manifest = join(folder, `deployment.${device}.json`)
  await copyFile(join(root, 'manifests/site.yaml'), site)
  // What a pipeline keeps among its own secrets; without it, causeway would make one for whoever runs this.
  const environment = { ...simulator.environment, CAUSEWAY_SECRETS_KEY: randomBytes(32).toString('base64') }
  const run = (...words: string[]): Promise<string> =>
    causeway([...words, '--site', site], environment, interrupted.signal)

  await step('provision: scope maps, tokens and one-time passwords in ACR', () => run('provision'))
  await step("import the runtime's images, so that the pull token has something to pull", () => run('images', 'import'))
  await step('generate the deployment manifest, credentials and scope maps embedded', () =>
    run('generate', '--device', device, '--output', manifest)
  )
  await step('deploy it through IoT Hub; edgeAgent pulls and starts the module', () =>
    run('deploy', '--device', device, '--manifest', manifest)
  )
  await step('wait until every image is ready on the device, as its module twin says', () =>
    run('status', '--device', device, '--wait')
  )
  say(indent(await run('status', '--device', device)))
  const password = (await run('secrets', 'show', clientToken)).trim()
  await writeFile(join(folder, `${clientToken}.password`), password, { mode: 0o600 })
  const registry = `127.0.0.1:${await registryPort(simulator)}`
  await step(`pull ${image} from the device as ${clientToken}`, async () => {
    const { digest, bytes } = await pull(`http://${registry}`, image, clientToken, password)
    say(indent(`${image} is ${digest}, ${bytes} bytes, every one verified`))
  })
  return registry
}

async function stayUp(simulator: RunningSimulator, registry: string, folder: string): Promise<void> {
  const export_ = Object.entries(simulator.environment).filter(([name]) => name === 'NODE_EXTRA_CA_CERTS')
  say(`
The device serves at ${registry}. In another terminal:

  docker login ${registry} --username ${clientToken} --password-stdin < ${folder}/${clientToken}.password
  docker pull ${registry}/${image}

or, without a daemon:

  skopeo login --tls-verify=false ${registry} --username ${clientToken} --password-stdin < ${folder}/${clientToken}.password
  skopeo copy --src-tls-verify=false docker://${registry}/${image} dir:hello-world

The pretend Azure's control interface is ${simulator.control}/devices (its CA: ${export_[0]?.[1] ?? 'none'}).
Ctrl-C ends all of it and removes ${folder}.`)
  if (!interrupted.signal.aborted) await once(interrupted.signal, 'abort')
}

async function registryPort(simulator: RunningSimulator): Promise<number> {
  const response = await fetch(`${simulator.control}/devices`, { signal: AbortSignal.timeout(10_000) })
  const devices = (await response.json()) as readonly Device[]
  const modules = devices.find(({ id }) => id === device)?.modules
  const port = modules?.find(({ name }) => name === moduleName)?.ports['8080/tcp']
  if (port === undefined) throw new StepFailed(`the pretend device runs no ${moduleName}`)
  return port
}

async function step<Result>(title: string, work: () => Promise<Result>): Promise<Result> {
  interrupted.signal.throwIfAborted()
  const label = `${++number}. ${title}`
  say(styleText('bold', label))
  const started = performance.now()
  const result = await work().catch((error: unknown) => {
    throw error instanceof StepFailed ? new StepFailed(`step ${label} failed: ${error.message}`) : error
  })
  say(styleText('dim', `   done in ${((performance.now() - started) / 1000).toFixed(1)} s`))
  return result
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '   ')
}
