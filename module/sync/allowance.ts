import { Budget, type BudgetSettings } from './budget.ts'
import { Pacing, type PacingSettings } from './pacing.ts'
import type { Clock, Content } from './ports.ts'
import { WrongBlobs } from './wrong-blobs.ts'

/** Bytes that one connection may have waiting for a paced reader: a ceiling that buffers run ahead of is none. */
const pacedReadAhead = 64 * 1024

/** What may be fetched from the parent or sent to it, and how fast: both ways together, since they share one link. */
export class Allowance {
  /** What is not worth its bytes for now. */
  readonly wrongBlobs = new WrongBlobs()
  readonly #pacing: Pacing
  readonly #budget: Budget

  constructor(clock: Clock, index: Pick<Content['index'], 'state' | 'apply'>) {
    this.#pacing = new Pacing(clock)
    this.#budget = new Budget(clock, index)
  }

  configure(pacing: PacingSettings | undefined, budget: BudgetSettings | undefined): void {
    this.#pacing.configure(pacing)
    this.#budget.configure(budget)
  }

  /** Bytes that a connection may read ahead, where that matters. */
  get readAhead(): number | undefined {
    return this.#pacing.isPaced || this.#budget.isLimited ? pacedReadAhead : undefined
  }

  /** @throws {BudgetSpent} */
  mayFetch(): Promise<void> {
    return this.#budget.mayFetch()
  }

  /**
   * Counts bytes that came and are kept, and waits until more may come.
   *
   * @throws {BudgetSpent}
   */
  async fetched(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#budget.fetched(bytes)
    await this.#pacing.after(bytes, signal)
  }

  /** At the end of a pass. */
  settle(): Promise<void> {
    return this.#budget.settle()
  }
}
