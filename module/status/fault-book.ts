import { newCorrelationId } from '../log/correlation.ts'
import type { Log } from '../log/log.ts'
import type { StatusDetail } from '../settings/reported.ts'
import { isCritical, reportedCode, typeOf, type FaultCode } from './faults.ts'

interface Fault {
  readonly description: string
  readonly timestamp: string
  readonly correlationId: string
}

/** What is wrong now, since when, and under which id the log tells of it. */
export class FaultBook {
  readonly #faults = new Map<FaultCode, Fault>()
  readonly #now: () => Date
  readonly #log: Pick<Log, 'warn'> | undefined

  constructor(now: () => Date, log: Pick<Log, 'warn'> | undefined) {
    this.#now = now
    this.#log = log
  }

  get codes(): readonly FaultCode[] {
    return [...this.#faults.keys()]
  }

  get isCritical(): boolean {
    return this.codes.some(isCritical)
  }

  has(code: FaultCode): boolean {
    return this.#faults.has(code)
  }

  /**
   * A fault that is there already keeps its time and id.
   *
   * @param found the id of what found it, so that one id leads to all that the log has of that
   */
  set(code: FaultCode, description: string, found?: string): void {
    const before = this.#faults.get(code)
    const correlationId = before?.correlationId ?? found ?? newCorrelationId()
    const timestamp = before?.timestamp ?? this.#now().toISOString()
    this.#faults.set(code, { description, timestamp, correlationId })
    if (before === undefined) this.#log?.warn('fault', { code, correlationId, description })
  }

  clear(code: FaultCode): void {
    this.#faults.delete(code)
  }

  /** Of faults that exclude each other one stays, or none. */
  replace(group: readonly FaultCode[], stays: FaultCode | undefined, description: string, found?: string): void {
    for (const code of group) if (code !== stays) this.#faults.delete(code)
    if (stays !== undefined) this.set(stays, description, found)
  }

  /** For the twin, in Microsoft's form. */
  details(): StatusDetail[] {
    return [...this.#faults].map(([code, fault]) => ({ type: typeOf(code), code: reportedCode(code), ...fault }))
  }
}
