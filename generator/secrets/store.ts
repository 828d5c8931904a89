import { z } from 'zod'
import { hashPassword, isPasswordHash } from '../../module/settings/password-hash.ts'
import { GeneratorError } from '../errors.ts'

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

/** A change of password that is under way: what an interrupted one is taken up from. */
const rotationRecord = z.strictObject({
  /** The slot that the new password is in, or will be. */
  to: z.enum(slots),
  startedAt: z.iso.datetime(),
  /** When the cloud registry took the new password for the first time. */
  provedAt: z.iso.datetime().optional(),
  /** Devices that nobody waits for any more. */
  abandoned: z.array(z.string()).optional()
})

export const tokenRecord = z.strictObject({
  password1: slotRecord.optional(),
  password2: slotRecord.optional(),
  rotation: rotationRecord.optional(),
  /** When the token was revoked: it stays disabled, whatever the site file says. */
  revokedAt: z.iso.datetime().optional()
})

/** Every token of one registry that something is kept of, by its name in lower case. */
export const tokenRecords = z.record(z.string(), tokenRecord)
export type TokenRecords = z.output<typeof tokenRecords>
export type TokenRecord = z.output<typeof tokenRecord>
export type Rotation = z.output<typeof rotationRecord>

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
  /** A change of password that is under way. */
  rotation?(token: string): Rotation | undefined
  isRevoked?(token: string): boolean
  /** Every value, for what must keep them from being shown. */
  values(): readonly string[]
}

/** Where passwords are kept. */
export interface SecretsBackend {
  /** What people call it: a path or an address. */
  readonly place: string
  /** Why nothing can be written there, and what to do about it; absent where it can. */
  readonly readOnly?: string
  read(registry: string): Promise<TokenRecords>
  /** Replaces what is kept of these tokens; all of it is durable when it resolves. */
  write(registry: string, records: TokenRecords): Promise<void>
  /** Keeps a second writer out, as far as the place allows it. */
  lock(): Promise<{ release(): Promise<void> }>
}

/**
 * The passwords of one registry's tokens, which Azure shows once. Each registry has its own, so that a second registry's
 * tokens of the same name are not mistaken for these. What is written is durable before Azure is called or a device is told.
 */
export class SecretStore implements Secrets {
  readonly #backend: SecretsBackend
  readonly #registry: string
  readonly #release: () => Promise<void>
  readonly #tokens: Map<string, TokenRecord>
  /** What is asked for while a write is under way goes with the next: a fleet's tokens share writes, and wait as long. */
  #waiting: Change[] = []
  #isWriting = false

  private constructor(backend: SecretsBackend, registry: string, tokens: TokenRecords, release: () => Promise<void>) {
    this.#backend = backend
    this.#registry = registry
    this.#tokens = new Map(Object.entries(tokens))
    this.#release = release
  }

  /**
   * @param registry login server whose tokens these are
   * @param access `write` keeps a second writer out until {@link close}
   * @throws {GeneratorError} `SECRETS_READ_ONLY`, `SECRETS_LOCKED`, or why it cannot be read
   */
  static async open(backend: SecretsBackend, registry: string, access: 'read' | 'write'): Promise<SecretStore> {
    if (access === 'read') return new SecretStore(backend, registry, await backend.read(registry), nothing)
    if (backend.readOnly !== undefined) throw new GeneratorError('SECRETS_READ_ONLY', backend.readOnly)
    const lock = await backend.lock()
    try {
      return new SecretStore(backend, registry, await backend.read(registry), () => lock.release())
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** Where they are kept, for messages. */
  get place(): string {
    return this.#backend.place
  }

  slot(token: string, slot: Slot): SlotRecord | undefined {
    return this.#tokens.get(token.toLowerCase())?.[slot]
  }

  rotation(token: string): Rotation | undefined {
    return this.#tokens.get(token.toLowerCase())?.rotation
  }

  isRevoked(token: string): boolean {
    return this.#tokens.get(token.toLowerCase())?.revokedAt !== undefined
  }

  /** Names of the tokens that something is kept of, in lower case. */
  tokens(): readonly string[] {
    return [...this.#tokens.keys()]
  }

  values(): readonly string[] {
    return [...this.#tokens.values()].flatMap((token) =>
      slots.flatMap((slot) => (token[slot]?.state === 'stored' ? [token[slot].value] : []))
    )
  }

  /** Notes that a password is about to be asked for. Durable when it resolves, before Azure is called. */
  async intend(token: string, slot: Slot, now: Date): Promise<void> {
    await this.#put(token, { [slot]: { state: 'pending', since: now.toISOString() } })
  }

  /**
   * Keeps a password with its hash: hashing salts, so it is done once and generating twice gives the same bytes.
   *
   * @param known the hash, where it was made before
   */
  async keep(token: string, slot: Slot, password: NewPassword, known?: string): Promise<void> {
    const { value, creationTime, expiry } = password
    const hash = known ?? (await hashPassword(value))
    const times = expiry === undefined ? { creationTime } : { creationTime, expiry }
    await this.#put(token, { [slot]: { state: 'stored', value, hash, ...times } })
  }

  /** Takes an intent back where Azure refused, so that what was kept before it is kept on; or a password that is no more. */
  async takeBack(token: string, slot: Slot, before: SlotRecord | undefined): Promise<void> {
    await this.#put(token, { [slot]: before })
  }

  /** Begins a change of password: what is in the slot that it goes to is forgotten with the same write. */
  async beginRotation(token: string, rotation: Rotation): Promise<void> {
    await this.#put(token, { rotation, [rotation.to]: undefined })
  }

  /** Notes how far a change of password is. */
  async noteRotation(token: string, rotation: Rotation): Promise<void> {
    await this.#put(token, { rotation })
  }

  /** Ends a change of password: what was there before it is forgotten with the same write. */
  async endRotation(token: string, retired: Slot): Promise<void> {
    await this.#put(token, { rotation: undefined, [retired]: undefined })
  }

  /** Notes that a token stays disabled, or no longer does. */
  async noteRevoked(token: string, since: Date | undefined): Promise<void> {
    await this.#put(token, { revokedAt: since?.toISOString() })
  }

  async close(): Promise<void> {
    await this.#release()
  }

  #put(token: string, changes: Change['changes']): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ token: token.toLowerCase(), changes, resolve, reject })
      void this.#write()
    })
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      // Whoever asks in the same breath comes along.
      await Promise.resolve()
      const together = this.#waiting.splice(0)
      try {
        const records = new Map<string, TokenRecord>()
        for (const { token, changes } of together) {
          const before = records.get(token) ?? this.#tokens.get(token)
          const merged = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined)
          records.set(token, tokenRecord.parse(Object.fromEntries(merged)))
        }
        await this.#backend.write(this.#registry, Object.fromEntries(records))
        for (const [token, record] of records) this.#tokens.set(token, record)
        for (const { resolve } of together) resolve()
      } catch (error) {
        for (const { reject } of together) reject(error)
      }
    }
    this.#isWriting = false
  }
}

/** What is to be kept of a token, and who waits for it. */
interface Change {
  readonly token: string
  readonly changes: { readonly [Key in keyof TokenRecord]?: TokenRecord[Key] | undefined }
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const nothing = (): Promise<void> => Promise.resolve()

/**
 * Which slot a device is given: the newest that is stored and has not run out. While a password is being changed it is the
 * one before, until the cloud registry takes the new one.
 */
export function currentSlot(secrets: Secrets, token: string, now: Date): Slot | undefined {
  const usable = storedSlots(secrets, token, now)
  const rotation = secrets.rotation?.(token)
  const unproved = rotation?.provedAt === undefined ? rotation?.to : undefined
  const proved = usable.filter(({ slot }) => slot !== unproved)
  return (proved.length > 0 ? proved : usable).sort((a, b) =>
    b.secret.creationTime.localeCompare(a.secret.creationTime)
  )[0]?.slot
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
