import { slots, type Rotation, type Secrets, type Slot, type SlotRecord } from '../secrets/store.ts'

/** A well-formed hash that is of no password: what stands where `causeway provision` will put one. */
const noHash = `$scrypt$ln=10,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

const marker = /\(password of ([a-zA-Z0-9-]+), made by provision\)/

/** What to show in place of a value that holds a password yet to be made; undefined for any other value. */
export function madeLater(text: string): string | undefined {
  return text === noHash ? '(hash of a password that provision makes)' : marker.exec(text)?.[0]
}

/**
 * The passwords that are kept, with a stand-in for each that `causeway provision` has yet to make: a plan for a new site can be
 * looked at before anything is made.
 */
export class PlanningSecrets implements Secrets {
  readonly #secrets: Secrets
  readonly #ignored: ReadonlySet<string>
  readonly #unmade = new Set<string>()

  /** @param ignored tokens that are treated as if they had no password yet, as they had none when a plan was saved */
  constructor(secrets: Secrets, ignored: readonly string[] = []) {
    this.#secrets = secrets
    this.#ignored = new Set(ignored.map((token) => token.toLowerCase()))
  }

  /** Tokens whose password stands in, sorted. */
  get unmade(): readonly string[] {
    return [...this.#unmade].sort()
  }

  slot(token: string, slot: Slot): SlotRecord | undefined {
    const kept = this.#ignored.has(token.toLowerCase()) ? undefined : this.#secrets.slot(token, slot)
    if (kept?.state === 'stored') return kept
    if (slot !== 'password1' || this.#hasPassword(token)) return kept
    this.#unmade.add(token)
    return {
      state: 'stored',
      value: `(password of ${token}, made by provision)`,
      hash: noHash,
      creationTime: new Date(0).toISOString()
    }
  }

  rotation(token: string): Rotation | undefined {
    return this.#secrets.rotation?.(token)
  }

  isRevoked(token: string): boolean {
    return this.#secrets.isRevoked?.(token) === true
  }

  values(): readonly string[] {
    return this.#secrets.values()
  }

  #hasPassword(token: string): boolean {
    return (
      !this.#ignored.has(token.toLowerCase()) &&
      slots.some((each) => this.#secrets.slot(token, each)?.state === 'stored')
    )
  }
}

/** Every password replaced by its salted hash: what is made with these tells when a password changes, and not what it is. */
export class HashedSecrets implements Secrets {
  readonly #secrets: Secrets

  constructor(secrets: Secrets) {
    this.#secrets = secrets
  }

  slot(token: string, slot: Slot): SlotRecord | undefined {
    const record = this.#secrets.slot(token, slot)
    return record?.state === 'stored' ? { ...record, value: record.hash } : record
  }

  rotation(token: string): Rotation | undefined {
    return this.#secrets.rotation?.(token)
  }

  isRevoked(token: string): boolean {
    return this.#secrets.isRevoked?.(token) === true
  }

  values(): readonly string[] {
    return this.#secrets.values()
  }
}
