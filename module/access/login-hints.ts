import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from '../log/log.ts'
import { readIfPresent, writeDurably } from '../settings/durable-file.ts'

const schema = z.record(z.string(), z.array(z.string()))

/** Two passwords, and those before them. */
const mostPerName = 4
const mostNames = 1000

/**
 * Remembers over restarts what passwords were right, by 16 bits of a keyed hash each: enough to let the right one pass
 * a crowd of wrong ones (one guess in 16,000 passes with it), and too little to find it out from the disk.
 */
export class LoginHints {
  readonly #path: string
  readonly #key: Uint8Array
  readonly #log: Log
  readonly #names: Map<string, string[]>
  #saving: Promise<void> = Promise.resolve()

  private constructor(path: string, key: Uint8Array, log: Log, names: Readonly<Record<string, string[]>>) {
    this.#path = path
    this.#key = key
    this.#log = log
    this.#names = new Map(Object.entries(names))
  }

  static async load(folder: string, key: Uint8Array, log: Log): Promise<LoginHints> {
    const path = join(folder, 'login-hints.json')
    let names: Record<string, string[]> = {}
    try {
      names = schema.parse(JSON.parse((await readIfPresent(path)) ?? '{}'))
    } catch {
      log.warn('the hints about earlier logins cannot be read; they are made anew', { path })
    }
    return new LoginHints(path, createHmac('sha256', key).update('login hints').digest(), log, names)
  }

  /** Whether a password is probably one that was right before. */
  has(name: string, password: string): boolean {
    return this.#names.get(name.toLowerCase())?.includes(this.#hint(name, password)) ?? false
  }

  /** Remembers a password that was right; the file follows by itself. */
  add(name: string, password: string): void {
    const hint = this.#hint(name, password)
    const before = this.#names.get(name.toLowerCase()) ?? []
    if (before[0] === hint) return
    this.#names.delete(name.toLowerCase())
    this.#names.set(name.toLowerCase(), [hint, ...before.filter((each) => each !== hint)].slice(0, mostPerName))
    const [oldest] = this.#names.keys()
    if (this.#names.size > mostNames && oldest !== undefined) this.#names.delete(oldest)
    const write = (): Promise<void> => writeDurably(this.#path, JSON.stringify(Object.fromEntries(this.#names)))
    this.#saving = this.#saving
      .then(write)
      .catch((error: unknown) => this.#log.warn('hints about logins cannot be kept', { reason: String(error) }))
  }

  /** Waits until the file has what was added. */
  saved(): Promise<void> {
    return this.#saving
  }

  #hint(name: string, password: string): string {
    const hash = createHmac('sha256', this.#key).update(`${name.toLowerCase()}\0${password}`).digest()
    return hash.subarray(0, 2).toString('hex')
  }
}
