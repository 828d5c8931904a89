import type { FaultCode } from './status/faults.ts'
import type { Status } from './status/status.ts'

/** Milliseconds after the last time that something happened for which it stays reported. */
const fadesAfter = 3_600_000

/** A fault that happens rather than lasts, and that nothing tells the end of: it is cleared an hour after the last time. */
export class FadingFault {
  readonly #status: Pick<Status, 'setFault' | 'clearFault'>
  readonly #code: FaultCode
  #timer: NodeJS.Timeout | undefined

  constructor(status: Pick<Status, 'setFault' | 'clearFault'>, code: FaultCode) {
    this.#status = status
    this.#code = code
  }

  happened(description: string): void {
    // Told once: what repeats it is whatever a client tries again and again.
    if (this.#timer === undefined) this.#status.setFault(this.#code, description)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.clear(), fadesAfter).unref()
  }

  /** What it came from may be mended. */
  clear(): void {
    clearTimeout(this.#timer)
    if (this.#timer !== undefined) this.#status.clearFault(this.#code)
    this.#timer = undefined
  }
}
