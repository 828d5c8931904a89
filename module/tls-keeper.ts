import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from './log/log.ts'
import type { ServerKeyPair } from './registry/tls.ts'
import type { Settings } from './settings/document.ts'

type TlsSettings = Settings['registry']['tls']

export interface TlsKeeperOptions {
  readonly log: Log
  /** Puts a certificate into use. @throws where it cannot be used */
  readonly use: (pair: ServerKeyPair | undefined) => void
  /** Gets a certificate from IoT Edge; undefined where there is none. */
  readonly fetch: ((signal: AbortSignal) => Promise<ServerKeyPair>) | undefined
  /** Told what is wrong, and with undefined that it is right again. */
  readonly report: (fault: string | undefined) => void
  /** Milliseconds between two looks at files, and at the end of a certificate from IoT Edge. */
  readonly lookEvery?: number
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/** Milliseconds. */
const fetchPatience = 30_000
const retryAfter = 60_000
/** Clocks are set and devices sleep: the end of a certificate is looked at anew this often at least. */
const longestWait = 3_600_000
/** The part of a certificate's life after which another one is fetched: a device may be without its daemon for days. */
const renewAfter = 2 / 3

/** Keeps the registry's certificate as the settings want it, and up to date; what was good stays until there is better. */
export class TlsKeeper {
  readonly #options: TlsKeeperOptions
  readonly #now: () => number
  #settings = ''
  #pair: ServerKeyPair | undefined
  #following = new AbortController()

  constructor(options: TlsKeeperOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  configure(tls: TlsSettings = { source: 'none' }): void {
    const settings = JSON.stringify(tls)
    if (settings === this.#settings) return
    this.#settings = settings
    this.#following.abort()
    this.#following = new AbortController()
    if (tls.source === 'none') {
      this.#pair = undefined
      this.#options.use(undefined)
      this.#options.report(undefined)
    } else void this.#follow(tls, this.#following.signal)
  }

  close(): void {
    this.#following.abort()
  }

  async #follow(tls: Exclude<TlsSettings, { source: 'none' }>, signal: AbortSignal): Promise<void> {
    try {
      for (let wait = 0; ;) {
        await delay(wait, undefined, { signal, ref: false })
        wait = tls.source === 'files' ? await this.#fromFiles(tls, signal) : await this.#fromWorkload(signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** @returns milliseconds until the next look */
  async #fromFiles(
    { certificate, key }: Extract<TlsSettings, { source: 'files' }>,
    signal: AbortSignal
  ): Promise<number> {
    await this.#renew(`the certificate in ${certificate}`, signal, async () => ({
      certificate: await readFile(certificate, 'utf8'),
      key: await readFile(key, 'utf8')
    }))
    return this.#options.lookEvery ?? 10_000
  }

  /** @returns milliseconds until another certificate is due, or the next try */
  async #fromWorkload(signal: AbortSignal): Promise<number> {
    const { fetch } = this.#options
    const before = this.#dueIn()
    if (before > 0) return this.#wait(before)
    const renewed = await this.#renew('a certificate from IoT Edge', signal, () => {
      if (fetch === undefined) throw new Error('this module does not run under IoT Edge; use registry.tls with files')
      return fetch(AbortSignal.any([signal, AbortSignal.timeout(fetchPatience)]))
    })
    return this.#wait(renewed ? Math.max(this.#dueIn(), Math.min(retryAfter, this.#life() / 10)) : retryAfter)
  }

  #wait(milliseconds: number): number {
    return Math.min(milliseconds, this.#options.lookEvery ?? longestWait)
  }

  /** @returns whether there is a good one now */
  async #renew(what: string, signal: AbortSignal, read: () => Promise<ServerKeyPair>): Promise<boolean> {
    const { log, use, report } = this.#options
    try {
      const pair = await read()
      signal.throwIfAborted()
      const { validTo } = new X509Certificate(pair.certificate)
      if (pair.certificate !== this.#pair?.certificate || pair.key !== this.#pair.key) {
        use(pair)
        this.#pair = pair
        log.info('TLS is served', { from: what, until: validTo })
      }
      report(Date.parse(validTo) > this.#now() ? undefined : `${what} is past its end (${validTo}): renew it`)
      return true
    } catch (error) {
      signal.throwIfAborted()
      const reason = error instanceof Error ? error.message : String(error)
      const meanwhile = this.#pair === undefined ? 'TLS is not served' : 'the one before it stays in use'
      log.error(`${what} cannot be used; ${meanwhile}`, { reason })
      report(`${what} cannot be used (${reason}); ${meanwhile}`)
      return false
    }
  }

  /** Milliseconds. One that IoT Edge's own certificate left little of is renewed soon, but not without pause. */
  #life(): number {
    const { validFrom, validTo } = new X509Certificate(this.#pair?.certificate ?? '')
    return Math.max(Date.parse(validTo) - Date.parse(validFrom), 10_000)
  }

  /** Milliseconds until the certificate in use should be replaced; 0 or less where it is due. */
  #dueIn(): number {
    if (this.#pair === undefined) return 0
    const { validFrom, validTo } = new X509Certificate(this.#pair.certificate)
    const from = Date.parse(validFrom)
    return from + (Date.parse(validTo) - from) * renewAfter - this.#now()
  }
}
