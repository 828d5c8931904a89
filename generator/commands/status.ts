import { statusNotes } from '../acr/resource-notes.ts'
import { pause, waitFor } from '../azure/wait.ts'
import { devicesOf, type CommonOptions, type Context } from '../context.ts'
import { isShown, readFleet, type DeviceStatus, type FleetFilter } from '../fleet/status.ts'
import { fleetTable } from '../fleet/table.ts'
import { GeneratorError, type GeneratorErrorCode } from '../errors.ts'
import { plain } from '../output/plain.ts'

export interface StatusOptions extends CommonOptions, FleetFilter {
  readonly device?: readonly string[]
  readonly output: 'table' | 'json'
  readonly watch?: boolean
  readonly wait?: boolean
  /** Seconds between two looks; by the number of devices where it is not given. */
  readonly interval?: number
  /** Seconds that `--wait` waits. */
  readonly timeout: number
}

/** Shows where devices stand, from their twins: once, again and again, or until every image is there. */
export async function status(context: Context, options: StatusOptions): Promise<void> {
  const site = await context.site()
  const devices = devicesOf(site, options.device)
  for (const note of statusNotes(devices)) context.stderr.write(`${note}\n`)
  const names = devices.map((device) => device.id)
  const hub = await context.hub(site)
  const interval = (options.interval ?? (names.length <= 20 ? 2 : 10)) * 1000
  const look = (): Promise<DeviceStatus[]> => readFleet(hub, names, site.moduleName, new Date())
  if (options.wait === true) await waitUntilReady(context, options, interval, look)
  else if (options.watch === true) await watch(context, options, interval, look)
  else show(context, options, await look())
}

async function watch(
  context: Context,
  options: StatusOptions,
  interval: number,
  look: () => Promise<DeviceStatus[]>
): Promise<void> {
  try {
    for (;;) {
      const devices = await look().catch(passing(context))
      // Home and clear, on a terminal only; a log gets one table after another, a program one JSON document a line.
      if (devices !== undefined && options.output === 'table' && context.io.stdout.isTTY === true)
        context.stdout.write('\u001b[H\u001b[2J')
      if (devices !== undefined) show(context, options, devices)
      await pause(interval, context.io.signal)
    }
  } catch (error) {
    // Ctrl-C is how one stops watching, in a pause or in the middle of a look.
    if (error instanceof GeneratorError && error.code === 'CANCELLED') return
    throw error
  }
}

/** A watch outlives what passes: it says so and looks again. */
function passing(context: Context): (error: unknown) => undefined {
  return (error) => {
    const known = error instanceof GeneratorError && passingCodes.has(error.code)
    if (!known) throw error
    context.stderr.write(`${error.code}: ${plain(error.message)}\n`)
  }
}

const passingCodes = new Set<GeneratorErrorCode>([
  'AZURE_UNREACHABLE',
  'AZURE_UNAVAILABLE',
  'AZURE_THROTTLED',
  'TIMED_OUT'
])

async function waitUntilReady(
  context: Context,
  options: StatusOptions,
  interval: number,
  look: () => Promise<DeviceStatus[]>
): Promise<void> {
  const task = (await context.progress()).begin('waiting for images')
  let last: readonly DeviceStatus[] = []
  try {
    const devices = await waitFor(
      async () => {
        const now = await look()
        last = now
        task.total(Math.max(1, sum(now, 'imagesTotal')))
        task.advance(sum(now, 'imagesReady'), waitingFor(now) || undefined)
        return now.every((device) => device.ready) ? now : undefined
      },
      () => `not every image is there: ${waitingFor(last)}`,
      { signal: context.io.signal, interval, timeout: options.timeout * 1000 }
    )
    task.end('done')
    show(context, options, devices)
  } catch (error) {
    task.end('failed')
    throw error
  }
}

function waitingFor(devices: readonly DeviceStatus[]): string {
  return devices
    .filter((device) => !device.ready)
    .map((device) => {
      const [problem] = device.problems
      const count = `${device.imagesReady}/${device.imagesTotal}`
      return `${device.device} ${count}${problem === undefined ? '' : ` (${problem})`}`
    })
    .join(', ')
}

function sum(devices: readonly DeviceStatus[], key: 'imagesReady' | 'imagesTotal'): number {
  return devices.reduce((total, device) => total + device[key], 0)
}

function show(context: Context, options: StatusOptions, devices: readonly DeviceStatus[]): void {
  const line = options.watch === true ? undefined : 2
  const shown = devices.filter((device) => isShown(device, options))
  const json = JSON.stringify({ schemaVersion: '1.0', devices: shown }, undefined, line)
  context.stdout.write(`${options.output === 'json' ? json : fleetTable(shown)}\n`)
}
