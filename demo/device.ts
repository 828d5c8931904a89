import { ask } from './loopback.ts'
import { StepFailed } from './programs.ts'

/** What the demo wants to know of a pretend device. */
interface Device {
  readonly id: string
  readonly modules: readonly {
    readonly name: string
    readonly runtimeStatus: string
    readonly log: readonly string[]
    readonly ports: Readonly<Record<string, number>>
  }[]
}

const moduleName = 'connected-registry'
/** Lines of its log that are told where the road ends early. */
const mostLines = 12

/**
 * The port of loopback at which a device's registry answers.
 *
 * @param control base URL of the simulator's control interface
 * @throws {StepFailed} where no module of that name runs there
 */
export async function findDevice(control: string, id: string): Promise<number> {
  const port = (await registryOf(control, id))?.ports['8080/tcp']
  if (port === undefined) throw new StepFailed(`the pretend device runs no ${moduleName}`)
  return port
}

/** What the device's module wrote last: a module that does not start says nothing in its twin. Empty where there is none. */
export async function lastWords(control: string, id: string): Promise<string> {
  const module = await registryOf(control, id).catch(() => undefined)
  if (module === undefined) return ''
  const lines = module.log.slice(-mostLines).map((line) => `\n  ${line.trimEnd()}`)
  return `\n\n${moduleName} on ${id} is ${module.runtimeStatus}; it wrote last:${lines.join('') || ' nothing'}`
}

async function registryOf(control: string, id: string): Promise<Device['modules'][number] | undefined> {
  const devices = (await (await ask(`${control}/devices`)).json()) as readonly Device[]
  return devices.find((device) => device.id === id)?.modules.find(({ name }) => name === moduleName)
}
