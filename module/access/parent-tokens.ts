import { createHmac, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import { isRepository } from '../oci/name.ts'
import type { Settings } from '../settings/document.ts'
import { readIfPresent, writeDurably } from '../settings/durable-file.ts'
import { hashPassword } from '../settings/password-hash.ts'
import { slotOf, type ClientToken, type Slot } from './client-tokens.ts'
import { Lru } from './lru.ts'
import type { PasswordCheck } from './passwords.ts'
import { Rights } from './rights.ts'
import type { Granted } from './scopes.ts'
import { Buckets } from './throttle.ts'

/** Whom this device may ask about tokens that it does not know: the registry it syncs from. */
export interface ParentVerifier {
  readonly origin: string
  /**
   * @param scopes `repository:<name>:<action>,…`; none where only the password is in question
   * @returns what the parent grants of them, or undefined where it refuses the name or the password
   * @throws where it cannot be asked
   */
  verify(
    name: string,
    password: string,
    scopes: readonly string[],
    signal: AbortSignal
  ): Promise<readonly Granted[] | undefined>
}

export interface ParentTokensOptions {
  readonly folder: string
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly passwords: PasswordCheck
  readonly fingerprintKey: Uint8Array
  /** Given an id it goes along with what the parent is asked. */
  readonly parent: (correlationId?: string) => ParentVerifier | undefined
}

const readActions = ['pull', 'metadata_read'] as const

const entrySchema = z.object({
  name: z.string(),
  hash: z.string(),
  /** Milliseconds since the epoch, here and below. */
  verifiedAt: z.number(),
  repositories: z.record(z.string(), z.object({ actions: z.array(z.enum(readActions)), askedAt: z.number() }))
})
type Entry = z.output<typeof entrySchema>
const fileSchema = z.object({ origin: z.string(), tokens: z.array(entrySchema) })

/** Milliseconds for which the parent's word is not asked for again: so long a token that it disables lives on here. */
const freshFor = 10 * 60_000
/** Milliseconds that the parent may take; a client waits meanwhile. */
const patience = 5_000
/** Milliseconds for which a refused password is not shown to the parent again. */
const refusedFor = 60_000
const hour = 3_600_000
const mostTokens = 100
const mostRepositories = 500
/** What ACR calls its tokens; other names are nothing to ask about. */
const namePattern = /^[a-zA-Z0-9-]{5,50}$/
/** The parent counts us all as one address, and wrong passwords against it. */
const asking = { burst: 60, perSecond: 1 } as const

/**
 * Client tokens that only the parent knows: verified with it while it can be reached, and then for a limited time without.
 * They may read, what the parent lets them read, and nothing else. Of a password nothing but its salted hash is kept.
 */
export class ParentTokens {
  readonly #options: ParentTokensOptions
  readonly #path: string
  readonly #entries = new Map<string, Entry>()
  readonly #refused = new Lru<number>(1000)
  readonly #bucket = new Buckets(asking)
  readonly #key = randomBytes(32)
  #origin: string | undefined
  #limits: Settings['parentTokens'] = { enabled: false, offlineHours: 0 }
  #saving: Promise<void> = Promise.resolve()

  private constructor(options: ParentTokensOptions) {
    this.#options = options
    this.#path = join(options.folder, 'parent-tokens.json')
  }

  static async load(options: ParentTokensOptions): Promise<ParentTokens> {
    const tokens = new ParentTokens(options)
    try {
      const text = await readIfPresent(tokens.#path)
      const file = text === undefined ? undefined : fileSchema.parse(JSON.parse(text))
      tokens.#origin = file?.origin
      for (const entry of file?.tokens ?? []) tokens.#entries.set(entry.name.toLowerCase(), entry)
    } catch {
      options.log.warn('what the parent said of its tokens cannot be read; it will be asked anew', {
        path: tokens.#path
      })
    }
    return tokens
  }

  /** Disabled, nothing of what was verified counts any more. */
  configure(settings: Settings['parentTokens'] | undefined): void {
    this.#limits = settings ?? { enabled: false, offlineHours: 0 }
  }

  get enabled(): boolean {
    return this.#limits.enabled
  }

  /** What is known here, without asking; undefined where it was never verified, or too long ago. */
  get(name: string): ClientToken | undefined {
    const entry = this.#entries.get(name.toLowerCase())
    if (!this.#limits.enabled || entry === undefined || this.#origin !== this.#options.parent()?.origin)
      return undefined
    const oldest = this.#options.now() - this.#lasts
    const permissions = Object.entries(entry.repositories).flatMap(([pattern, { actions, askedAt }]) =>
      askedAt < oldest
        ? []
        : actions.map((action) => {
            return { pattern, action: action === 'pull' ? ('content/read' as const) : ('metadata/read' as const) }
          })
    )
    const expiry = new Date(entry.verifiedAt + this.#lasts).toISOString()
    const slot = slotOf({ hash: entry.hash, expiry }, this.#options.fingerprintKey)
    return { name: entry.name, enabled: true, slots: [slot], rights: new Rights(permissions) }
  }

  /**
   * @param scopes what is asked for; only reading is passed on
   * @param correlationId of the request that it is for
   * @returns the slot whose password it is, in {@link get}'s token
   * @throws {OciError} `TOOMANYREQUESTS`
   */
  async check(
    name: string,
    password: string,
    scopes: readonly string[],
    correlationId: string
  ): Promise<Slot | undefined> {
    const parent = this.#options.parent(correlationId)
    if (!this.#limits.enabled || parent === undefined || !namePattern.test(name) || password === '') return undefined
    const repositories = repositoriesOf(scopes)
    const known = this.get(name)
    const slot = known && (await this.#options.passwords.check(name, password, known, correlationId))
    if (slot !== undefined && this.#isFresh(name, repositories)) return slot
    const id = createHmac('sha256', this.#key).update(`${name.toLowerCase()}\0${password}`).digest('base64')
    if (this.#options.now() - (this.#refused.get(id) ?? -Infinity) < refusedFor) return undefined
    const wait = this.#bucket.take('', performance.now())
    if (wait > 0) {
      if (slot !== undefined) return slot
      throw new OciError('TOOMANYREQUESTS', 'too many unknown tokens; the parent is asked about a few at a time', {
        retryAfterSeconds: Math.ceil(wait)
      })
    }
    const asked = repositories.map((each) => `repository:${each}:${readActions.join(',')}`)
    let granted: readonly Granted[] | undefined
    try {
      granted = await parent.verify(name, password, asked, AbortSignal.timeout(patience))
    } catch (error) {
      this.#options.log.info('the parent cannot be asked about a token', {
        name,
        reason: error instanceof Error ? error.message : String(error),
        cached: slot !== undefined,
        correlationId
      })
      return slot
    }
    if (granted === undefined) {
      this.#refused.set(id, this.#options.now())
      this.#options.log.warn('a login was refused', {
        name,
        reason: 'neither this device nor the parent knows it',
        correlationId
      })
      if (slot !== undefined) this.#forget(name, correlationId)
      return undefined
    }
    await this.#remember(parent.origin, name, slot?.hash ?? (await hashPassword(password)), repositories, granted)
    return this.get(name)?.slots[0]
  }

  /** Waits until the file has what was learned. */
  saved(): Promise<void> {
    return this.#saving
  }

  /** Milliseconds for which a verification counts. */
  get #lasts(): number {
    return Math.max(freshFor, this.#limits.offlineHours * hour)
  }

  #isFresh(name: string, repositories: readonly string[]): boolean {
    const entry = this.#entries.get(name.toLowerCase())
    const since = this.#options.now() - freshFor
    return (
      entry !== undefined &&
      entry.verifiedAt > since &&
      repositories.every((each) => (entry.repositories[each]?.askedAt ?? -Infinity) > since)
    )
  }

  async #remember(
    origin: string,
    name: string,
    hash: string,
    asked: readonly string[],
    granted: readonly Granted[]
  ): Promise<void> {
    if (this.#origin !== origin) this.#entries.clear()
    this.#origin = origin
    const now = this.#options.now()
    const before = this.#entries.get(name.toLowerCase())
    // Another password is another proof: what the one before it was granted is not its to inherit.
    const kept = before?.hash === hash ? Object.entries(before.repositories) : []
    const news = asked.map((each) => {
      const actions = granted.find(({ type, name }) => type === 'repository' && name === each)?.actions ?? []
      return [each, { actions: readActions.filter((action) => actions.includes(action)), askedAt: now }] as const
    })
    const repositories = Object.fromEntries(
      [...kept.filter(([each]) => !asked.includes(each)), ...news].slice(-mostRepositories)
    )
    this.#entries.delete(name.toLowerCase())
    this.#entries.set(name.toLowerCase(), { name, hash, verifiedAt: now, repositories })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > mostTokens && oldest !== undefined) this.#entries.delete(oldest)
    await this.#save()
  }

  #forget(name: string, correlationId: string): void {
    this.#options.log.info('the parent does not take a token any more', { name, correlationId })
    this.#entries.delete(name.toLowerCase())
    void this.#save()
  }

  /** In the background of a login it must not fail: without the file it is only asked anew after a restart. */
  #save(): Promise<void> {
    this.#saving = this.#saving
      .then(() =>
        writeDurably(this.#path, JSON.stringify({ origin: this.#origin, tokens: [...this.#entries.values()] }))
      )
      .catch((error: unknown) =>
        this.#options.log.warn('what the parent said of a token cannot be kept', { reason: String(error) })
      )
    return this.#saving
  }
}

function repositoriesOf(scopes: readonly string[]): string[] {
  const names = scopes
    .flatMap((text) => text.split(' '))
    .map((scope) => /^repository:(.+):[^:]*$/.exec(scope)?.[1] ?? '')
    .filter(isRepository)
  return [...new Set<string>(names)].slice(0, 16)
}
