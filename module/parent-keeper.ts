import type { Log } from './log/log.ts'
import { createParent, type Parent } from './parent/parent.ts'
import type { ParentSettings } from './settings/parent.ts'
import { version } from './version.ts'

export interface ParentKeeperOptions {
  readonly log: Log
  /** Where the outbound proxy is looked up. */
  readonly variables: Readonly<Record<string, string | undefined>>
}

/** Holds the client of the parent in force, and makes another one when its address, credentials or trust change. */
export class ParentKeeper {
  readonly #options: ParentKeeperOptions
  #made: { readonly from: string; readonly parent: Parent } | undefined
  #settings: ParentSettings | undefined
  #trustBundle: string | undefined

  constructor(options: ParentKeeperOptions) {
    this.#options = options
  }

  /** @returns whether the parent is another one now */
  setParent(settings: ParentSettings | undefined): boolean {
    this.#settings = settings
    return this.#renew()
  }

  /**
   * @param trustBundle PEM of the authorities that this device trusts, renewed by IoT Edge while modules run
   * @returns whether the parent is another one now
   */
  setTrustBundle(trustBundle: string): boolean {
    this.#trustBundle = trustBundle
    return this.#renew()
  }

  /** The parent in force, or undefined where none is set or its address is none. */
  readonly current = (): Parent | undefined => this.#made?.parent

  async close(): Promise<void> {
    await this.#made?.parent.close()
    this.#made = undefined
  }

  #renew(): boolean {
    const from = JSON.stringify([this.#settings, this.#trustBundle])
    if (this.#settings === undefined || from === this.#made?.from) {
      const had = this.#settings === undefined && this.#made !== undefined
      if (had) this.#retire()
      return had
    }
    this.#retire()
    const { log, variables } = this.#options
    const { origin, tokenName, password } = this.#settings
    const parent = createParent({
      origin,
      tokenName,
      password,
      extraCertificates: this.#trustBundle,
      environment: variables,
      userAgent: `causeway/${version}`,
      log
    })
    this.#made = { from, parent }
    return true
  }

  /** What is under way with the old one ends: sync begins anew with the next. */
  #retire(): void {
    const { log } = this.#options
    this.#made?.parent.close().catch((error: unknown) => log.debug('closing a parent', { reason: String(error) }))
    this.#made = undefined
  }
}
