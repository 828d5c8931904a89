import { z } from 'zod'
import type { ImageState } from '../../module/settings/reported-states.ts'
import { devicesOf, type CommonOptions, type Context } from '../context.ts'
import { exitCodes, GeneratorError, type ExitCode } from '../errors.ts'
import { atOnce } from '../hub/at-once.ts'
import type { Hub, MethodOutcome } from '../hub/hub.ts'
import { formatTable } from '../output/table.ts'
import type { Device } from '../site-file/site.ts'

export interface MethodOptions extends CommonOptions {
  readonly all?: boolean
  readonly output: 'text' | 'json'
  /** Seconds that a device has for its answer. */
  readonly timeout: number
}
export interface PauseOptions extends MethodOptions {
  readonly reason?: string
}
export interface ImagesListOptions extends MethodOptions {
  readonly state?: ImageState
  readonly repository?: string
  readonly imageSet?: string
}

/** What a device said to a call. */
interface Answer {
  readonly device: string
  readonly outcome: 'done' | 'refused' | 'offline' | 'silent' | 'failed'
  /** What it said, or what to do. */
  readonly message: string
}

/** Devices called at the same time. */
const callsAtOnce = 10

/** Has devices sync now. */
export function syncNow(context: Context, devices: readonly string[], options: MethodOptions): Promise<ExitCode> {
  return callAll(context, devices, options, 'syncNow', {})
}

/** Has devices fetch nothing until they are resumed. */
export function pauseSync(context: Context, devices: readonly string[], options: PauseOptions): Promise<ExitCode> {
  return callAll(context, devices, options, 'pause', options.reason === undefined ? {} : { reason: options.reason })
}

/** Has devices fetch again. */
export function resumeSync(context: Context, devices: readonly string[], options: MethodOptions): Promise<ExitCode> {
  return callAll(context, devices, options, 'resume', {})
}

/** @returns 1 where a device did not do it */
async function callAll(
  context: Context,
  names: readonly string[],
  options: MethodOptions,
  method: string,
  payload: object
): Promise<ExitCode> {
  const site = await context.site()
  const devices = chosen(devicesOf(site, names), names, options)
  const hub = await context.hub(site)
  const task = (await context.progress()).begin(`calling ${method}`, devices.length)
  let done = 0
  const answers = await atOnce(devices, callsAtOnce, async ({ id }): Promise<Answer> => {
    const answer = answerOf(id, await call(hub, id, site.moduleName, method, payload, options.timeout))
    task.advance(++done, id)
    return answer
  })
  const good = answers.every(({ outcome }) => outcome === 'done')
  task.end(good ? 'done' : 'failed')
  await context.close()
  if (options.output === 'json')
    context.stdout.write(`${JSON.stringify({ schemaVersion: '1.0', answers }, undefined, 2)}\n`)
  else
    for (const { device, outcome, message } of answers)
      context.stdout.write(`${device}: ${outcome}${message === '' ? '' : `, ${message}`}\n`)
  return good ? exitCodes.ok : exitCodes.error
}

const page = z.object({
  images: z.array(
    z.object({
      image: z.string(),
      state: z.string(),
      digest: z.string().optional(),
      bytesDone: z.number().optional(),
      bytesTotal: z.number().optional(),
      reason: z.string().optional()
    })
  ),
  next: z.string().optional()
})
type Image = z.output<typeof page>['images'][number]

/**
 * Asks devices for all their images, page by page: the twin holds the worst of them only.
 *
 * @returns 1 where a device did not answer
 */
export async function imagesList(
  context: Context,
  names: readonly string[],
  options: ImagesListOptions
): Promise<ExitCode> {
  const site = await context.site()
  const devices = chosen(devicesOf(site, names), names, options)
  const hub = await context.hub(site)
  const { state, repository, imageSet } = options
  const query = {
    ...(state === undefined ? {} : { state }),
    ...(repository === undefined ? {} : { repository }),
    ...(imageSet === undefined ? {} : { imageSet })
  }
  const lists = await atOnce(devices, callsAtOnce, async ({ id }) => {
    const images: Image[] = []
    for (let after: string | undefined; ;) {
      const asked = { ...query, ...(after === undefined ? {} : { after }) }
      const outcome = await call(hub, id, site.moduleName, 'images', asked, options.timeout)
      const answer = answerOf(id, outcome)
      const read = page.safeParse(
        outcome instanceof GeneratorError || outcome.kind !== 'answered' ? {} : outcome.payload
      )
      if (answer.outcome !== 'done' || !read.success) return { device: id, images, answer }
      images.push(...read.data.images)
      // A device that names the same page twice would keep us for ever.
      if (read.data.next === undefined || read.data.next === after) return { device: id, images, answer }
      after = read.data.next
    }
  })
  for (const { answer } of lists)
    if (answer.outcome !== 'done') context.stderr.write(`${answer.device}: ${answer.outcome}, ${answer.message}\n`)
  if (options.output === 'json') {
    const shown = lists.map(({ device, images, answer }) => ({ device, outcome: answer.outcome, images }))
    context.stdout.write(`${JSON.stringify({ schemaVersion: '1.0', devices: shown }, undefined, 2)}\n`)
  } else {
    const rows = lists.flatMap(({ device, images }) =>
      images.map((image) => [device, image.image, image.state, image.digest ?? '-', image.reason ?? '-'])
    )
    context.stdout.write(`${formatTable(['DEVICE', 'IMAGE', 'STATE', 'DIGEST', 'REASON'], rows)}\n`)
  }
  return lists.every(({ answer }) => answer.outcome === 'done') ? exitCodes.ok : exitCodes.error
}

/** @throws {GeneratorError} `USAGE` where nobody said which of several devices */
function chosen(devices: readonly Device[], names: readonly string[], { all }: MethodOptions): readonly Device[] {
  if (names.length > 0 || all === true || devices.length === 1) return devices
  throw new GeneratorError('USAGE', 'say which devices, by name or with * for anything, or --all')
}

async function call(
  hub: Hub,
  device: string,
  module: string,
  method: string,
  payload: object,
  seconds: number
): Promise<MethodOutcome | GeneratorError> {
  try {
    return await hub.invoke(device, module, method, payload, seconds)
  } catch (error) {
    // One device that the hub does not know keeps nobody from the others.
    if (error instanceof GeneratorError && error.code === 'AZURE_NOT_FOUND') return error
    throw error
  }
}

function answerOf(device: string, outcome: MethodOutcome | GeneratorError): Answer {
  if (outcome instanceof GeneratorError)
    return { device, outcome: 'failed', message: 'the hub has no such device or module; deploy to it first' }
  switch (outcome.kind) {
    case 'offline':
      return { device, outcome: 'offline', message: 'it is not connected to the hub; try again when it is' }
    case 'silent':
      return { device, outcome: 'silent', message: 'it gave no answer in time; give it longer with --timeout' }
    case 'answered': {
      const { message } = (outcome.payload ?? {}) as { message?: unknown }
      const said = typeof message === 'string' ? message : ''
      return { device, outcome: outcome.status < 300 ? 'done' : 'refused', message: said }
    }
  }
}
