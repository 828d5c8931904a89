import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../deployment/template.ts'
import type { Fingerprints } from './fingerprints.ts'

/** One place where two documents differ, as it may be shown. */
export interface Difference {
  readonly action: 'add' | 'change' | 'remove'
  /** Keys from the top, joined by dots. */
  readonly path: string
  readonly before?: string
  readonly after?: string
}

/** A value that is longer is cut: a plan is for reading. */
const longestShown = 200

/**
 * Where `after` differs from `before`, sorted by path. Lists are compared as wholes, since a twin has no other way to change
 * them; a key that is new or gone is one difference, with all that stands below it.
 *
 * @param fingerprints decides what is shown of secrets
 */
export function differences(
  before: unknown,
  after: unknown,
  fingerprints: Pick<Fingerprints, 'shown'>,
  path: readonly string[] = []
): Difference[] {
  if (isDeepStrictEqual(before, after)) return []
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
    return keys.flatMap((key) => differences(before[key], after[key], fingerprints, [...path, key]))
  }
  const show = (value: unknown): string => cut(written(fingerprints.shown(value, path)))
  return [
    {
      action: before === undefined ? 'add' : after === undefined ? 'remove' : 'change',
      path: path.join('.'),
      ...(before === undefined ? {} : { before: show(before) }),
      ...(after === undefined ? {} : { after: show(after) })
    }
  ]
}

function written(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(sortedKeys(value))
}

/** The same value with its keys in order: the same document gives the same text. */
export function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => [key, sortedKeys(entry)])
  )
}

function cut(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown - 1)}…` : text
}
