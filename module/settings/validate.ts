import type { z } from 'zod'
import { settingsSchema, type Settings } from './document.ts'

/** One thing wrong with a document: where (`tokens.reader.scopeMap`) and why. Reported to the twin as it stands. */
export interface SettingsProblem {
  readonly path: string
  readonly reason: string
}

export type SettingsReading =
  | { readonly ok: true; readonly settings: Settings; readonly warnings: readonly SettingsProblem[] }
  | { readonly ok: false; readonly errors: readonly SettingsProblem[] }

/**
 * Validates a whole settings document. Keys that this release does not know are left out and warned about, so that a newer
 * generator does not stop an older device; everything else that is wrong is an error, and nothing of the document applies.
 *
 * @param document desired properties without `$version` and `$metadata`, or the parsed settings file
 */
export function readSettings(document: unknown): SettingsReading {
  const first = settingsSchema.safeParse(document)
  if (first.success) return { ok: true, settings: first.data, warnings: [] }
  const known = structuredClone(document)
  const warnings = first.error.issues.flatMap((issue) => dropUnknownKeys(known, issue))
  if (warnings.length === 0) return { ok: false, errors: problems(first.error) }
  const second = settingsSchema.safeParse(known)
  return second.success ? { ok: true, settings: second.data, warnings } : { ok: false, errors: problems(second.error) }
}

/** Whether desired properties hold settings at all: a fresh twin, and one that only other tools wrote to, do not. */
export function hasSettings(document: Readonly<Record<string, unknown>>): boolean {
  return document['schemaVersion'] !== undefined || Object.hasOwn(document, 'imageSets')
}

function problems(error: z.ZodError): SettingsProblem[] {
  return error.issues.flatMap(innermost).map((issue) => ({ path: dotted(issue.path), reason: reasonOf(issue) }))
}

/** Of a value that may have one of several forms, what is wrong with the form that it has, where one of them fits its kind. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const form = issue.errors.find(
    (below) => !below.some(({ code, path }) => code === 'invalid_type' && path.length === 0)
  )
  return form === undefined ? [issue] : form.flatMap((below) => innermost(within(issue, below)))
}

/** Of an issue with a value in its message only the kind is told: passwords must not reach the twin or the log. */
function reasonOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? 'must match ^[a-z0-9][a-z0-9_-]{0,49}$' : issue.message
}

function dropUnknownKeys(document: unknown, issue: z.core.$ZodIssue): SettingsProblem[] {
  // What may have one of several forms tells of unknown keys for each form, with paths that begin where it stands.
  if (issue.code === 'invalid_union')
    return issue.errors
      .filter((form) => form.every(({ code }) => code === 'unrecognized_keys'))
      .flatMap((form) => form.flatMap((below) => dropUnknownKeys(document, within(issue, below))))
  if (issue.code !== 'unrecognized_keys') return []
  let place = document
  for (const key of issue.path) place = (place as Record<PropertyKey, unknown>)[key]
  return issue.keys.map((key) => {
    Reflect.deleteProperty(place as object, key)
    return { path: dotted([...issue.path, key]), reason: 'unknown to this release, ignored' }
  })
}

function within(issue: z.core.$ZodIssue, below: z.core.$ZodIssue): z.core.$ZodIssue {
  return { ...below, path: [...issue.path, ...below.path] }
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}
