import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { decodeText } from '../validate/encoding.ts'
import { expandDevices, type Expanded } from './expand.ts'
import { parsePositioned, type Finding } from './positions.ts'
import type { SiteProblem } from './problem.ts'
import { resolveSite } from './resolve.ts'
import { siteSchema } from './schema.ts'
import { knownKeys, suggest } from './suggest.ts'
import type { z } from 'zod'
import type { Site } from './site.ts'

/**
 * Reads a site file.
 *
 * @param path as the person gave it; errors repeat it, so that an editor can jump there
 * @throws {GeneratorError} `SITE_UNREADABLE`, or `SITE_INVALID` with every finding as `path:line:column: …`
 */
export async function readSite(path: string, workingFolder: string): Promise<Site> {
  let text: string
  try {
    text = decodeText(await readFile(resolve(workingFolder, path))).text
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError(
      'SITE_UNREADABLE',
      `the site file ${path} cannot be read (${code}); name it with --site, or in CAUSEWAY_SITE`,
      { cause }
    )
  }
  return parseSite(text, path)
}

/** As {@link readSite}, from text. @param name what findings call the file */
export function parseSite(text: string, name: string): Site {
  const document = parsePositioned(text)
  if (document.errors.length > 0) throw invalid(name, document.errors)
  const expanded = expandDevices(document)
  const problems = (found: readonly SiteProblem[]): GeneratorError =>
    invalid(
      name,
      told(
        found.map(({ path, message }) => ({ path, message, key: false })),
        expanded
      )
    )
  if (expanded.problems.length > 0) throw problems(expanded.problems)
  const parsed = siteSchema.safeParse(expanded.value ?? {})
  if (!parsed.success) throw invalid(name, told(parsed.error.issues.flatMap(describe), expanded))
  const resolved = resolveSite(parsed.data)
  if (resolved.ok) return resolved.site
  throw problems(resolved.problems)
}

interface Told extends SiteProblem {
  /** Whether it is about the key and not its value. */
  readonly key: boolean
}

/** With places in the file; what is wrong with many devices of one pattern is told once. */
function told(found: readonly Told[], { positionOf, writtenAs }: Expanded): Finding[] {
  const places = Map.groupBy(found, ({ path, key }) => `${dotted(writtenAs(path))}\0${String(key)}`)
  return [...places.values()].flatMap((same) => {
    const devices = new Set(same.map(({ path }) => path[1]))
    const [first] = same
    const shown = devices.size === 1 || first === undefined ? same : [first]
    const more = devices.size === 1 ? '' : ` (of ${String(first?.path[1])}, and ${devices.size - 1} more)`
    return shown.map(({ path, message, key }) => ({
      position: positionOf(path, key),
      message: `${dotted(writtenAs(path))}: ${message}${more}`
    }))
  })
}

function describe(issue: z.core.$ZodIssue): Told[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(siteSchema, issue.path)
    return issue.keys.map((name) => ({
      path: [...issue.path, name],
      key: true,
      message: `unknown${suggest(name, known) || `; known are ${known.join(', ')}`}`
    }))
  }
  const key = issue.code === 'invalid_key'
  return [{ path: issue.path, key, message: key ? (issue.issues[0]?.message ?? issue.message) : issue.message }]
}

function invalid(name: string, findings: readonly Finding[]): GeneratorError {
  const sorted = [...findings].sort(
    (a, b) => a.position.line - b.position.line || a.position.column - b.position.column
  )
  return new GeneratorError(
    'SITE_INVALID',
    `${name} has ${findings.length} mistake${findings.length === 1 ? '' : 's'}`,
    {
      details: sorted.map(
        ({ position, message }) => `${name}:${position.line}:${position.column}: SITE_INVALID ${message}`
      )
    }
  )
}

function dotted(path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'the file' : path.map(String).join('.')
}
