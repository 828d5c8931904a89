import { runChecks, findingCodes, type CheckFinding } from '../check/check.ts'
import { checks } from '../check/checks.ts'
import { allDevicesOf, type CommonOptions, type Context } from '../context.ts'
import { exitCodes, throwAll, type ExitCode } from '../errors.ts'
import { FleetTwins } from '../fleet/read.ts'
import { plain } from '../output/plain.ts'
import { withoutOtherCodes } from './plan.ts'

export interface CheckOptions extends CommonOptions {
  readonly device?: readonly string[]
  readonly template: string
  readonly days: number
  readonly output: 'text' | 'json'
  /** commander's `--no-image-check` */
  readonly imageCheck: boolean
}

/**
 * Compares the cloud registry, the hub and the devices with what the site file says. Changes nothing.
 *
 * @returns 0 where all is as it should be, 2 where something differs, 1 where it cannot be told
 */
export async function checkCommand(context: Context, options: CheckOptions): Promise<ExitCode> {
  return withoutOtherCodes(context, async () => {
    const site = await context.site()
    const devices = allDevicesOf(site, options.device)
    const ids = devices.map(({ id }) => id)
    const twins = new FleetTwins(() => context.hub(site), ids)
    const scope = { ...options, devices, twins, now: new Date() }
    const progress = await context.progress()
    const task = progress.begin('checking', checks.length)
    let done = 0
    const { findings, failures } = await runChecks(checks, context, site, scope, (name) => {
      task.advance(done++, name)
    })
    task.end(failures.length === 0 ? 'done' : 'failed')
    progress.close()
    if (options.output === 'json')
      context.stdout.write(`${JSON.stringify({ schemaVersion: '1.0', findings }, undefined, 2)}\n`)
    else context.stdout.write(findings.length === 0 ? 'as the site file says\n' : findings.map(line).join(''))
    throwAll(failures)
    return findings.some(({ severity }) => severity === 'difference') ? exitCodes.differences : exitCodes.ok
  })
}

function line({ code, severity, message }: CheckFinding): string {
  const title = Object.hasOwn(findingCodes, code) ? ` (${findingCodes[code as keyof typeof findingCodes]})` : ''
  return `${plain(`${severity} ${code} ${message}${title}`)}\n`
}
