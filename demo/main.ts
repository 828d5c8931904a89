import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import { parseArgs, styleText } from 'node:util'
import { findDevice, lastWords } from './device.ts'
import { causeway, startSimulator, StepFailed, type RunningSimulator } from './programs.ts'
import { pull } from './pull.ts'

const usage = `usage: npm start [-- --once] [-- --site FILE]

The whole road on loopback: a pretend Azure, provisioned; a deployment manifest, generated and deployed; the module, started
by it; an image, synced and pulled. Stays up until Ctrl-C.

  --once       ends when the road has been walked: 0 if every step passed, 1 with the reason if one did not
  --site FILE  walks it with another site file than manifests/site.yaml, of the same names
`

/** What the worked example in `manifests/` names. */
const device = 'gateway'
const clientToken = 'plant-client'
const image = 'hello-world:latest'
/** Seconds that the device is waited for before `causeway` says what it lacks; it takes about five on a small machine. */
const patience = '60'
const root = join(import.meta.dirname, '..')

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
// Whoever read along has stopped: nobody is left to do this for, and the end is still to be an orderly one.
process.stdout.on('error', () => interrupted.abort())
let number = 0
process.exitCode = await main()

async function main(): Promise<number> {
  let options
  try {
    options = parseArgs({
      options: { once: { type: 'boolean' }, site: { type: 'string' }, help: { type: 'boolean', short: 'h' } }
    }).values
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  if (options.help === true) {
    say(usage)
    return 0
  }
  return run(options.once === true, options.site ?? join(root, 'manifests/site.yaml'))
}

async function run(ends: boolean, site: string): Promise<number> {
  let simulator: RunningSimulator | undefined
  try {
    say('Causeway, the whole road on loopback: a pretend Azure, a pretend device, the real programs and SDKs.\n')
    simulator = await step('start the pretend Azure', () => startSimulator(interrupted.signal))
    const folder = join(simulator.folder, 'demo')
    const registry = await walk(simulator, site, folder)
    if (!ends) await stayUp(simulator, registry, folder)
    return interrupted.signal.aborted ? 130 : 0
  } catch (error) {
    if (interrupted.signal.aborted) return 130
    const said = simulator === undefined ? '' : await lastWords(simulator.control, device)
    say(`${styleText('red', `\n${(error as Error).message.trimEnd()}`)}${said}`)
    return 1
  } finally {
    await simulator?.stop()
    // It has done so itself, unless it was killed.
    if (simulator !== undefined) await rm(simulator.folder, { recursive: true, force: true })
  }
}

/** The road itself; gives the address at which the device serves. */
async function walk(simulator: RunningSimulator, siteFile: string, folder: string): Promise<string> {
  const site = join(folder, 'site.yaml')
  const manifest = join(folder, `deployment.${device}.json`)
  await mkdir(folder, { mode: 0o700 })
  await copyFile(siteFile, site)
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
    run('deploy', '--device', device, '--manifest', manifest, '--timeout', patience)
  )
  await step('wait until every image is ready on the device, as its module twin says', () =>
    run('status', '--device', device, '--wait', '--timeout', patience)
  )
  say(indent(await run('status', '--device', device)))
  const password = (await run('secrets', 'show', clientToken)).trim()
  await writeFile(join(folder, `${clientToken}.password`), password, { mode: 0o600 })
  const registry = await step(`pull ${image} from the device as ${clientToken}`, async () => {
    const address = `127.0.0.1:${await findDevice(simulator.control, device)}`
    const { digest, bytes } = await pull(`http://${address}`, image, clientToken, password)
    say(indent(`${image} is ${digest}, ${bytes} bytes, every one verified`))
    return address
  })
  return registry
}

async function stayUp(simulator: RunningSimulator, registry: string, folder: string): Promise<void> {
  const { ended, environment, control } = simulator
  say(`
The device serves at ${registry}. In another terminal:

  docker login ${registry} --username ${clientToken} --password-stdin < ${folder}/${clientToken}.password
  docker pull ${registry}/${image}

or, without a daemon:

  skopeo login --tls-verify=false ${registry} --username ${clientToken} --password-stdin < ${folder}/${clientToken}.password
  skopeo copy --src-tls-verify=false docker://${registry}/${image} dir:hello-world

The pretend Azure's control interface is ${control}/devices (its CA: ${environment['NODE_EXTRA_CA_CERTS'] ?? 'none'}).
Ctrl-C ends all of it and removes ${simulator.folder}.`)
  const { signal } = interrupted
  const words = await Promise.race([ended, signal.aborted ? undefined : once(signal, 'abort').then(() => undefined)])
  if (words !== undefined) throw new StepFailed(`the pretend Azure ended by itself\n${words}`)
}

async function step<Result>(title: string, work: () => Promise<Result>): Promise<Result> {
  interrupted.signal.throwIfAborted()
  const label = `${++number}. ${title}`
  say(styleText('bold', label))
  const started = performance.now()
  const result = await work().catch((error: unknown) => {
    throw new StepFailed(`step ${label} failed: ${(error as Error).message}`)
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
