import type { Log } from './log/log.ts'
import type { TakenCredential } from './parent/credentials.ts'
import { createParent, type Parent } from './parent/parent.ts'
import type { ParentNews } from './parent/watch.ts'
import type { ParentProblem, ParentSettings } from './settings/parent.ts'
import type { SyncEvent } from './sync/events.ts'
import { version } from './version.ts'

export interface ParentKeeperOptions extends ParentNews {
  readonly log: Log
  /** Told of the credential that the parent took. */
  readonly onCredential?: (taken: TakenCredential) => void
  /** Where the outbound proxy is looked up. */
  readonly variables: Readonly<Record<string, string | undefined>>
}

/** Holds the client of the parent in force, and makes another one when its address, credentials or trust change. */
export class ParentKeeper {
  readonly #options: ParentKeeperOptions
  #made: { readonly from: string; readonly parent?: Parent; readonly problem?: string } | undefined
  #settings: ParentSettings | undefined
  #trustBundle: string | undefined
  /** Why the parent that is named cannot be used. */
  #problem: string | undefined

  constructor(options: ParentKeeperOptions) {
    this.#options = options
  }

  /** @returns whether the parent is another one now */
  setParent(named: ParentSettings | ParentProblem | undefined): boolean {
    this.#problem = named && 'problem' in named ? named.problem : undefined
    this.#settings = named && 'origin' in named ? named : undefined
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

  /**
   * The parent in force, or undefined where none is set or its address is none.
   *
   * @param correlationId what the parent's log, too, is to have with every request
   */
  readonly current = (correlationId?: string): Parent | undefined => {
    const parent = this.#made?.parent
    return correlationId === undefined ? parent : parent?.correlated(correlationId)
  }

  /** What sync tells of a parent that it does not have: that one is named, where that is so, and why it cannot be used. */
  explain(event: SyncEvent): SyncEvent {
    const problem = this.#problem ?? this.#made?.problem
    return problem !== undefined && event.kind === 'parent' && !event.answers && event.code === 'PARENT_MISSING'
      ? { ...event, code: 'PARENT_INVALID', message: problem }
      : event
  }

  /** Lends a client of a parent that is not in force yet, for as long as the work takes. */
  async borrow<Result>(settings: ParentSettings, work: (parent: Parent) => Promise<Result>): Promise<Result> {
    const { variables, log } = this.#options
    const parent = createParent({
      ...settings,
      extraCertificates: this.#trustBundle,
      environment: variables,
      userAgent: `causeway/${version}`,
      log
    })
    try {
      return await work(parent)
    } finally {
      await parent.close()
    }
  }

  async close(): Promise<void> {
    await this.#made?.parent?.close()
    this.#made = undefined
  }

  #renew(): boolean {
    const from = this.#settings && JSON.stringify([this.#settings, this.#trustBundle])
    if (from === this.#made?.from) return false
    this.#retire()
    if (from !== undefined && this.#settings !== undefined) this.#made = { from, ...this.#make(this.#settings) }
    return true
  }

  #make({ origin, tokenName, password, otherCredentials }: ParentSettings): { parent: Parent } | { problem: string } {
    const { log, variables, onCredential, self, onLineage, onClock, onCertificateTime } = this.#options
    try {
      const parent = createParent({
        origin,
        tokenName,
        password,
        otherCredentials,
        ...(onCredential === undefined ? {} : { onCredential }),
        self,
        onLineage,
        onClock,
        onCertificateTime,
        extraCertificates: this.#trustBundle,
        environment: variables,
        userAgent: `causeway/${version}`,
        log
      })
      return { parent }
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      log.error('the parent cannot be used', { reason: problem })
      return { problem }
    }
  }

  /** What is under way with the old one ends: sync begins anew with the next. */
  #retire(): void {
    const { log } = this.#options
    this.#made?.parent?.close().catch((error: unknown) => log.debug('closing a parent', { reason: String(error) }))
    this.#made = undefined
  }
}
