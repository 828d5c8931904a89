import { createHash } from 'node:crypto'
import type { Properties } from '../twins.ts'
import { HubError } from './errors.ts'
import type { IdentityRegistry, Identity } from './identities.ts'
import { lookUp, parseQuery, QuerySyntaxError, type TwinQuery } from './query-language.ts'
import type { TwinView } from './twin-json.ts'

export interface QueryPage {
  readonly items: readonly Properties[]
  /** `twin` for whole twins, `raw` for chosen properties: the header `x-ms-item-type`. */
  readonly type: 'twin' | 'raw'
  /** What to send for the next page; absent after the last. */
  readonly continuation?: string
}

const pageSize = { default: 100, most: 1000 }

/**
 * Answers one page of a twin query, in the order of device and module ids.
 *
 * @param text the query
 * @param request its headers: `maxItemCount` as it came, `continuation` from the page before
 * @throws HubError ArgumentInvalid for a query, page size or continuation the hub does not understand
 */
export function runQuery(
  text: string,
  request: { readonly maxItemCount: string | undefined; readonly continuation: string | undefined },
  registry: IdentityRegistry,
  view: TwinView
): QueryPage {
  const query = readQuery(text)
  const size = readPageSize(request.maxItemCount)
  const after = readContinuation(text, request.continuation)
  const found: { readonly key: string; readonly twin: Properties }[] = []
  const maybe = prefilter(text, query)
  for (const { key, identity, device } of candidates(query, registry)) {
    if ((after !== undefined && key <= after) || !maybe(identity)) continue
    const twin = view.twin(identity, device)
    if (query.condition(twin) === true) found.push({ key, twin })
    // One more than the page shows whether there is another.
    if (found.length > size) break
  }
  const page = found.slice(0, size)
  const last = page.at(-1)
  return {
    items: page.map(({ twin }) => project(twin, query)),
    type: query.select === undefined ? 'twin' : 'raw',
    ...(found.length > size && last !== undefined ? { continuation: writeContinuation(text, last.key) } : {})
  }
}

/** How many a query finds; undefined for one that is none. */
export function countMatches(text: string, registry: IdentityRegistry, view: TwinView): number | undefined {
  let query: TwinQuery
  try {
    query = parseQuery(text)
  } catch (error) {
    if (error instanceof QuerySyntaxError) return undefined
    throw error
  }
  const maybe = prefilter(text, query)
  return candidates(query, registry).filter(
    ({ identity, device }) => maybe(identity) && query.condition(view.twin(identity, device)) === true
  ).length
}

/** What the ids alone rule out needs no twin: of a comparison that is false by them, the rest of a twin changes nothing. */
function prefilter(text: string, { condition }: TwinQuery): (identity: Identity) => boolean {
  if (/is_defined/i.test(text)) return () => true
  return ({ deviceId, moduleId }) => condition({ deviceId, ...(moduleId === undefined ? {} : { moduleId }) }) !== false
}

function candidates(
  query: TwinQuery,
  registry: IdentityRegistry
): { readonly key: string; readonly identity: Identity; readonly device: Identity }[] {
  const all = registry.devices().flatMap((device) => {
    const identities = query.source === 'devices' ? [device] : registry.modules(device.deviceId)
    return identities.map((identity) => ({
      // NUL sorts before every character of an id, so that a device's modules stay together.
      key: `${identity.deviceId}\0${identity.moduleId ?? ''}`,
      identity,
      device
    }))
  })
  return all.sort((one, other) => (one.key < other.key ? -1 : 1))
}

function project(twin: Properties, query: TwinQuery): Properties {
  if (query.select === undefined) return twin
  return Object.fromEntries(
    query.select.flatMap((path) => {
      const value = lookUp(twin, path)
      return value === undefined ? [] : [[path.at(-1) ?? '', value]]
    })
  )
}

function readQuery(text: string): TwinQuery {
  try {
    return parseQuery(text)
  } catch (error) {
    if (error instanceof QuerySyntaxError)
      throw new HubError('ArgumentInvalid', `BadRequest: query is not valid: ${error.message}`)
    throw error
  }
}

function readPageSize(header: string | undefined): number {
  if (header === undefined) return pageSize.default
  const size = Number(header)
  if (!Number.isInteger(size) || size < 1)
    throw new HubError('ArgumentInvalid', `x-ms-max-item-count must be a positive integer, not ${header}`)
  return Math.min(size, pageSize.most)
}

/** A continuation belongs to its query; for another one the hub refuses it. */
function writeContinuation(text: string, after: string): string {
  return Buffer.from(JSON.stringify([digest(text), after])).toString('base64')
}

function readContinuation(text: string, continuation: string | undefined): string | undefined {
  if (continuation === undefined) return undefined
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(continuation, 'base64').toString())
  } catch {
    parts = undefined
  }
  if (!Array.isArray(parts) || parts[0] !== digest(text) || typeof parts[1] !== 'string')
    throw new HubError('ArgumentInvalid', 'x-ms-continuation does not belong to this query')
  return parts[1]
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 12)
}
