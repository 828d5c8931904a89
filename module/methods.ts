import { z } from 'zod'
import { logLevels } from './log/levels.ts'
import type { LogRing } from './log/ring.ts'
import type { PauseKeeper } from './pause-keeper.ts'
import { usualProxy, type ProxyAddress, type ProxyProbe } from './proxy-probe.ts'
import { imageStates } from './settings/reported-states.ts'
import { upwardStates, type ImageNews, type UpwardEntry } from './status/events.ts'
import type { Status } from './status/status.ts'
import { MethodRefusal, type MethodAnswer, type MethodHandler } from './twin/method.ts'

/** Work that may take hours; each begins it and says whether it could. */
export interface Cleaner {
  /** @returns false where one is under way */
  collectGarbage(): boolean
  /** @returns false where one is under way */
  scrub(): boolean
}

/** What is there as soon as there is a twin. */
export interface DiagnosisParts {
  /** Looks at what this module needs of its device and its network. */
  readonly examine: () => Promise<readonly object[]>
  readonly recent: Pick<LogRing, 'tail'>
}

export interface MethodParts extends DiagnosisParts {
  readonly status: Pick<Status, 'images'>
  readonly pause: Pick<PauseKeeper, 'current' | 'pause' | 'resume'>
  readonly cleaner: Cleaner
  /** Asks for `/v2/` through the API proxy: at this address, unless the environment names another. */
  readonly probeProxy: (usual: ProxyAddress) => Promise<ProxyProbe>
  /** What waits for the parent, in order, and then what did not go up as it was meant to, the newest first. */
  readonly upward: () => readonly UpwardEntry[]
  /** Begins a pass. @returns false where there are no settings to sync by */
  readonly syncNow: () => boolean
}

/** IoT Hub takes 128 KB of answer; the rest of it is for what stands around the list. */
const mostListBytes = 120 * 1024
const mostImages = 1000
const mostLines = 2000

const nothing = z.strictObject({})
const imagesQuery = z.strictObject({
  state: z.enum(imageStates).optional(),
  repository: z.string().min(1).max(255).optional(),
  imageSet: z.string().min(1).max(50).optional(),
  limit: z.int().min(1).max(mostImages).default(200),
  after: z.string().max(1000).optional()
})
const upwardQuery = z.strictObject({
  state: z.enum(upwardStates).optional(),
  limit: z.int().min(1).max(mostImages).default(200),
  skip: z.int().min(0).default(0)
})
const pauseRequest = z.strictObject({ reason: z.string().min(1).max(300).optional() })
/** A module's name and nothing else: whoever may call methods is not to look around the device's networks with this. */
const proxyQuery = z.strictObject({
  proxy: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,128}$/, { error: 'must be the name of a module' })
    .default(usualProxy.host),
  port: z.int().min(1).max(65535).default(usualProxy.port)
})
const logsQuery = z.strictObject({
  lines: z.int().min(1).max(mostLines).default(200),
  level: z.enum(logLevels).exclude(['None']).default('Debug')
})

/** The module's direct methods by name: each looks at its payload before it does anything, and says what is wrong with it. */
export function createMethods(parts: MethodParts): ReadonlyMap<string, MethodHandler> {
  const { status, pause, cleaner } = parts
  return new Map<string, MethodHandler>([
    [
      'syncNow',
      method(nothing, () => {
        const { current } = pause
        if (current !== undefined)
          throw new MethodRefusal('SYNC_PAUSED', `sync is paused since ${current.since}; call resume first`, 409)
        if (!parts.syncNow())
          throw new MethodRefusal('SETTINGS_MISSING', 'there are no settings to sync by; configure this module', 409)
        return { status: 202, payload: { message: 'a sync has been asked for' } }
      })
    ],
    ['images', method(imagesQuery, (query) => ({ status: 200, payload: pageOf(status.images(query), query) }))],
    [
      'upward',
      method(upwardQuery, ({ state, limit, skip }) => {
        const entries = parts.upward().filter((entry) => state === undefined || entry.state === state)
        const page = fitting(entries.slice(skip, skip + limit))
        return { status: 200, payload: { entries: page, total: entries.length } }
      })
    ],
    [
      'pause',
      method(pauseRequest, async ({ reason }) => ({ status: 200, payload: { paused: await pause.pause(reason) } }))
    ],
    ['resume', method(nothing, async () => ({ status: 200, payload: { wasPaused: await pause.resume() } }))],
    ['collectGarbage', method(nothing, () => started(cleaner.collectGarbage(), 'garbage collection'))],
    ['scrub', method(nothing, () => started(cleaner.scrub(), 'a scrub'))],
    [
      'probeProxy',
      method(proxyQuery, async ({ proxy, port }) => ({
        status: 200,
        payload: await parts.probeProxy({ host: proxy, port })
      }))
    ],
    ...createDiagnosisMethods(parts)
  ])
}

/** Those of them that say what is wrong, which a module that cannot work yet has too. */
export function createDiagnosisMethods({ examine, recent }: DiagnosisParts): ReadonlyMap<string, MethodHandler> {
  return new Map<string, MethodHandler>([
    ['doctor', method(nothing, async () => ({ status: 200, payload: { findings: await examine() } }))],
    ['logs', method(logsQuery, ({ lines, level }) => ({ status: 200, payload: newest(recent.tail(lines, level)) }))]
  ])
}

function method<Schema extends z.ZodType>(
  schema: Schema,
  work: (given: z.output<Schema>) => MethodAnswer | Promise<MethodAnswer>
): MethodHandler {
  return (payload) => {
    // No payload comes as null, and from some tools as an empty text.
    const read = schema.safeParse(payload === null || payload === '' ? {} : payload)
    if (!read.success) throw new MethodRefusal('PAYLOAD_INVALID', explain(read.error))
    return work(read.data)
  }
}

function explain(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ')
}

function started(begun: boolean, what: string): MethodAnswer {
  if (!begun)
    throw new MethodRefusal('ALREADY_RUNNING', `${what} is under way already; the log tells when it ends`, 409)
  return { status: 202, payload: { message: `${what} has begun; the log tells what it did` } }
}

interface ImagesPage {
  readonly images: readonly ImageNews[]
  /** Of all that answer to the query. */
  readonly total: number
  /** Give it as `after` for the next page; absent on the last one. */
  readonly next?: string
}

/** A page by name, and so one that stays right while images come and go between two calls. */
function pageOf(images: readonly ImageNews[], { after, limit }: z.output<typeof imagesQuery>): ImagesPage {
  const from = after === undefined ? 0 : images.findIndex(({ image }) => image > after)
  const page = fitting(from < 0 ? [] : images.slice(from, from + limit))
  const last = page.at(-1)
  const hasMore = last !== undefined && images.at(-1)?.image !== last.image
  return { images: page, total: images.length, ...(hasMore ? { next: last.image } : {}) }
}

/** The first ones, as many as an answer has room for. */
function fitting<Entry>(entries: readonly Entry[]): Entry[] {
  let room = mostListBytes
  const first = entries.findIndex((entry) => (room -= Buffer.byteLength(JSON.stringify(entry)) + 1) < 0)
  return first < 0 ? [...entries] : entries.slice(0, first)
}

/** The newest lines that fit, oldest first. */
function newest(lines: readonly string[]): { readonly lines: readonly string[]; readonly omitted: number } {
  let room = mostListBytes
  let from = lines.length
  for (; from > 0; from -= 1) {
    room -= Buffer.byteLength(JSON.stringify(lines[from - 1])) + 1
    if (room < 0) break
  }
  return { lines: lines.slice(from), omitted: from }
}
