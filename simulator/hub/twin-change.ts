import { isObject, merge, type Properties, type TwinStore } from '../twins.ts'
import { HubError } from './errors.ts'
import { checkSize, checkValues, fits } from './twin-rules.ts'

/**
 * `PATCH /twins/…`: merges tags and desired properties; everything else in the body is the hub's and left alone. Checked as
 * a whole before anything changes.
 *
 * @throws HubError
 */
export function updateTwin(key: string, body: Properties, twins: TwinStore): void {
  const { tags, desired } = readSections(body)
  const before = twins.get(key)
  if (tags !== undefined) checkSize('tags', merge(before?.tags ?? {}, tags))
  if (desired !== undefined) checkSize('desired', merge(before?.desired.properties ?? {}, desired))
  if (tags !== undefined) twins.patchTags(key, tags)
  if (desired !== undefined) twins.patchDesired(key, desired)
}

/** `PUT /twins/…`: tags and desired properties become what the body says, and empty where it says nothing. */
export function replaceTwin(key: string, body: Properties, twins: TwinStore): void {
  const { tags = {}, desired = {} } = readSections(body)
  // A null deletes, so in a whole section it says nothing.
  const sections = { tags: merge({}, tags), desired: merge({}, desired) }
  checkSize('tags', sections.tags)
  checkSize('desired', sections.desired)
  twins.replaceTags(key, sections.tags)
  twins.replaceDesired(key, sections.desired)
}

/**
 * What a device's edgeHub or edgeAgent reports. Where the whole would be too large, the hub drops the patch, and whoever
 * reported hears nothing of it: edgeHub has answered already (azure-sdk.md §7).
 *
 * @returns the version of the reported half, as it is then
 */
export function reportProperties(key: string, patch: Properties, twins: TwinStore): number {
  const before = twins.get(key)?.reported
  if (before !== undefined && !fits('reported', merge(before.properties, patch))) return before.version
  return twins.patchReported(key, patch)
}

function readSections(body: Properties): { tags: Properties | undefined; desired: Properties | undefined } {
  const properties = section(body.properties, 'properties')
  const tags = section(body.tags, 'tags')
  const written = section(properties?.desired, 'properties.desired')
  // Callers send a twin back as they got it, with what the hub adds in it.
  const desired =
    written &&
    Object.fromEntries(Object.entries(written).filter(([name]) => name !== '$metadata' && name !== '$version'))
  checkValues(tags ?? {}, 'tags')
  checkValues(desired ?? {}, 'properties.desired')
  return { tags, desired }
}

function section(value: unknown, path: string): Properties | undefined {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw new HubError('ArgumentInvalid', `${path} must be an object`)
  return value
}
