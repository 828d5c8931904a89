import { pushSettings } from '../acr/push-settings.ts'
import { settingsOf } from '../automatic/own-settings.ts'
import { devicesOf, twinInterval, type CommonOptions, type Context } from '../context.ts'
import { GeneratorError, throwAll } from '../errors.ts'
import { atOnce } from '../hub/at-once.ts'
import { parentSettings } from '../deployment/parent.ts'
import { configure, waitForSettings, type Configured } from '../hub/configure.ts'

export interface ConfigureOptions extends CommonOptions {
  readonly device?: readonly string[]
  readonly wait: boolean
  /** Seconds. */
  readonly timeout: number
}

/** Twins changed at the same time; the hub's throttle sets the pace of a fleet. */
const writesAtOnce = 8

/** Brings the settings of the site file to the modules' twins, without a deployment: no container starts anew. */
export async function configureCommand(context: Context, options: ConfigureOptions): Promise<void> {
  const site = await context.site()
  const devices = devicesOf(site, options.device)
  const secrets = await context.secrets(site, 'read')
  // All are made before the first is sent: a mistake in the last leaves no half of a site configured.
  const now = new Date()
  const settingsFor = settingsOf(site, { secrets, now })
  const wanted = devices.map((device) => ({
    id: device.id,
    wanted: settingsFor(device),
    // Begun by a rotation: taken away, the device would fall back on the password before.
    parent: parentSettings(site, device, secrets, now)
  }))
  await pushSettings(context, site, secrets, devices)
  const hub = await context.hub(site)
  const progress = await context.progress()
  const task = progress.begin('configuring', devices.length * (options.wait ? 2 : 1))
  let done = 0
  const failures: GeneratorError[] = []
  /** A device that cannot be configured keeps the others from nothing. */
  const attempt = async <Result>(id: string, work: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      const result = await work()
      task.advance(++done, id)
      return result
    } catch (error) {
      if (!(error instanceof GeneratorError) || error.code === 'CANCELLED') throw error
      failures.push(error)
      return undefined
    }
  }
  const patience = {
    signal: context.io.signal,
    interval: Math.max(twinInterval, devices.length * 50),
    timeout: options.timeout * 1000
  }
  try {
    // Everybody is told before anybody is waited for.
    const told: { readonly id: string; readonly result: Configured }[] = []
    await atOnce(wanted, writesAtOnce, async ({ id, wanted: { settings, own }, parent }) => {
      const result = await attempt(id, () =>
        configure(hub, id, site.moduleName, settings, own, parent === undefined ? {} : { parent })
      )
      if (result !== undefined) told.push({ id, result })
    })
    await Promise.all(
      told.map(async ({ id, result }) => {
        const applied = options.wait
          ? await attempt(id, () => waitForSettings(hub, id, site.moduleName, result.version, patience))
          : undefined
        if (options.wait && applied === undefined) return
        const line = `${id}: ${describe(result)}${options.wait ? ', and the device applies it' : ''}\n`
        progress.print(() => void context.stdout.write(line))
      })
    )
  } catch (error) {
    task.end('failed')
    throw error
  }
  task.end(failures.length === 0 ? 'done' : 'failed')
  throwAll(failures)
}

function describe({ outcome, changed, version }: Configured): string {
  const what = outcome === 'unchanged' ? 'nothing to do' : `changed ${changed.join(', ')}`
  return `${what}; settings are at version ${version}`
}
