import type { Log } from '../log/log.ts'
import { delayAfter, type Backoff } from './backoff.ts'
import type { Desired } from './desired.ts'
import { messageOf, TwinError } from './errors.ts'
import type { Properties } from './merge.ts'
import type { Reported } from './reported.ts'
import type { Session } from './session.ts'

/** So many reads without any answer mean that this connection is deaf, and another may not be. */
const mostSilentReads = 3

export interface ConversationOptions {
  readonly desired: Desired
  readonly reported: Reported
  /** Milliseconds between two reads of the whole twin where nothing else asks for one. */
  readonly refreshMs: number
  readonly backoff: Backoff
  readonly log: Log
  /** The hub holds exactly what is to be reported. */
  readonly settled: () => void
}

/** A thing to do, and not before a time: milliseconds of {@link performance.now}, since the device's clock may be set at any time. */
interface Task {
  due: number
  failures: number
}

/**
 * What is said within one session: reads the twin when the session begins, when the connection was made anew, after a gap and
 * every so often; sends what is left to report. One request is in flight at a time, and the latest report wins.
 */
export class Conversation {
  readonly #options: ConversationOptions
  readonly #read: Task = { due: 0, failures: 0 }
  readonly #report: Task = { due: 0, failures: 0 }
  #heldBack: Properties[] | undefined
  #refusedDocument = false
  #silentReads = 0
  #wake: () => void = () => undefined

  constructor(options: ConversationOptions) {
    this.#options = options
  }

  /** Talks until the session ends, or until it proves deaf. @throws {TwinError} `TWIN_TIMEOUT` where it is deaf */
  async run(session: Session): Promise<Error> {
    let over: Error | undefined
    void session.ended.then((reason) => {
      over = reason
      this.#wake()
    })
    for (;;) {
      if (over !== undefined) return over
      const now = performance.now()
      if (this.#read.due <= now) await this.#readTwin(session)
      else {
        const patch = this.#options.reported.next()
        if (patch !== undefined && this.#report.due <= now) await this.#send(session, patch)
        else await this.#until(patch === undefined ? this.#read.due : Math.min(this.#read.due, this.#report.due))
      }
    }
  }

  /** The twin may have changed unseen. */
  readAgain(): void {
    this.#read.due = 0
    this.#wake()
  }

  /** There is something else to report. */
  reportChanged(): void {
    // Asked again the same way, edgeHub would refuse again; this one is another.
    if (this.#refusedDocument) this.#report.due = 0
    this.#wake()
  }

  patched(patch: Properties): void {
    // While the whole is being read, what comes before it and what after cannot be told apart yet.
    if (this.#heldBack !== undefined) this.#heldBack.push(patch)
    else if (this.#options.desired.patch(patch) === 'gap') this.readAgain()
  }

  async #readTwin(session: Session): Promise<void> {
    const { desired, reported, refreshMs } = this.#options
    this.#heldBack = []
    this.#read.due = performance.now() + refreshMs
    try {
      const twin = await session.getTwin()
      desired.replace(twin.desired)
      reported.read(twin.reported)
      this.#read.failures = 0
      this.#silentReads = 0
      if (reported.settled) this.#options.settled()
    } catch (error) {
      this.#failed(this.#read, 'the twin could not be read', error)
      this.#silentReads = isTimeout(error) ? this.#silentReads + 1 : 0
      if (this.#silentReads >= mostSilentReads) throw error
    } finally {
      const patches = this.#heldBack
      this.#heldBack = undefined
      for (const patch of patches) this.patched(patch)
    }
  }

  async #send(session: Session, patch: Properties): Promise<void> {
    const { reported, settled } = this.#options
    try {
      await session.report(patch)
      reported.acknowledged(patch)
      this.#report.failures = 0
      this.#refusedDocument = false
      if (reported.settled) settled()
    } catch (error) {
      this.#refusedDocument = error instanceof TwinError && error.status === 400
      // It may have arrived all the same, and only the answer got lost; the next patch is made from what is known.
      this.#failed(this.#report, 'the report was not taken', error)
    }
  }

  #failed(task: Task, what: string, error: unknown): void {
    if (error instanceof TwinError && error.code === 'TWIN_OFFLINE') {
      // Nobody refused anything: either the session is over, or its connection was made anew and can be asked at once.
      task.due = 0
      return
    }
    task.failures += 1
    const delay = delayAfter(task.failures, this.#options.backoff)
    task.due = performance.now() + delay
    const fields = { reason: messageOf(error), retryInMs: Math.round(delay) }
    if (task.failures === 1) this.#options.log.warn(what, fields)
    else this.#options.log.debug(what, fields)
  }

  /** Waits until a time, or until something happens. */
  async #until(time: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => resolve(undefined), Math.max(0, Math.min(time - performance.now(), 2 ** 31 - 1)))
    this.#wake = () => resolve(undefined)
    await promise
    clearTimeout(timer)
    this.#wake = () => undefined
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof TwinError && error.code === 'TWIN_TIMEOUT'
}
