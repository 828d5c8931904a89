import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { z } from 'zod'
import { writeDurably } from '../../module/settings/durable-file.ts'
import { GeneratorError } from '../errors.ts'
import { changeCodes, type ChangeCode, type Plan } from './plan.ts'

const difference = z.object({
  action: z.enum(['add', 'change', 'remove']),
  path: z.string(),
  before: z.string().optional(),
  after: z.string().optional()
})

const savedPlan = z.object({
  schemaVersion: z.literal('1.0'),
  registry: z.string(),
  hub: z.string(),
  changes: z.array(
    z.object({
      code: z.string().refine((code): code is ChangeCode => Object.hasOwn(changeCodes, code)),
      action: z.enum(['add', 'change', 'remove']),
      part: z.string(),
      subject: z.string(),
      differences: z.array(difference),
      warning: z.string().optional()
    })
  ),
  parts: z.record(z.string(), z.object({ world: z.string(), wanted: z.string() })),
  unmade: z.array(z.string())
})

/**
 * Keeps a plan for later. It holds no password, but what a site runs is nobody's business: 0600.
 *
 * @throws {GeneratorError} `OUTPUT_UNWRITABLE`
 */
export async function savePlan(path: string, workingFolder: string, plan: Plan): Promise<void> {
  await saveText(path, workingFolder, `${JSON.stringify(plan, undefined, 2)}\n`)
}

/** The same for what a plan looks like, for a pipeline that shows it in another place as well. @throws {GeneratorError} likewise */
export async function saveText(path: string, workingFolder: string, text: string): Promise<void> {
  try {
    await writeDurably(resolve(workingFolder, path), text)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError('OUTPUT_UNWRITABLE', `${path} cannot be written (${code})`, { cause })
  }
}

/** @throws {GeneratorError} `PLAN_UNREADABLE` */
export async function readPlan(path: string, workingFolder: string): Promise<Plan> {
  let text: string
  try {
    text = await readFile(resolve(workingFolder, path), 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError('PLAN_UNREADABLE', `the plan ${path} cannot be read (${code})`, { cause })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new GeneratorError('PLAN_UNREADABLE', `${path} is not JSON; make it with causeway plan --out ${path}`)
  }
  const parsed = savedPlan.safeParse(value)
  if (!parsed.success)
    throw new GeneratorError(
      'PLAN_UNREADABLE',
      `${path} is no plan of this release, at ${parsed.error.issues[0]?.path.join('.') ?? ''}; make it with causeway plan --out ${path}`
    )
  return parsed.data as Plan
}

/**
 * Refuses a saved plan that is no longer what would happen: the world moved on, or the site file, template or passwords did.
 *
 * @param now the same parts as they stand now
 * @throws {GeneratorError} `PLAN_STALE` with what moved, a line each
 */
export function assertCurrent(saved: Plan, now: Plan): void {
  const details: string[] = []
  if (saved.registry !== now.registry || saved.hub !== now.hub)
    details.push(`it was made for ${saved.registry} and ${saved.hub}, not for ${now.registry} and ${now.hub}`)
  for (const [part, state] of Object.entries(now.parts)) {
    const before = saved.parts[part]
    if (before === undefined) details.push(`${part} is not in it`)
    else {
      if (before.world !== state.world) details.push(`${part} was changed by somebody since`)
      if (before.wanted !== state.wanted)
        details.push(`${part}: the site file, template or passwords were changed since`)
    }
  }
  if (details.length === 0) return
  throw new GeneratorError(
    'PLAN_STALE',
    'the plan no longer tells what would happen; make it anew with causeway plan --out, and look at it again',
    { details: details.map((detail) => `PLAN_STALE ${detail}`) }
  )
}
