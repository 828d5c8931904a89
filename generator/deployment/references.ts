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

/** Whether a text asks for a password or a hash of ours. */
export function hasReference(text: string): boolean {
  return /\$\{(?:secret|hash):/.test(text)
}

/**
 * Applies `change` to every string value below `value`, keys left alone. What nothing changes in stays the same object, and
 * is not copied.
 *
 * @param change is lent the path: it changes while the walk goes on
 * @param known what an object becomes, where that is known already
 */
export function mapStrings(
  value: unknown,
  change: (text: string, path: readonly PropertyKey[]) => unknown,
  known: (value: object) => unknown = () => undefined
): unknown {
  const path: PropertyKey[] = []
  const at = (key: PropertyKey, below: unknown): unknown => {
    path.push(key)
    const mapped = map(below)
    path.pop()
    return mapped
  }
  const map = (each: unknown): unknown => {
    if (typeof each === 'string') return change(each, path)
    if (typeof each !== 'object' || each === null) return each
    const found = known(each)
    if (found !== undefined) return found
    if (Array.isArray(each)) {
      const items = each.map((item, index) => at(index, item))
      return items.every((item, index) => item === each[index]) ? each : items
    }
    let copy: Record<string, unknown> | undefined
    for (const [key, below] of Object.entries(each)) {
      const mapped = at(key, below)
      if (mapped === below) continue
      // What stands before a key keeps its place.
      copy ??= { ...each }
      copy[key] = mapped
    }
    return copy ?? each
  }
  return map(value)
}

/**
 * Puts passwords and hashes where their references stand.
 *
 * @param known what an object becomes, where that is known already
 * @throws {GeneratorError} `SECRET_MISSING` naming every one that is not kept here
 */
export function resolveReferences(
  document: unknown,
  secrets: Secrets,
  known: (value: object) => unknown = () => undefined
): unknown {
  const missing = new Set<string>()
  const resolve = (text: string): string =>
    text.replace(pattern, (reference, kind: string, token: string, slot: string) => {
      const record = slots.filter((known) => known === slot).map((known) => secrets.slot(token, known))[0]
      if (record?.state === 'stored') return kind === 'secret' ? record.value : record.hash
      missing.add(`${token}/${slot}`)
      return reference
    })
  const resolved = mapStrings(document, (text) => (text.includes('${') ? resolve(text) : text), known)
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
    if (placeholder !== undefined) found ??= { path: [...path], placeholder }
    return text
  })
  return found
}
