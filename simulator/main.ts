import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startControl } from './control.ts'
import { simulatedClouds, type SimulatedCloud } from './cloud-names.ts'
import type { DeviceOptions } from './device.ts'
import { startSimulator } from './simulator.ts'

const usage = `usage: npm run simulator -- [--json] [--device id[:parent]]… [--cloud CLOUD] [--retry-seconds N] [--folder FOLDER] [--leash]

Starts a pretend Azure and pretend IoT Edge devices on loopback, prints the environment in which causeway and the
Azure SDKs find them, and stays until it is told to end (Ctrl-C). azure-iothub takes no proxy from any environment: a
program of your own gives it an agent (http: { agent }), as causeway does. azure-iot-device gets what it needs from the
pretend edgeAgent, as in any module.

  --device id[:parent]  a device, below another one where a parent is named; one device "gateway" when there is none
  --cloud CLOUD         which of Azure's clouds it is: AzureCloud by default, AzureUSGovernment or AzureChinaCloud
  --retry-seconds N     how long a device waits before it tries a failed module again the first time; 10, as real ones
  --folder FOLDER       where the pretend world keeps its files; a temporary folder, removed at the end, by default
  --leash               ends as well when its standard input does, and so with the program that holds it
  --json                one JSON object on one line in place of shell lines
`

interface Arguments {
  readonly json: boolean
  readonly devices: readonly DeviceOptions[]
  readonly folder: string | undefined
  readonly retryMs: number | undefined
  readonly cloud: SimulatedCloud
  readonly leash: boolean
}

function readArguments(): Arguments | undefined {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      device: { type: 'string', multiple: true, default: [] },
      folder: { type: 'string' },
      cloud: { type: 'string', default: 'AzureCloud' },
      'retry-seconds': { type: 'string' },
      leash: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) return undefined
  return {
    json: values.json,
    leash: values.leash,
    devices: values.device.map(readDevice),
    folder: values.folder,
    cloud: readCloud(values.cloud),
    retryMs: readSeconds(values['retry-seconds'])
  }
}

function readCloud(text: string): SimulatedCloud {
  const cloud = simulatedClouds.find((known) => known === text)
  if (cloud === undefined) throw new Error(`--cloud takes ${simulatedClouds.join(', ')}, and not ${text}`)
  return cloud
}

function readSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= 3600)) throw new Error(`--retry-seconds takes a number up to 3600, not ${text}`)
  return seconds * 1000
}

function readDevice(text: string): DeviceOptions {
  const [id = '', parentId, ...rest] = text.split(':')
  const name = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/
  if (!name.test(id) || rest.length > 0 || (parentId !== undefined && !name.test(parentId)))
    throw new Error(`--device takes id or id:parent, names of letters, digits, - and _, not ${JSON.stringify(text)}`)
  return parentId === undefined ? { id } : { id, parentId }
}

async function run({ json, devices, folder: chosen, retryMs, cloud, leash }: Arguments): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
    // However whoever started it goes, its end of the pipe goes too.
    if (leash) process.stdin.on('error', resolve).on('close', resolve).resume()
  })
  const folder = chosen === undefined ? await mkdtemp(join(tmpdir(), 'causeway-simulator-')) : resolve(chosen)
  try {
    const simulator = await startSimulator({
      folder,
      cloud,
      ...(devices.length === 0 ? {} : { devices }),
      ...(retryMs === undefined ? {} : { backoff: { baseMs: retryMs } })
    })
    try {
      const control = await startControl(simulator)
      const { environment, certificates } = simulator
      const names = [...simulator.devices.values()].map(({ id, hostName, parentId }) => ({ id, hostName, parentId }))
      if (json) print({ event: 'ready', environment, control: control.url, certificates, folder, devices: names })
      else process.stdout.write(shell({ ...environment, CAUSEWAY_SIMULATOR: control.url }))
      await stopped
      await control.close()
    } finally {
      await simulator.close()
    }
  } finally {
    if (chosen === undefined) await rm(folder, { recursive: true, force: true })
  }
  if (json) print({ event: 'stopped' })
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** Lines for `eval` or a file to source; every value in single quotes. */
function shell(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('')
}

// Whoever started it may have stopped reading; the end is still to be an orderly one.
process.stdout.on('error', () => undefined)

try {
  const given = readArguments()
  if (given === undefined) process.stdout.write(usage)
  else await run(given)
} catch (error) {
  process.stderr.write(`SIMULATOR_FAILED: ${(error as Error).message}\n`)
  process.exitCode = 1
} finally {
  // A leash that somebody still holds would keep this alive.
  process.stdin.destroy()
}
