import { isDeepStrictEqual } from 'node:util'

type Document = Readonly<Record<string, unknown>>

/**
 * The RFC 7396 patch that turns one document into another: null for what goes, nothing for what stays, arrays whole.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7396
 */
export function mergePatch(current: Document, wanted: Document): Record<string, unknown> {
  const patch: Record<string, unknown> = {}
  for (const key of Object.keys(current)) if (!Object.hasOwn(wanted, key)) patch[key] = null
  for (const [key, value] of Object.entries(wanted)) {
    const before = Object.hasOwn(current, key) ? current[key] : undefined
    if (isDeepStrictEqual(before, value)) continue
    patch[key] = isDocument(before) && isDocument(value) ? mergePatch(before, value) : value
  }
  return patch
}

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
