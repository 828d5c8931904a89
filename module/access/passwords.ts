import { createHmac, randomBytes } from 'node:crypto'
import type { Log } from '../log/log.ts'
import { verifyPassword } from '../settings/password-hash.ts'
import { isLive, type ClientToken, type Slot } from './client-tokens.ts'
import { Gate } from './gate.ts'
import type { LoginHints } from './login-hints.ts'
import { Lru } from './lru.ts'

export interface PasswordCheckOptions {
  readonly now: () => number
  readonly log: Log
  readonly hints: Pick<LoginHints, 'has' | 'add'>
  /** For tests that count derivations. */
  readonly verify?: (password: string, hash: string) => Promise<boolean>
}

/** Each derivation takes 16 MiB and tens of milliseconds of one core; libuv has four threads, and files need some. */
const limits = { running: 2, waitingPerLane: 8 } as const
/** Where names wait that are none: that they are turned away sooner tells a guesser no more than a scope map's name does. */
const strangers = ''

/** Passwords that were right, and those that were wrong: a misconfigured device sends the same one for ever. */
const mostRemembered = 1000
/** The longest password worth a look; ACR's have 52 characters. */
const longestPassword = 1024
const slotCount = 2

/**
 * Checks clients' passwords: each right one is derived once and remembered by a keyed hash, so a pull's many requests cost
 * an HMAC each. Unknown names, disabled tokens and expired passwords cost as much as wrong ones.
 */
export class PasswordCheck {
  readonly #options: Required<PasswordCheckOptions>
  readonly #gate = new Gate(limits)
  /** Of this process only: what a memory dump gives is not what passwords were derived with. */
  readonly #key = randomBytes(32)
  readonly #right = new Lru<string>(mostRemembered)
  readonly #wrong = new Lru<string>(mostRemembered)
  readonly #running = new Map<string, Promise<Slot | undefined>>()
  /** In the place of a password that is not there. */
  readonly #nobody: Slot = {
    hash: `$scrypt$ln=14,r=8,p=1$${unpadded(16)}$${unpadded(32)}`,
    fingerprint: '',
    expires: -Infinity
  }

  constructor(options: PasswordCheckOptions) {
    this.#options = { verify: verifyPassword, ...options }
  }

  /**
   * @param name as the client wrote it
   * @param token what is known under that name
   * @param correlationId of the request that it is for
   * @returns the slot whose password it is, while it may be used
   * @throws {OciError} `TOOMANYREQUESTS`
   */
  async check(
    name: string,
    password: string,
    token: ClientToken | undefined,
    correlationId: string
  ): Promise<Slot | undefined> {
    if (password.length > longestPassword) return undefined
    const live = (token?.enabled === true ? token.slots : []).filter((slot) => isLive(slot, this.#options.now()))
    const id = createHmac('sha256', this.#key).update(`${name.toLowerCase()}\0${password}`).digest('base64')
    // What was right once is right as long as a live slot has the same hash: settings may change in between.
    const hash = this.#right.get(id)
    const known = live.find((slot) => slot.hash === hash)
    if (known !== undefined) return known
    const candidates = live.map((slot) => slot.hash).join()
    if (this.#wrong.get(id) === candidates) return undefined
    const found = await this.#once(`${id} ${candidates}`, name, password, live)
    if (found !== undefined) {
      this.#right.set(id, found.hash)
      this.#options.hints.add(name, password)
    } else {
      this.#wrong.set(id, candidates)
      this.#options.log.warn('a login was refused', {
        name: name.slice(0, 64),
        reason: reasonOf(token, live),
        correlationId
      })
    }
    return found
  }

  /** Several requests with the same password at once, as container engines send them, wait for one answer. */
  #once(key: string, name: string, password: string, live: readonly Slot[]): Promise<Slot | undefined> {
    let running = this.#running.get(key)
    if (running === undefined) {
      const derive = (): Promise<Slot | undefined> => this.#derive(password, live)
      const lane = live.length === 0 ? strangers : name.toLowerCase()
      // A right password waits for nobody's wrong ones; that so few wrong ones pass as right keeps this within bounds.
      running = live.length > 0 && this.#options.hints.has(name, password) ? derive() : this.#gate.run(lane, derive)
      this.#running.set(key, running)
      const forget = (): void => void this.#running.delete(key)
      running.then(forget, forget)
    }
    return running
  }

  async #derive(password: string, live: readonly Slot[]): Promise<Slot | undefined> {
    const slots = [...live, this.#nobody, this.#nobody].slice(0, slotCount)
    for (const slot of slots)
      if ((await this.#options.verify(password, slot.hash)) && slot !== this.#nobody) return slot
    return undefined
  }
}

function reasonOf(token: ClientToken | undefined, live: readonly Slot[]): string {
  if (token === undefined) return 'no such token'
  if (!token.enabled) return 'the token is disabled'
  return live.length === 0 ? 'its passwords have expired' : 'wrong password'
}

function unpadded(bytes: number): string {
  return randomBytes(bytes).toString('base64').replace(/=+$/, '')
}
