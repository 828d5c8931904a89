import { createHash } from 'node:crypto'

export interface Credentials {
  readonly tokenName: string
  readonly password: string
}

/** A credential that the parent took, told without giving it away. */
export interface TakenCredential {
  readonly tokenName: string
  /** The beginning of a SHA-256 of name and password: tells two passwords of one token apart. */
  readonly fingerprint: string
  /** ISO 8601. */
  readonly succeededAt: string
}

/** A parent that takes Basic takes it with every request; it is told this often, in milliseconds. */
const tellEvery = 60_000

/**
 * The credentials that a device holds for its parent, the preferred one first. One that is refused is followed by the next, and
 * the one that was taken stays in use: passwords are rotated one slot at a time, and not always on both sides at once.
 */
export class CredentialChoice {
  readonly #all: readonly Credentials[]
  readonly #onTaken: (taken: TakenCredential) => void
  readonly #refused = new Set<Credentials>()
  #current: Credentials | undefined
  #told: { readonly credentials: Credentials; readonly at: number } | undefined

  constructor(all: readonly Credentials[], onTaken: (taken: TakenCredential) => void = () => undefined) {
    this.#all = all
    this.#onTaken = onTaken
    this.#current = all[0]
  }

  /** Undefined where there is none at all. */
  get current(): Credentials | undefined {
    return this.#current
  }

  /** All of them, the one in use first. */
  get all(): readonly Credentials[] {
    const current = this.#current
    return current === undefined ? [] : [current, ...this.#all.filter((other) => other !== current)]
  }

  /** Names of the tokens, each once. */
  get names(): string[] {
    return [...new Set(this.#all.map(({ tokenName }) => tokenName))]
  }

  /**
   * The parent refused a credential.
   *
   * @returns whether there is another one to try; where not, the preferred one is next again
   */
  refuse(credentials: Credentials): boolean {
    // Somebody else has been refused the same one meanwhile, and has moved on.
    if (credentials !== this.#current) return true
    this.#refused.add(credentials)
    const next = this.#all.find((other) => !this.#refused.has(other))
    if (next === undefined) this.#refused.clear()
    this.#current = next ?? this.#all[0]
    return next !== undefined
  }

  /** The parent took a credential. */
  take(credentials: Credentials): void {
    if (credentials !== this.#current) return
    this.#refused.clear()
    const now = performance.now()
    if (this.#told?.credentials === credentials && now - this.#told.at < tellEvery) return
    this.#told = { credentials, at: now }
    this.#onTaken({
      tokenName: credentials.tokenName,
      fingerprint: fingerprintOf(credentials),
      succeededAt: new Date().toISOString()
    })
  }
}

/** As Basic has it, without the scheme's name. */
export function basicOf({ tokenName, password }: Credentials): string {
  return Buffer.from(`${tokenName}:${password}`).toString('base64')
}

/** Twelve hexadecimal digits. */
export function fingerprintOf({ tokenName, password }: Credentials): string {
  return createHash('sha256').update(`${tokenName}\n${password}`).digest('hex').slice(0, 12)
}
