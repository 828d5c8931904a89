import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import { rules } from '../validate/rules.ts'
import type { Candidate, ValueName, Values } from './complete.ts'

/**
 * Names out of the site file. It is read as far as it can be, without its schema: somebody waits at a prompt, and the file may be
 * one that is being written.
 */
export function siteValues(workingFolder: string, env: Readonly<Record<string, string | undefined>>): Values {
  return {
    async of(name, words) {
      if (name === 'codes') return Object.entries(rules).map(([value, { title }]) => ({ value, description: title }))
      const path = siteIn(words) ?? env['CAUSEWAY_SITE'] ?? 'site.yaml'
      const text = await readFile(resolve(workingFolder, path), 'utf8').catch(() => '')
      return namesIn(readable(text), name).map((value): Candidate => ({ value }))
    }
  }
}

/** Where the command line names one. */
function siteIn(words: readonly string[]): string | undefined {
  const at = words.lastIndexOf('--site')
  const joined = words.findLast((word) => word.startsWith('--site='))
  return at >= 0 ? words[at + 1] : joined?.slice('--site='.length)
}

function readable(text: string): Record<string, unknown> {
  try {
    return record(parse(text, { logLevel: 'silent' }))
  } catch {
    return {}
  }
}

function namesIn(site: Record<string, unknown>, name: Exclude<ValueName, 'codes'>): readonly string[] {
  const keys = (section: string): string[] => Object.keys(record(site[section]))
  switch (name) {
    case 'devices':
      return [...keys('devices'), ...keys('relays')]
    case 'image sets':
      return keys('imageSets')
    case 'deployments':
      return keys('deployments')
    case 'tokens':
      return [...keys('tokens'), ...syncTokens(site)]
    case 'slots':
      return namesIn(site, 'tokens').flatMap((token) => [`${token}/password1`, `${token}/password2`])
    case 'repositories':
      return [
        ...new Set(
          Object.values(record(site['imageSets']))
            .flatMap((set) => list(record(set)['repositories']))
            .flatMap((entry) => repositoryOf(entry) ?? [])
        )
      ]
  }
}

function syncTokens(site: Record<string, unknown>): string[] {
  return Object.values(record(site['devices'])).flatMap((device) => {
    const { name, syncToken } = record(record(device)['connectedRegistry'])
    if (typeof syncToken === 'string') return [syncToken]
    return typeof name === 'string' ? [`${name}-sync-token`] : []
  })
}

function repositoryOf(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry.split(':', 1)[0]
  const { repository } = record(entry)
  return typeof repository === 'string' ? repository : undefined
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}
