import { anonymousPullNotes } from '../acr/anonymous-pull.ts'
import { resourceNotes } from '../acr/resource-notes.ts'
import { allDevicesOf, type CommonOptions, type Context } from '../context.ts'
import { readTemplate } from '../deployment/template.ts'
import { exitCodes, GeneratorError, throwAll, type ExitCode } from '../errors.ts'
import { styleOfService } from '../output/annotations.ts'
import { reportError } from '../output/errors.ts'
import { formatPlan } from '../plan/format.ts'
import { makePlan } from '../plan/make.ts'
import { savePlan, saveText } from '../plan/saved.ts'
import type { PlanStyle } from '../plan/styles.ts'

export interface PlanOptions extends CommonOptions {
  readonly device?: readonly string[]
  readonly template: string
  /** For modules that the template names without one. */
  readonly platform?: string
  readonly output?: PlanStyle
  readonly out?: string
  /** A file for the plan as Markdown, whatever `output` is. */
  readonly summary?: string
  /** commander's `--no-image-check` */
  readonly imageCheck: boolean
}

/**
 * Shows what `provision` and `deploy` would do. Changes nothing.
 *
 * @returns 0 where there is nothing to do, 2 where there is, 1 where it cannot be told
 */
export async function planCommand(context: Context, options: PlanOptions): Promise<ExitCode> {
  return withoutOtherCodes(context, async () => {
    const site = await context.site()
    for (const note of [...resourceNotes(site), ...anonymousPullNotes(site)]) context.stderr.write(`${note}\n`)
    const template = await readTemplate(options.template, context.io.workingFolder, {
      env: context.io.env,
      platform: options.platform
    })
    const { plan, warnings, refusals } = await makePlan(context, site, {
      registry: true,
      images: options.imageCheck,
      devices: allDevicesOf(site, options.device),
      deployments: options.device === undefined ? Object.values(site.deployments) : [],
      template
    })
    for (const warning of warnings) context.stderr.write(`${warning}\n`)
    // One that cannot be carried out is shown, and not kept.
    if (options.out !== undefined && refusals.length === 0) await savePlan(options.out, context.io.workingFolder, plan)
    if (options.summary !== undefined)
      await saveText(options.summary, context.io.workingFolder, formatPlan(plan, 'markdown', context.sitePath))
    context.stdout.write(formatPlan(plan, options.output ?? styleOfService(context.io.env), context.sitePath))
    throwAll(refusals.map(({ error }) => error))
    return plan.changes.length === 0 ? exitCodes.ok : exitCodes.differences
  })
}

/** Where 2 means differences, everything that keeps them from being told is 1, but for Ctrl-C. */
export async function withoutOtherCodes(context: Context, work: () => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof GeneratorError && error.code === 'CANCELLED') throw error
    await context.close()
    reportError(error, { stderr: context.stderr, env: context.io.env })
    return exitCodes.error
  }
}
