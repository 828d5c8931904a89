import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { readIfPresent, writeDurably } from '../../module/settings/durable-file.ts'
import { hashPassword, isPasswordHash } from '../../module/settings/password-hash.ts'
import { GeneratorError } from '../errors.ts'
import { lockFile, type FileLock } from './lock.ts'

/** The two places that a token has for passwords, so that one can be changed while devices still use the other. */
export const slots = ['password1', 'password2'] as const
export type Slot = (typeof slots)[number]

const slotRecord = z.discriminatedUnion('state', [
  // A password was about to be asked for: whether Azure made it is not known, and nobody has it.
  z.strictObject({ state: z.literal('pending'), since: z.iso.datetime() }),
  z.strictObject({
    state: z.literal('stored'),
    value: z.string().min(1),
    hash: z.string().refine(isPasswordHash),
    creationTime: z.iso.datetime(),
    expiry: z.iso.datetime().optional()
  })
])

const fileSchema = z.strictObject({
  version: z.literal(1),
  registries: z.record(
    z.string(),
    z.strictObject({
      tokens: z.record(
        z.string(),
        z.strictObject({ password1: slotRecord.optional(), password2: slotRecord.optional() })
      )
    })
  )
})
type SecretsFile = z.output<typeof fileSchema>

/** A password as it is kept: its value, its hash for the devices, and when Azure made it. */
export type StoredSecret = Extract<z.output<typeof slotRecord>, { state: 'stored' }>
export type SlotRecord = z.output<typeof slotRecord>

/** What Azure says once when it makes a password. */
export interface NewPassword {
  readonly value: string
  readonly creationTime: string
  readonly expiry?: string
}

/** Passwords of one registry's tokens, for reading. */
export interface Secrets {
  slot(token: string, slot: Slot): SlotRecord | undefined
  /** Every value, for what must keep them from being shown. */
  values(): readonly string[]
}

/**
 * The file that keeps passwords, which Azure shows once: JSON, 0600, one record per token and slot, and per registry, so
 * that a second registry's tokens of the same name are not mistaken for these.
 */
export class SecretStore implements Secrets {
  readonly path: string
  readonly #registry: string
  readonly #lock: FileLock | undefined
  #file: SecretsFile

  private constructor(path: string, registry: string, file: SecretsFile, lock: FileLock | undefined) {
    this.path = path
    this.#registry = registry
    this.#file = file
    this.#lock = lock
  }

  /**
   * @param registry login server whose tokens these are
   * @param access `write` locks the file against a second writer until {@link close}
   * @throws {GeneratorError} `SECRETS_INVALID` or `SECRETS_LOCKED`
   */
  static async open(path: string, registry: string, access: 'read' | 'write'): Promise<SecretStore> {
    const lock = access === 'write' ? await lockFile(path) : undefined
    try {
      return new SecretStore(path, registry, await readFile(path), lock)
    } catch (error) {
      await lock?.release()
      throw error
    }
  }

  slot(token: string, slot: Slot): SlotRecord | undefined {
    return this.#file.registries[this.#registry]?.tokens[token.toLowerCase()]?.[slot]
  }

  values(): readonly string[] {
    const tokens = Object.values(this.#file.registries).flatMap((registry) => Object.values(registry.tokens))
    return tokens.flatMap((token) =>
      slots.flatMap((slot) => (token[slot]?.state === 'stored' ? [token[slot].value] : []))
    )
  }

  /** Notes that a password is about to be asked for. On the platter when it resolves, before Azure is called. */
  async intend(token: string, slot: Slot, now: Date): Promise<void> {
    await this.#put(token, slot, { state: 'pending', since: now.toISOString() })
  }

  /** Keeps a password with its hash: hashing salts, so it is done once and generating twice gives the same bytes. */
  async keep(token: string, slot: Slot, password: NewPassword): Promise<void> {
    await this.#put(token, slot, { state: 'stored', ...password, hash: await hashPassword(password.value) })
  }

  /** Takes an intent back where Azure refused, so that what was kept before it is kept on. */
  async takeBack(token: string, slot: Slot, before: SlotRecord | undefined): Promise<void> {
    await this.#put(token, slot, before)
  }

  async close(): Promise<void> {
    await this.#lock?.release()
  }

  async #put(token: string, slot: Slot, record: SlotRecord | undefined): Promise<void> {
    const file = structuredClone(this.#file)
    const registry = (file.registries[this.#registry] ??= { tokens: {} })
    const entry = (registry.tokens[token.toLowerCase()] ??= {})
    if (record === undefined) Reflect.deleteProperty(entry, slot)
    else entry[slot] = record
    try {
      await this.#ignoreInGit()
      await writeDurably(this.path, `${JSON.stringify(file, undefined, 2)}\n`)
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? 'error'
      throw new GeneratorError(
        'OUTPUT_UNWRITABLE',
        `${this.path} cannot be written (${code}); make room or name another with --secrets, and run this again`,
        { cause }
      )
    }
    this.#file = file
  }

  /** The default folder keeps itself out of git, wherever it is made. */
  async #ignoreInGit(): Promise<void> {
    const folder = dirname(this.path)
    const ignore = join(folder, '.gitignore')
    if (basename(folder) !== '.causeway' || (await readIfPresent(ignore)) !== undefined) return
    await writeDurably(ignore, '*\n')
  }
}

async function readFile(path: string): Promise<SecretsFile> {
  let text: string | undefined
  try {
    text = await readIfPresent(path)
  } catch (cause) {
    throw unusable(path, `it cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  if (text === undefined) return { version: 1, registries: {} }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The cause would quote the text around the mistake, which is a secret.
    throw unusable(path, 'it is not JSON')
  }
  const parsed = fileSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw unusable(path, `it is not a secrets file of this version, at ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
}

function unusable(path: string, reason: string): GeneratorError {
  return new GeneratorError(
    'SECRETS_INVALID',
    `${path} cannot be used: ${reason}. Restore it from where you keep it; without it, passwords have to be made anew`
  )
}

/** Which slot a device is given: the newest that is stored and has not run out. */
export function currentSlot(secrets: Secrets, token: string, now: Date): Slot | undefined {
  const usable = storedSlots(secrets, token, now)
  return usable.sort((a, b) => b.secret.creationTime.localeCompare(a.secret.creationTime))[0]?.slot
}

/** The slots of a token that hold a password which has not run out, in their order. */
export function storedSlots(
  secrets: Secrets,
  token: string,
  now: Date
): { readonly slot: Slot; readonly secret: StoredSecret }[] {
  return slots.flatMap((slot) => {
    const record = secrets.slot(token, slot)
    if (record?.state !== 'stored') return []
    return record.expiry !== undefined && new Date(record.expiry) <= now ? [] : [{ slot, secret: record }]
  })
}
