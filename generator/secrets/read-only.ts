import { createHash } from 'node:crypto'
import { z } from 'zod'
import { hashPassword } from '../../module/settings/password-hash.ts'
import { parseDocument, unusable } from './document.ts'
import { slots, type SecretsBackend, type Slot, type TokenRecord, type TokenRecords } from './store.ts'

/** Values without the rest: a password, or one for each slot. */
const plainMap = z.record(
  z.string().regex(/^[a-zA-Z0-9-]{5,50}$/),
  z.union([
    z.string().min(1),
    z
      .strictObject({ password1: z.string().min(1).optional(), password2: z.string().min(1).optional() })
      .refine((each) => each.password1 ?? each.password2)
  ])
)

/**
 * A plain JSON file, which is only read: a secrets file of an earlier release, or a map such as
 * `{ "plant-client": "password", "other-token": { "password2": "password" } }`, as pipelines mount them.
 *
 * @param text the file's content
 * @throws {GeneratorError} `SECRETS_INVALID` when it is read
 */
export function plainFile(path: string, text: string): SecretsBackend {
  return readOnly(
    path,
    `${path} is a plain file, and those are only read: passwords are made where they can be kept encrypted. Take it over with causeway secrets import ${path}, and leave --secrets out`,
    async (registry) => {
      const map = plainMap.safeParse(parsed(text))
      if (!map.success) return parseDocument(text, path).registries[registry]?.tokens ?? {}
      const given = Object.entries(map.data).map(([token, value]): Given => ({
        token,
        values: typeof value === 'string' ? { password1: value } : value
      }))
      return recordsOf(registry, given)
    }
  )
}

/** Environment variables begin with this; the token follows in upper case with `_` for `-`, and `__PASSWORD2` for that slot. */
const prefix = 'CAUSEWAY_PASSWORD_'

/** What `--secrets` is to say for {@link environment}. */
export const environmentName = 'environment'

/**
 * Passwords in environment variables: `CAUSEWAY_PASSWORD_PLANT_CLIENT` is password1 of token `plant-client`, and
 * `CAUSEWAY_PASSWORD_PLANT_CLIENT__PASSWORD2` its password2.
 *
 * @throws {GeneratorError} `SECRETS_INVALID` when it is read, for a variable that names no token
 */
export function environment(env: Readonly<Record<string, string | undefined>>): SecretsBackend {
  return readOnly(
    environmentName,
    'passwords in the environment are only read: to make one, leave out --secrets environment',
    (registry) => {
      const given = Object.entries(env).flatMap(([name, value]): Given[] => {
        if (!name.startsWith(prefix) || value === undefined || value === '') return []
        const [token = '', slot = 'PASSWORD1', ...more] = name.slice(prefix.length).split('__')
        const known = slots.find((each) => each.toUpperCase() === slot)
        if (!/^[A-Z0-9_]{5,50}$/.test(token) || known === undefined || more.length > 0)
          throw unusable(name, 'it names no token and slot, as CAUSEWAY_PASSWORD_PLANT_CLIENT__PASSWORD2 does')
        return [{ token: token.toLowerCase().replaceAll('_', '-'), values: { [known]: value } }]
      })
      return recordsOf(registry, given)
    }
  )
}

interface Given {
  readonly token: string
  readonly values: { readonly [Each in Slot]?: string | undefined }
}

/** Nobody tells when these were made: they count as older than any that are known. */
const unknownTime = new Date(0).toISOString()

async function recordsOf(registry: string, given: readonly Given[]): Promise<TokenRecords> {
  const records: Record<string, TokenRecord> = {}
  for (const { token, values } of given) {
    const name = token.toLowerCase()
    for (const slot of slots) {
      const value = values[slot]
      if (value === undefined) continue
      const hash = await hashPassword(value, saltFor(registry, name, slot))
      records[name] = { ...records[name], [slot]: { state: 'stored', value, hash, creationTime: unknownTime } }
    }
  }
  return records
}

/**
 * A hash has no place to be kept here, and generating twice has to give the same bytes: its salt comes from the names. It is
 * another one for each token, slot and registry, which is what a salt is for, and tells nothing about the password.
 */
function saltFor(registry: string, token: string, slot: Slot): Buffer {
  return createHash('sha256').update(`causeway ${registry} ${token} ${slot}`).digest().subarray(0, 16)
}

function readOnly(place: string, reason: string, read: (registry: string) => Promise<TokenRecords>): SecretsBackend {
  const refuse = (): Promise<never> => Promise.reject(new Error(`${place} is only read`))
  return { place, readOnly: reason, read, write: refuse, lock: refuse }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
