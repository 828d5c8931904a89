import { createHmac, randomBytes } from 'node:crypto'
import { madeLater } from './planning-secrets.ts'

/** Names of values that are secrets wherever they stand: of settings, credentials and environment variables. */
const secretName =
  /pass(?:word|phrase|wd)?$|^pwd$|secret|credential|signature|^sas|_sas|token$|(?:access|account|shared|primary|secondary|api|private)[_-]?key|hash$|connection[_-]?string$/i

/** Secrets inside of longer values: connection strings, signed addresses, and addresses with a login in them. */
const parts: readonly RegExp[] = [
  /(?<=(?:password|pwd|secret|accountkey|sharedaccesskey|sharedaccesssignature|sig|token)=)[^;&\s"']+/gi,
  /(?<=:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g
]

/** What is a secret by its form: a password's hash, a private key, a JSON web token. */
const secretForm = /^\$scrypt\$|-----BEGIN [A-Z ]*PRIVATE KEY-----|^eyJ[\w-]+\.[\w-]+\.[\w-]*$/

/**
 * What may be shown of values. A secret becomes a fingerprint, so that one can see that it changes, and to what that was seen
 * before. Fingerprints are keyed with the passwords of the store: without these nobody can try out guesses on them.
 */
export class Fingerprints {
  readonly #key: Buffer | string
  readonly #known: readonly string[]

  /** @param known every password that is kept here */
  constructor(known: readonly string[]) {
    this.#known = known.filter((value) => value.length > 0)
    this.#key = this.#known.length === 0 ? randomBytes(32) : [...this.#known].sort().join('\n')
  }

  of(secret: string): string {
    return `secret:${createHmac('sha256', this.#key).update(secret).digest('hex').slice(0, 12)}`
  }

  /** A value as it may be shown, objects and lists with every value in them. */
  shown(value: unknown, path: readonly string[] = []): unknown {
    if (typeof value === 'string') return this.#text(value, path)
    if (Array.isArray(value)) return value.map((entry) => this.shown(entry, path))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, entry]) => [key, this.shown(entry, [...path, key])] as const)
    )
  }

  #text(text: string, path: readonly string[]): string {
    if (madeLater(text) !== undefined) return madeLater(text) ?? text
    const last = path.at(-1) ?? ''
    // edgeAgent's environment variables are objects: `env.NAME.value`.
    const name = last === 'value' ? (path.at(-2) ?? last) : last
    const pieces = parts.reduce((shown, part) => shown.replace(part, (secret) => this.of(secret)), text)
    if (pieces !== text) return pieces
    if (text !== '' && (secretName.test(name) || secretForm.test(text) || this.#known.includes(text)))
      return this.of(text)
    return this.#known.reduce((shown, secret) => shown.replaceAll(secret, this.of(secret)), text)
  }
}
