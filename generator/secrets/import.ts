import { z } from 'zod'
import { GeneratorError } from '../errors.ts'
import { findPlaceholder, JsonSyntaxError, Lines, parseJson, valueOf, type JsonNode } from '../validate/json.ts'
import { parseDocument } from './document.ts'
import { refuseWhilePending } from './refuse-while-pending.ts'
import { slots, type NewPassword, type SecretStore, type Slot } from './store.ts'

/** What was imported of one slot. */
export interface ImportedPassword {
  readonly token: string
  readonly slot: Slot
  readonly outcome: 'created' | 'updated' | 'unchanged'
}

/** One password that somebody else had Azure make. */
interface FoundPassword {
  readonly token: string
  readonly slot: Slot
  readonly password: NewPassword
  /** Where it was hashed already, by an earlier release. */
  readonly hash?: string
}

const time = z.iso.datetime({ offset: true })
const credentials = z.object({
  username: z.string().regex(/^[a-zA-Z0-9-]{5,50}$/),
  passwords: z
    .array(
      z.object({
        name: z.enum(slots),
        value: z.string().min(1),
        creationTime: time.nullish(),
        expiry: time.nullish()
      })
    )
    .min(1)
})
/** What `az acr token create` prints has the registry in its id, and the credentials one level down. */
const created = z.object({ id: z.string().optional(), credentials })

/**
 * Reads what `az acr token create` or `az acr token credential generate` printed (one such document, or an array of them), or
 * a plain secrets file of an earlier release.
 *
 * @param place what errors call it
 * @param registry login server whose passwords are wanted
 * @throws {GeneratorError} `IMPORT_INVALID` with line and column, and nothing of what stands there
 */
export function readImport(bytes: Buffer, place: string, registry: string): readonly FoundPassword[] {
  const text = decode(bytes)
  const value = valueOf(parse(text, place))
  if (isRecord(value) && 'registries' in value) return fromSecretsFile(text, place, registry)
  const documents: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (documents.length === 0) throw invalid(`${place}:1:1: it holds no passwords`)
  return documents.flatMap((document, index) =>
    fromAz(document, documents.length > 1 ? `[${index}]` : '', place, registry)
  )
}

function parse(text: string, place: string): JsonNode {
  const refuse = (at: number, why: string): GeneratorError => {
    const { line, column } = new Lines(text).placeOf(at)
    return invalid(`${place}:${line}:${column}: ${why}; it is not what az printed, or not all of it`)
  }
  try {
    const node = parseJson(text)
    const placeholder = findPlaceholder(node)
    if (placeholder === undefined) return node
    throw refuse(placeholder.at, 'expected a value')
  } catch (error) {
    throw error instanceof JsonSyntaxError ? refuse(error.at, error.message) : error
  }
}

function fromAz(document: unknown, at: string, place: string, registry: string): FoundPassword[] {
  const nested = isRecord(document) && isRecord(document['credentials'])
  const whole = nested ? created.safeParse(document) : credentials.safeParse(document)
  if (!whole.success) {
    const [issue] = whole.error.issues
    const path = [at, ...(issue?.path ?? [])].filter((part) => part !== '').join('.')
    const shown = path.endsWith('value') ? '. Azure shows a password only when it is made' : ''
    throw invalid(
      `${place}: at ${path === '' ? 'its top' : path} it is not what az acr token create or credential generate prints${shown}`
    )
  }
  const { data } = whole
  const found = 'credentials' in data ? data.credentials : data
  const [, owner] = ('id' in data ? /\/registries\/([^/]+)\//i.exec(data.id ?? '') : undefined) ?? []
  const [wanted = ''] = registry.split('.', 1)
  if (owner !== undefined && owner.toLowerCase() !== wanted.toLowerCase())
    throw invalid(`${place}: its token is one of registry ${owner}, and the site file names ${wanted}`)
  return found.passwords.map(({ name, value, creationTime, expiry }) => ({
    token: found.username,
    slot: name,
    password: {
      value,
      creationTime: new Date(creationTime ?? Date.now()).toISOString(),
      ...(expiry === null || expiry === undefined ? {} : { expiry: new Date(expiry).toISOString() })
    }
  }))
}

function fromSecretsFile(text: string, place: string, registry: string): FoundPassword[] {
  const tokens = Object.entries(parseDocument(text, place).registries[registry]?.tokens ?? {})
  const found = tokens.flatMap(([token, record]) =>
    slots.flatMap((slot): FoundPassword[] => {
      const kept = record[slot]
      if (kept?.state !== 'stored') return []
      const { value, creationTime, expiry, hash } = kept
      const password = expiry === undefined ? { value, creationTime } : { value, creationTime, expiry }
      return [{ token, slot, password, hash }]
    })
  )
  if (found.length > 0) return found
  throw invalid(`${place}: it holds no passwords of ${registry}`)
}

/**
 * Keeps what was read. One that is kept already stays as it is, with its hash; nothing newer is written over by something older.
 *
 * @throws {GeneratorError} `PASSWORD_SUPERSEDED` or `ROTATION_PENDING`, before anything is changed
 */
export async function importPasswords(
  store: SecretStore,
  found: readonly FoundPassword[]
): Promise<readonly ImportedPassword[]> {
  for (const { token, slot, password } of found) {
    const kept = store.slot(token, slot)
    if (kept?.state !== 'stored' || kept.value !== password.value) refuseWhilePending(store, token)
    if (kept?.state !== 'stored' || kept.value === password.value || kept.creationTime <= password.creationTime)
      continue
    throw new GeneratorError(
      'PASSWORD_SUPERSEDED',
      `${token}/${slot} in ${store.place} was made at ${kept.creationTime}, after the one to import (${password.creationTime}). Nothing was changed; import what az printed last`
    )
  }
  const imported: ImportedPassword[] = []
  for (const { token, slot, password, hash } of found) {
    const kept = store.slot(token, slot)
    const same = kept?.state === 'stored' && kept.value === password.value
    if (!same) await store.keep(token, slot, password, hash)
    imported.push({ token, slot, outcome: same ? 'unchanged' : kept === undefined ? 'created' : 'updated' })
  }
  return imported
}

/** PowerShell's `>` writes UTF-16 with a byte order mark. */
function decode(bytes: Buffer): string {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe
  return bytes.toString(utf16 ? 'utf16le' : 'utf8').replace(/^\uFEFF/, '')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): GeneratorError {
  return new GeneratorError('IMPORT_INVALID', message)
}
