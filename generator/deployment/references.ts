import { slots, type Secrets, type Slot } from '../secrets/store.ts'
import { GeneratorError } from '../errors.ts'

/** `${secret:crimagepulltoken/password1}` stands for a password, `${hash:…}` for its hash. */
const pattern = /\$\{(secret|hash):([a-zA-Z0-9-]{5,50})\/(password[12])\}/g

/** Anything in braces after a dollar that a text still waits for; `$upstream` and `$IOTEDGE_…` are the device's own. */
const anyPlaceholder = /\$\{[^}]*\}/

export function secretReference(token: string, slot: Slot): string {
  return `\${secret:${token}/${slot}}`
}

export function hashReference(token: string, slot: Slot): string {
  return `\${hash:${token}/${slot}}`
}

/** Applies `change` to every string value below `value`, keys left alone. */
export function mapStrings(
  value: unknown,
  change: (text: string, path: readonly PropertyKey[]) => unknown,
  path: readonly PropertyKey[] = []
): unknown {
  if (typeof value === 'string') return change(value, path)
  if (Array.isArray(value)) return value.map((entry, index) => mapStrings(entry, change, [...path, index]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, mapStrings(entry, change, [...path, key])])
  )
}

/**
 * Puts passwords and hashes where their references stand.
 *
 * @throws {GeneratorError} `SECRET_MISSING` naming every one that is not kept here
 */
export function resolveReferences(document: unknown, secrets: Secrets): unknown {
  const missing = new Set<string>()
  const resolved = mapStrings(document, (text) =>
    text.replace(pattern, (reference, kind: string, token: string, slot: string) => {
      const record = slots.filter((known) => known === slot).map((known) => secrets.slot(token, known))[0]
      if (record?.state === 'stored') return kind === 'secret' ? record.value : record.hash
      missing.add(`${token}/${slot}`)
      return reference
    })
  )
  if (missing.size === 0) return resolved
  throw new GeneratorError(
    'SECRET_MISSING',
    `no password is kept here for ${[...missing].sort().join(', ')}; run causeway provision, or name its file with --secrets`
  )
}

/** The first place that still waits for a value, or undefined where the document is complete. */
export function findPlaceholder(
  document: unknown
): { readonly path: readonly PropertyKey[]; readonly placeholder: string } | undefined {
  let found: { readonly path: readonly PropertyKey[]; readonly placeholder: string } | undefined
  mapStrings(document, (text, path) => {
    const placeholder = anyPlaceholder.exec(text)?.[0]
    if (placeholder !== undefined) found ??= { path, placeholder }
    return text
  })
  return found
}
