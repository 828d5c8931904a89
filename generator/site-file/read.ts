import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { parsePositioned, type Finding, type PositionedDocument } from './positions.ts'
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
    text = await readFile(resolve(workingFolder, path), 'utf8')
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
  const parsed = siteSchema.safeParse(document.value ?? {})
  if (!parsed.success)
    throw invalid(
      name,
      parsed.error.issues.flatMap((issue) => describe(issue, document))
    )
  const resolved = resolveSite(parsed.data)
  if (resolved.ok) return resolved.site
  throw invalid(
    name,
    resolved.problems.map(({ path, message }) => ({
      position: document.positionOf(path),
      message: `${dotted(path)}: ${message}`
    }))
  )
}

function describe(issue: z.core.$ZodIssue, document: PositionedDocument): Finding[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(siteSchema, issue.path)
    return issue.keys.map((key) => ({
      position: document.positionOf([...issue.path, key], true),
      message: `${dotted([...issue.path, key])}: unknown${suggest(key, known) || `; known are ${known.join(', ')}`}`
    }))
  }
  const key = issue.code === 'invalid_key'
  const reason = key ? (issue.issues[0]?.message ?? issue.message) : issue.message
  return [{ position: document.positionOf(issue.path, key), message: `${dotted(issue.path)}: ${reason}` }]
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
